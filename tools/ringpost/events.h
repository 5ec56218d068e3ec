// `ringpost events`: lines of the event log that fit, those there are or, with --follow, those to
// come. Reads the file; the daemon only tells where it is.
#pragma once

#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "ringpost/base/time.h"

namespace ringpost::tool {

struct EventFilter {
  std::vector<std::string> events;  // any of these; empty: all
  std::string id;
  std::string group;
  std::string destination;
  std::string job;
  std::string recipient;  // an address, or "@domain"
};

struct EventOptions {
  std::string log;  // empty: where the daemon says
  bool follow = false;
  bool from_start = false;  // with follow: what is there already, too
  EventFilter filter;
};

// Whether the line, one JSON object, fits. A line that is none does not.
[[nodiscard]] bool fits(const EventFilter& filter, const std::string& line);

// Prints until the end of the file; with `follow` until `go_on()` says false, which is asked
// between reads. A log that was renamed is read to its end, then the new one of that name from its
// start; one that was truncated, from its start. Returns the exit code.
[[nodiscard]] int print_events(const EventOptions& options, std::ostream& out, std::ostream& error,
                               const std::function<bool()>& go_on);

}  // namespace ringpost::tool
