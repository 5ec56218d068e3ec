// How the descriptors that the process may have are shared out, so that none of their users runs
// the others dry: what comes in may not take what goes out needs. Made by the daemon from
// RLIMIT_NOFILE, given to every shard. (pure)
#pragma once

#include <cstddef>
#include <cstdint>

namespace ringpost::shard {

// For logs, control socket, metrics and their clients; then, of each shard, for its ring, event log
// and the segments that it always has open.
inline constexpr std::uint64_t descriptors_of_daemon = 48;
inline constexpr std::uint64_t descriptors_of_shard = 16;

// What one shard may have open at the same time.
struct DescriptorShares {
  std::uint32_t clients = 1000;   // that are served
  std::uint32_t acceptors = 8;    // for each listening socket: clients that are being told 421
  std::uint32_t outbound = 1000;  // connections to mail servers, and attempts at some
  std::uint32_t lookups = 1000;   // DNS queries

  bool operator==(const DescriptorShares&) const = default;
};

// Of `limit` descriptors, where a shard listens on so many sockets. An eighth is left over for the
// spool's segments, which a deep queue has more of.
[[nodiscard]] DescriptorShares share_descriptors(std::uint64_t limit, std::uint32_t shards,
                                                 std::size_t listening);

}  // namespace ringpost::shard
