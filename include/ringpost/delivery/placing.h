// Where domains belong, as far as delivery has to ask: groups may be named by MX hosts, so that a
// domain's place is known only when DNS has answered. Asked by a group's service for each route
// that it finds; answered by intake, which knows the groups of all shards.
#pragma once

#include "ringpost/base/time.h"
#include "ringpost/queue/queue_group.h"
#include "ringpost/ring/task.h"

namespace ringpost::delivery {

class Placing {
 public:
  // Whether the domain, which has this route until then, belongs to the group that asks.
  virtual bool belongs(const queue::QueueGroup& group, const queue::Domain& domain,
                       const queue::LaneKey& route, Instant until) = 0;
  // Of a domain that belongs elsewhere: its ready recipients go there. False: some must stay.
  virtual ring::Task<bool> move_out(queue::QueueGroup& group, queue::Domain& domain) = 0;

 protected:
  ~Placing() = default;
};

}  // namespace ringpost::delivery
