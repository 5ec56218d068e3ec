// A lane: the recipients of a queue group that one connection may serve, because they share
// destination, MX hosts, egress source and TLS policy. Holds its jobs, and they their flows, in
// fair turns. Owned by the lane scheduler; a Lane& is valid while a domain leads into it or a
// runner holds a seat on it. Delivery reads it; only the queue changes it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ringpost/queue/destination.h"
#include "ringpost/queue/domain.h"
#include "ringpost/queue/fairness.h"
#include "ringpost/queue/host_status.h"

namespace ringpost::queue {

struct LaneKey {
  std::string destination;
  RouteVia via = RouteVia::dns;
  std::vector<RouteHost> hosts;  // by preference, then name; never empty
  std::string egress;            // name of the egress source, empty = the default
  std::string tls;               // policy

  bool operator==(const LaneKey&) const = default;
  [[nodiscard]] std::string canonical() const;
};

struct TurnInLaneTag {};

// One job's work in one lane.
struct LaneJob : FairHook<TurnInLaneTag> {
  LaneJob(Lane& of_lane, std::uint32_t job_number) : lane(of_lane), number(job_number) {}

  Lane& lane;
  std::uint32_t number;
  std::uint32_t flows = 0;               // all that hang here
  FairRound<Flow, TurnInJobTag> active;  // those with ready work
};

class Lane : public ListHook<LaneTag> {
 public:
  Lane(LaneKey key, Destination& destination) : key_(std::move(key)), destination_(destination) {}

  [[nodiscard]] const LaneKey& key() const { return key_; }
  [[nodiscard]] Destination& destination() const { return destination_; }
  [[nodiscard]] const HostStatus& status() const { return status_; }
  [[nodiscard]] const Counts& counts() const { return counts_; }
  [[nodiscard]] std::uint64_t ready_entries() const { return ready_entries_; }
  [[nodiscard]] std::uint32_t seats() const { return seats_; }  // runners on it
  [[nodiscard]] bool slow() const { return slow_; }

 private:
  friend class LaneScheduler;
  friend class QueueGroup;

  // Which list the lane is on. patience: has a little work, and runners who may well do it.
  enum class Place : std::uint8_t { nowhere, ready, blocked, waiting, patience };

  LaneKey key_;
  Destination& destination_;
  HostStatus status_;
  Counts counts_;
  std::map<std::uint32_t, LaneJob> jobs_;
  FairRound<LaneJob, TurnInLaneTag> active_;
  std::uint64_t ready_entries_ = 0;
  std::uint32_t domains_ = 0;
  std::uint32_t seats_ = 0;
  std::uint32_t fresh_seats_ = 0;  // seats that have not taken an entry yet
  std::uint32_t attempts_ = 0;     // seats without a runner
  Instant last_taken_;
  Place place_ = Place::nowhere;
  bool slow_ = false;
  bool greeted_ = false;       // by a server, ever
  bool counted_slow_ = false;  // its seats count among the slow ones
};

}  // namespace ringpost::queue
