// What Prometheus gets: counters and gauges of every shard and queue group, and of the destinations
// with most mail, in its text exposition format. Names are fixed, since dashboards rely on them.
// Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ringpost/control/answers.h"

namespace ringpost::control {

struct ShardMetrics {
  // Destinations of their own, over all shards; the others are one, `other`.
  static constexpr std::uint32_t most_destinations = 50;

  ShardStatus status;
  std::vector<GroupLine> groups;
  std::vector<QueueLine> destinations;  // the longest queues, so many at most
};

[[nodiscard]] std::string metrics_text(std::vector<ShardMetrics> shards, const std::string& version,
                                       std::uint64_t uptime_ms, bool draining);

}  // namespace ringpost::control
