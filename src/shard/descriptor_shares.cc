#include "ringpost/shard/descriptor_shares.h"

#include <algorithm>

namespace ringpost::shard {
namespace {

constexpr std::uint64_t most_acceptors = 8;  // more do not empty a burst any faster
constexpr std::uint64_t most_lookups = 1000;
constexpr std::uint64_t most = 1'000'000;  // of anything else: as many as the configuration allows

}  // namespace

DescriptorShares share_descriptors(std::uint64_t limit, std::uint32_t shards,
                                   std::size_t listening) {
  const std::uint64_t needed = descriptors_of_daemon + descriptors_of_shard * shards;
  const std::uint64_t rest = limit > needed ? (limit - needed) / shards : 0;
  const std::uint64_t eighth = rest / 8;
  const std::uint64_t sockets = std::max<std::size_t>(listening, 1);
  const std::uint64_t lookups = std::min(eighth, most_lookups);
  const std::uint64_t acceptors = std::min(eighth / sockets, most_acceptors);
  const std::uint64_t connections = rest - eighth - lookups - acceptors * sockets;
  const auto count = [](std::uint64_t wanted) {
    return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(wanted, 1, most));
  };
  DescriptorShares shares;
  shares.clients = count(connections * 5 / 8);
  shares.outbound = count(connections * 3 / 8);
  shares.lookups = count(lookups);
  shares.acceptors = count(acceptors);
  return shares;
}

}  // namespace ringpost::shard
