#include "ringpost/shard/descriptor_shares.h"

#include <gtest/gtest.h>

#include <limits>

namespace ringpost::shard {
namespace {

TEST(DescriptorShares, WhatComesInLeavesEnoughForWhatGoesOut) {
  for (const std::uint64_t limit : {0UL, 64UL, 80UL, 128UL, 1024UL, 65'536UL, 1'048'576UL}) {
    for (const std::uint32_t shards : {1U, 2U, 16U, 128U}) {
      for (const std::size_t sockets : {1UL, 4UL, 20UL}) {
        const DescriptorShares shares = share_descriptors(limit, shards, sockets);
        EXPECT_GE(shares.clients, 1U);
        EXPECT_GE(shares.acceptors, 1U);
        EXPECT_GE(shares.lookups, 1U);
        EXPECT_GE(2 * shares.outbound, shares.clients);
        const std::uint64_t used = shards * (shares.clients + shares.outbound + shares.lookups +
                                             shares.acceptors * sockets);
        const std::uint64_t fixed = descriptors_of_daemon + shards * descriptors_of_shard;
        if (limit >= fixed + shards * 8 * sockets) {
          EXPECT_LE(used + fixed, limit) << limit << " of " << shards;
        }
      }
    }
  }
}

TEST(DescriptorShares, FewAreSharedToTheLast) {
  EXPECT_EQ(share_descriptors(128, 2, 1),
            (DescriptorShares{.clients = 9, .acceptors = 3, .outbound = 5, .lookups = 3}));
}

TEST(DescriptorShares, NoLimitIsNoOverflow) {
  const DescriptorShares shares =
      share_descriptors(std::numeric_limits<std::uint64_t>::max(), 2, 1);
  EXPECT_EQ(shares.clients, 1'000'000U);
  EXPECT_EQ(shares.acceptors, 8U);
  EXPECT_EQ(shares.lookups, 1000U);
}

}  // namespace
}  // namespace ringpost::shard
