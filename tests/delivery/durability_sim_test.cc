// Queue groups that answer 250 before the disk has the message: what a crash may cost is what the
// durability says, and nothing more; an orderly end costs nothing.
#include <gtest/gtest.h>

#include <string>

#include "sim/mail_world.h"

namespace ringpost::delivery {
namespace {

using sim::MailServer;
using sim::MailWorld;

constexpr int messages = 40;

class Durability : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  static void write(MailWorld& world, const std::string& domain = "one.example") {
    for (int number = 0; number < messages; ++number) {
      world.write({"reader" + std::to_string(number) + "@" + domain});
    }
  }
  static auto answering(std::string command, std::string reply) {
    return [=](std::string_view given, std::string_view /*address*/) {
      return given == command ? reply : std::string();
    };
  }
  static std::uint64_t only_in_memory(MailWorld& world, std::uint32_t shards = 1) {
    std::uint64_t sum = 0;
    for (std::uint32_t shard = 0; shard < shards; ++shard) {
      sum += world.relay.shard(shard).view().ledger.only_in_memory();
    }
    return sum;
  }
  static std::uint64_t bytes_written(MailWorld& world) {
    return world.relay.shard(0).view().spool.counters().commits.bytes;
  }
};

TEST_P(Durability, WhatIsDeliveredInTimeNeverTouchesTheDisk) {
  MailWorld world(GetParam(), 1, {"spool.durability='memory'"});
  MailServer& site = world.add_site("one.example");
  ASSERT_TRUE(world.relay.start_and_wait());
  const std::uint64_t before = bytes_written(world);
  write(world);
  ASSERT_TRUE(world.inject(4));
  ASSERT_TRUE(world.settle(10min));
  EXPECT_EQ(world.what_is_wrong(), "");
  EXPECT_EQ(site.taken.size(), static_cast<std::size_t>(messages));
  EXPECT_EQ(only_in_memory(world), 0U);
  EXPECT_EQ(bytes_written(world), before);
  EXPECT_TRUE(world.relay.drain());
}

TEST_P(Durability, OneGroupsLaxityIsNoOtherGroups) {
  MailWorld world(GetParam(), 1,
                  {"queue_group=[{name='lax', domains=['one.example'], durability='memory'}]"});
  world.add_site("one.example", {.stalls = 1});
  world.add_site("two.example", {.stalls = 1});
  ASSERT_TRUE(world.relay.start_and_wait());
  write(world, "two.example");
  ASSERT_TRUE(world.inject(4));
  EXPECT_EQ(only_in_memory(world), 0U);
  write(world, "one.example");
  ASSERT_TRUE(world.inject(4));
  EXPECT_EQ(only_in_memory(world), static_cast<std::uint64_t>(messages));
  world.relay.crash(sim::Crash::power_cut);
  ASSERT_TRUE(world.relay.start_and_wait());
  EXPECT_EQ(world.queued(), static_cast<std::size_t>(messages)) << "those for two.example";
}

TEST_P(Durability, AnIntervalLaterNothingCanBeLost) {
  MailWorld world(GetParam(), 1, {"spool.durability='interval'", "spool.interval='2s'"});
  MailServer& site = world.add_site("one.example", {.stalls = 1});
  ASSERT_TRUE(world.relay.start_and_wait());
  write(world);
  ASSERT_TRUE(world.inject(4));
  EXPECT_GT(only_in_memory(world), 0U);
  world.world.run_for(3s);
  EXPECT_EQ(only_in_memory(world), 0U);
  world.relay.crash(sim::Crash::power_cut);
  site.personality.stalls = 0;
  ASSERT_TRUE(world.relay.start_and_wait());
  ASSERT_TRUE(world.settle(1h));
  EXPECT_EQ(world.what_is_wrong(true), "");
  EXPECT_TRUE(world.relay.drain());
}

TEST_P(Durability, WhatMustWaitForAnotherAttemptIsOnDisk) {
  MailWorld world(GetParam(), 1, {"spool.durability='memory'", "retry.first='5m'"});
  MailServer& site =
      world.add_site("one.example", {.policy = answering("RCPT", "451 4.2.0 later")});
  ASSERT_TRUE(world.relay.start_and_wait());
  write(world);
  ASSERT_TRUE(world.inject(4));
  world.world.run_for(1min);
  EXPECT_EQ(only_in_memory(world), 0U);
  EXPECT_EQ(world.queued(), static_cast<std::size_t>(messages));
  world.relay.crash(sim::Crash::power_cut);
  site.personality.policy = nullptr;
  ASSERT_TRUE(world.relay.start_and_wait());
  EXPECT_EQ(world.queued(), static_cast<std::size_t>(messages));
  ASSERT_TRUE(world.settle(12h));
  EXPECT_EQ(world.what_is_wrong(true), "");
  EXPECT_TRUE(world.relay.drain());
}

TEST_P(Durability, WhoIsRefusedIsReportedAcrossACrash) {
  MailWorld world(GetParam(), 1, {"spool.durability='memory'"});
  world.add_site("one.example", {.policy = answering("RCPT", "550 5.1.1 nobody")});
  world.senders_site().personality.stalls = 1;
  ASSERT_TRUE(world.relay.start_and_wait());
  write(world);
  ASSERT_TRUE(world.inject(4));
  world.world.run_for(1min);
  world.relay.crash(sim::Crash::power_cut);
  world.senders_site().personality.stalls = 0;
  ASSERT_TRUE(world.relay.start_and_wait());
  ASSERT_TRUE(world.settle(12h));
  EXPECT_EQ(world.what_is_wrong(true), "");
  EXPECT_TRUE(world.relay.drain());
}

TEST_P(Durability, AnOrderlyEndLosesNothing) {
  MailWorld world(GetParam(), 2, {"spool.durability='memory'"});
  MailServer& site = world.add_site("one.example", {.stalls = 1});
  MailServer& other = world.add_site("two.example", {.stalls = 1});
  ASSERT_TRUE(world.relay.start_and_wait());
  write(world, "one.example");
  write(world, "two.example");
  ASSERT_TRUE(world.inject(4));
  EXPECT_EQ(only_in_memory(world, 2), static_cast<std::uint64_t>(2 * messages));
  ASSERT_TRUE(world.relay.drain());
  site.personality.stalls = other.personality.stalls = 0;
  ASSERT_TRUE(world.relay.start_and_wait());
  ASSERT_TRUE(world.settle(12h));
  EXPECT_EQ(world.what_is_wrong(), "");
  EXPECT_TRUE(world.relay.drain());
}

INSTANTIATE_TEST_SUITE_P(Seeds, Durability, ::testing::Range<std::uint64_t>(0, 4));

}  // namespace
}  // namespace ringpost::delivery
