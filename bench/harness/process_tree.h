// What a process and all that it started cost, from /proc: CPU time and memory. Processes that have
// ended are counted through their parents, which waited for them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "ringpost/base/time.h"

namespace ringpost::bench {

[[nodiscard]] std::vector<pid_t> tree_of(pid_t root);
// User and system time, in clock ticks of 10 ms.
[[nodiscard]] Duration cpu_time_of(const std::vector<pid_t>& processes);
// Proportional set size: memory shared by several of them counts once.
[[nodiscard]] std::uint64_t pss_of(const std::vector<pid_t>& processes);

}  // namespace ringpost::bench
