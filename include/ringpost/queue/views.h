// What the operator sees of a queue group, as values: `queue`, `group list` and `explain`. Cold:
// each call looks at all lanes and domains, and at a bounded number of entries.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/queue/queue_group.h"

namespace ringpost::queue {

struct DestinationView {
  std::string destination;  // of domains without a route: the domain
  std::uint64_t ready = 0;
  std::uint64_t deferred = 0;  // with what is ready for suspended lanes and failed routes
  std::uint64_t held = 0;
  std::uint64_t in_flight = 0;
  std::optional<WallTime> oldest;
  std::optional<WallTime> next_attempt;
  std::uint32_t connections_open = 0;
  std::uint32_t connections_idle = 0;
  std::optional<LastError> last_error;
};

struct GroupView {
  std::string group;
  std::uint32_t runners = 0;
  std::uint32_t runners_busy = 0;
  std::uint64_t ready = 0;
  std::uint64_t deferred = 0;  // as above
  std::uint64_t held = 0;
  std::uint64_t in_flight = 0;
};

struct RouteView {
  RouteState state = RouteState::unknown;
  std::string destination;  // empty: not known
  RouteVia via = RouteVia::dns;
  std::vector<RouteHost> hosts;
  std::vector<LimitValue> limits;
  std::string lane_state;  // up, down, recovering
  Instant lane_until = never;
};

[[nodiscard]] GroupView group_view(QueueGroup& group, Now now);
// Sorted by name.
[[nodiscard]] std::vector<DestinationView> destination_views(QueueGroup& group, Now now);
// Nothing is known of a domain without recipients whose route was forgotten.
[[nodiscard]] std::optional<RouteView> route_view(QueueGroup& group, std::string_view domain,
                                                  Now now);
// What counts against a lane's ready work, the limits that bind marked.
[[nodiscard]] std::vector<LimitValue> lane_limits(QueueGroup& group, const Lane& lane, Now now);

}  // namespace ringpost::queue
