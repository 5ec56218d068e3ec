// What a shard tells of itself, read from the rooms that it composes, and the whole answer made of
// every shard's part. Called for each command that comes over the control socket. Cold: may look at
// every lane. Changes nothing but the least recently used order of caches and who follows a trace,
// waits for nothing, asks no name server.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "ringpost/config/load.h"
#include "ringpost/control/answers.h"
#include "ringpost/control/commands.h"
#include "ringpost/control/metrics.h"
#include "ringpost/delivery/connection_cache.h"
#include "ringpost/delivery/host_table.h"
#include "ringpost/delivery/ledger.h"
#include "ringpost/delivery/tracer.h"
#include "ringpost/dns/resolver.h"
#include "ringpost/intake/assignment.h"
#include "ringpost/intake/intake.h"
#include "ringpost/queue/queued_message.h"
#include "ringpost/ring/reactor.h"
#include "ringpost/spool/spool.h"

namespace ringpost::control {

// The spool of a shard that is no more, while this one hands its mail over.
struct AdoptedView {
  const queue::Messages& messages;
  const delivery::Ledger& ledger;
  const spool::Spool& spool;
};

struct ShardView {
  std::uint32_t shard;
  ring::Reactor& reactor;
  const config::Config& config;
  const config::Origins& origins;
  const intake::Assignment& assignment;
  const std::vector<intake::LocalGroup>& groups;  // by the assignment's numbers
  const queue::Messages& messages;
  const delivery::ConnectionCache& cache;
  const delivery::Ledger& ledger;
  delivery::HostTable& hosts;
  dns::Resolver& resolver;
  const spool::Spool& spool;
  const intake::Intake& intake;
  const queue::Holds& holds;
  const std::vector<AdoptedView>& adopted;
  delivery::Tracer& tracer;
};

using Answer = std::variant<ShardStatus, Queue, Groups, Explanation, MessageView, HoldList, Change,
                            Reloaded, ShardMetrics, Trace, Refusal>;

// This shard's part. Of what lives on other shards: a Refusal "not_found". Orders that change
// something are the Operator's.
[[nodiscard]] Answer inspect(const ShardView& view, const Command& command);

// Those with most to send, ready or deferred, come first; only `limit` of them stay.
void keep_longest(Queue& queue, std::uint32_t limit);

struct DaemonFacts {
  std::string version;
  std::int64_t pid = 0;
  bool draining = false;
  std::uint64_t uptime_ms = 0;
  std::string events_log;  // its path
};

struct Response {
  int http_status = 200;
  std::string text;  // JSON on one line, without the newline; or metrics
  std::string type = "application/json";
};

// The whole answer. Parts that are "not_found" count only where there is no other.
[[nodiscard]] Response merge(const Command& command, std::vector<Answer> parts,
                             const DaemonFacts& facts);

}  // namespace ringpost::control
