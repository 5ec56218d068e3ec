// A backlog that is larger than the memory for contents, in a simulated world: it stays on disk,
// comes back in time for its runners, and everything arrives whole.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "sim/mail_world.h"

namespace ringpost::delivery {
namespace {

using sim::MailServer;
using sim::MailWorld;

constexpr std::uint64_t budget = 1 << 20;
constexpr int messages = 600;
constexpr std::size_t size = 8'000;  // five times the budget

class Backlog : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  static std::uint64_t bytes_in_memory(MailWorld& world) {
    return world.relay.shard(0).view().messages.contents().bytes();
  }
};

TEST_P(Backlog, DrainsFromDiskWithinItsMemory) {
  MailWorld world(GetParam(), 1, {"spool.memory_budget=1048576"});
  MailServer& site = world.add_site("one.example", {.stalls = 1});
  ASSERT_TRUE(world.relay.start_and_wait());
  for (int number = 0; number < messages; ++number) {
    world.write({"reader" + std::to_string(number) + "@one.example"}, size);
  }
  ASSERT_TRUE(world.inject(4));
  EXPECT_LE(bytes_in_memory(world), budget);
  EXPECT_GT(bytes_in_memory(world), budget / 2) << "there is room that is not used";
  site.personality.stalls = 0;
  std::uint64_t most = 0;
  ASSERT_TRUE(world.world.run_until(
      [&] {
        most = std::max(most, bytes_in_memory(world));
        return world.queued() == 0;
      },
      12h));
  world.world.run_for(5s);  // the last event lines
  EXPECT_LE(most, budget + 20 * size) << "what runners send at the moment comes on top";
  EXPECT_EQ(world.what_is_wrong(), "");
  EXPECT_EQ(site.taken.size(), static_cast<std::size_t>(messages));
  EXPECT_EQ(bytes_in_memory(world), 0U);
  EXPECT_TRUE(world.relay.drain());
}

TEST_P(Backlog, IsReadAheadOfItsRunnersAfterARestart) {
  MailWorld world(GetParam(), 1, {"spool.memory_budget=1048576"});
  MailServer& site = world.add_site("one.example", {.stalls = 1});
  ASSERT_TRUE(world.relay.start_and_wait());
  for (int number = 0; number < messages; ++number) {
    world.write({"reader" + std::to_string(number) + "@one.example"}, size);
  }
  ASSERT_TRUE(world.inject(4));
  world.relay.crash(sim::Crash::killed);
  site.personality.stalls = 0;
  ASSERT_TRUE(world.relay.start_and_wait());
  EXPECT_EQ(bytes_in_memory(world), 0U);
  ASSERT_TRUE(world.settle(10min));
  EXPECT_EQ(world.what_is_wrong(true), "");
  const ReadAhead& reads = world.relay.shard(0).read_ahead();
  EXPECT_GE(reads.reads(), static_cast<std::uint64_t>(messages));
  EXPECT_LT(reads.reads(), static_cast<std::uint64_t>(2 * messages)) << "read and thrown away";
  EXPECT_LT(reads.waits(), reads.reads() / 4) << "runners wait for the disk";
  EXPECT_TRUE(world.relay.drain());
}

INSTANTIATE_TEST_SUITE_P(Seeds, Backlog, ::testing::Range<std::uint64_t>(0, 3));

}  // namespace
}  // namespace ringpost::delivery
