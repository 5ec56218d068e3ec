// Where messages lie that were copied to another segment while their callers went on to name them
// by their old places. Also knows the copies that are not durable yet: until then the old place
// counts. (pure)
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "ringpost/spool/location.h"

namespace ringpost::spool {

class Relocations {
 public:
  struct Copy {
    Location old_place;
    Location new_place;
    Ticket ticket;          // of the copy
    bool finished = false;  // the message was, at its old place, while it was being copied
  };

  // Nothing if no message is named by this place that lies elsewhere.
  [[nodiscard]] std::optional<Location> find(const Location& name) const;

  // A copy was appended.
  void begin(const Location& old_place, const Location& new_place, Ticket ticket);
  // The place of the copy under way, if there is one.
  [[nodiscard]] std::optional<Location> copy_of(const Location& old_place) const;
  // Nobody asks for the message at this place any more. Of a copy under way it is remembered.
  void finished(const Location& place);
  // All copies under way. Which of them have become durable is for the caller to ask, one by one:
  // they may lie in several batches.
  std::vector<Copy> end();
  // From now on the message lies at `new_place`, and goes by `names` as well as by all names that
  // its old place had.
  void add(const Location& old_place, const std::vector<Location>& names,
           const Location& new_place);

  [[nodiscard]] std::size_t size() const { return places_.size(); }

 private:
  // No two messages begin at the same offset of a segment.
  using Key = std::pair<std::uint32_t, std::uint32_t>;
  static Key key_of(const Location& place) { return {place.segment, place.offset}; }

  std::vector<Copy> under_way_;            // a few dozen
  std::map<Key, Location> places_;         // by name
  std::map<Key, std::vector<Key>> names_;  // by place
};

}  // namespace ringpost::spool
