// A destination of a queue group: where limits are counted. Several lanes may lead to it. And how a
// route gets its destination's name. Owned by the lane scheduler; a Destination& is valid while a
// lane leads there or a connection to it is open.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/base/intrusive_list.h"
#include "ringpost/base/time.h"
#include "ringpost/mail/enhanced_status.h"
#include "ringpost/queue/limits.h"

namespace ringpost::queue {

enum class RouteVia : std::uint8_t { dns, route, smarthost };

struct RouteHost {
  std::string name;  // or an address, in a static route
  std::uint16_t preference = 0;
  std::uint16_t port = 25;

  bool operator==(const RouteHost&) const = default;
};

// A named provider: one `[[destination]]`, or one of those that ship.
struct DestinationPattern {
  std::string name;
  std::string mx;  // a host name; `*.` in front stands for any labels
};

// Google, Microsoft and Yahoo.
[[nodiscard]] std::vector<DestinationPattern> shipped_destinations();

[[nodiscard]] bool matches_host_pattern(std::string_view pattern, std::string_view host);

// The first pattern that one of the most preferred hosts matches; else the sorted set of hosts,
// else (no hosts) the domain. Bounded: a set longer than 255 bytes is cut and ends in its hash.
[[nodiscard]] std::string destination_name(std::string_view domain,
                                           std::span<const RouteHost> hosts,
                                           std::span<const DestinationPattern> patterns);

struct LastError {
  WallTime time;
  mail::EnhancedStatus status;
  std::string reply;
};

class Lane;
struct LaneTag {};

class Destination {
 public:
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& egress() const { return egress_; }
  [[nodiscard]] std::uint32_t seats() const { return seats_; }  // connections in use
  [[nodiscard]] const LastError* last_error() const {
    return last_error_.reply.empty() ? nullptr : &last_error_;
  }
  [[nodiscard]] bool held() const { return held_; }  // by the operator
  [[nodiscard]] const TokenBucket& bucket() const { return bucket_; }

  // Kept by the connection cache: all connections there are, and those of them without a runner.
  std::uint32_t connections_open = 0;
  std::uint32_t connections_idle = 0;

 private:
  friend class LaneScheduler;
  friend class QueueGroup;

  std::string name_;
  std::string egress_;
  std::uint32_t seats_ = 0;
  std::uint32_t lanes_ = 0;
  bool held_ = false;
  TokenBucket bucket_;
  LastError last_error_;
  IntrusiveList<Lane, LaneTag> blocked_;  // lanes that wait for one of its seats
};

}  // namespace ringpost::queue
