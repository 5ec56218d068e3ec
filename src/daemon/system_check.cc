#include "ringpost/daemon/system_check.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include <algorithm>

#include "ringpost/ring/linux_kernel.h"
#include "ringpost/shard/descriptor_shares.h"

namespace ringpost::daemon {
namespace {

std::string limit_text(rlim_t limit) {
  return limit == RLIM_INFINITY ? "unlimited" : fmt::format("{}", limit);
}

SystemFact check_kernel() {
  utsname name{};
  uname(&name);
  return {"kernel", fmt::format("{} {}", name.sysname, name.release), true, {}};
}

SystemFact check_ring() {
  SystemFact fact{"io_uring", "available", true, {}};
  auto kernel = ring::LinuxKernel::create();
  if (!kernel) {
    const Error& error = kernel.error();
    fact.good = false;
    fact.remedy = error.remedy;
    fact.found = Error(error.message, {}, error.system_errno).describe();
  }
  return fact;
}

SystemFact check_locked_memory() {
  rlimit limit{};
  getrlimit(RLIMIT_MEMLOCK, &limit);
  // Whether it suffices the ring itself has shown; what is left over is worth knowing.
  return {"locked memory", fmt::format("{} bytes", limit_text(limit.rlim_cur)), true, {}};
}

SystemFact check_descriptors(std::uint32_t shards) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  const std::uint64_t needed = shard::descriptors_of_daemon + shards * shard::descriptors_of_shard;
  SystemFact fact{"descriptors", limit_text(limit.rlim_cur), limit.rlim_cur >= needed, {}};
  if (!fact.good) {
    fact.found += fmt::format(" (EMFILE, errno {}, would follow: {} are needed)", EMFILE, needed);
    fact.remedy =
        "raise RLIMIT_NOFILE: `ulimit -n 65536`, or LimitNOFILE=65536 in the systemd unit";
  }
  return fact;
}

}  // namespace

std::uint64_t descriptor_limit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

std::vector<SystemFact> check_system(std::uint32_t shards) {
  return {check_kernel(), check_ring(), check_locked_memory(), check_descriptors(shards)};
}

bool all_good(const std::vector<SystemFact>& facts) {
  return std::ranges::all_of(facts, &SystemFact::good);
}

std::string table_of(const std::vector<SystemFact>& facts) {
  std::string table;
  for (const SystemFact& fact : facts) {
    table += fmt::format("{:<16}{:<6}{}\n", fact.name, fact.good ? "ok" : "BAD", fact.found);
    if (!fact.remedy.empty()) {
      table += fmt::format("{:<22}remedy: {}\n", "", fact.remedy);
    }
  }
  return table;
}

}  // namespace ringpost::daemon
