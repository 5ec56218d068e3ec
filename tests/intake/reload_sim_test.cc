// Reloads in a simulated world: groups that move between shards while mail is queued and in flight,
// many reloads at once. Nothing is lost, nobody gets anything twice.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sim/mail_world.h"

namespace ringpost::intake {
namespace {

using sim::MailWorld;

constexpr std::uint64_t sites = 4;

std::string site(std::uint64_t number) {
  return "site" + std::to_string(number) + ".example";
}

// Each site has a group of its own, each on a shard that the seed chooses.
std::vector<std::string> groups_on(const std::vector<std::uint64_t>& shards) {
  std::string groups;
  for (std::uint64_t number = 0; number < shards.size(); ++number) {
    groups += "{name=\"g" + std::to_string(number) + "\",domains=[\"" + site(number) +
              "\"],shard=" + std::to_string(shards[number]) + "},";
  }
  return {"queue_group=[" + groups + "]"};
}

std::vector<std::string> random_groups(Random& random, std::uint32_t shards) {
  std::vector<std::uint64_t> chosen;
  for (std::uint64_t number = 0; number < sites; ++number) {
    chosen.push_back(random.below(shards));
  }
  // Now and then one is not named at all, and its mail goes by the hash.
  chosen.resize(random.below(4) == 0 ? sites - 1 : sites);
  return groups_on(chosen);
}

void write_some(MailWorld& world, int count) {
  Random& random = world.world.random();
  for (int number = 0; number < count; ++number) {
    std::vector<std::string> recipients;
    for (std::uint64_t at = 0; at < sites; ++at) {
      if (at == 0 || random.below(2) == 0) {
        recipients.push_back("reader" + std::to_string(random.below(500)) + "@" + site(at));
      }
    }
    world.write(recipients, 200 + random.below(4'000));
  }
}

class ReloadOnSim : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  void add_sites(MailWorld& world, Duration reply_delay) {
    for (std::uint64_t number = 0; number < sites; ++number) {
      world.add_site(site(number), {.reply_delay = reply_delay, .policy = {}});
    }
  }
};

TEST_P(ReloadOnSim, GroupsMoveUnderLoadAndNothingIsLostOrSentTwice) {
  constexpr std::uint32_t shards = 3;
  MailWorld world(GetParam(), shards, groups_on({0, 1, 2, 0}));
  add_sites(world, 20ms);
  Random& random = world.world.random();
  ASSERT_TRUE(world.relay.start_and_wait());
  write_some(world, 150);
  world.begin_inject(4);
  for (int reload = 0; reload < 25; ++reload) {
    world.world.run_for(sim::between(random, 0us, 150ms));
    world.relay.reload(random_groups(random, shards));
    if (random.below(3) == 0) {  // a storm: the shard may see only the last one
      world.relay.reload(random_groups(random, shards));
    }
    world.world.run_for(1ms);
  }
  ASSERT_TRUE(world.settle(1h)) << world.queued() << " messages do not move";
  EXPECT_EQ(world.what_is_wrong(), "");
  EXPECT_EQ(world.complaints(), "");
  for (std::uint32_t number = 0; number < shards; ++number) {
    EXPECT_EQ(world.relay.shard(number).view().spool.counters().live_messages, 0U)
        << "done, and still in the spool";
  }
  EXPECT_TRUE(world.relay.drain());
}

TEST_P(ReloadOnSim, NothingIsLostInACrashInTheMiddleOfAMove) {
  constexpr std::uint32_t shards = 3;
  MailWorld world(GetParam(), shards, groups_on({0, 1, 2, 0}));
  add_sites(world, 5ms);
  Random& random = world.world.random();
  const int crashes = 3 + static_cast<int>(random.below(4));
  for (int crash = 0; crash < crashes; ++crash) {
    ASSERT_TRUE(world.relay.start_and_wait());
    write_some(world, 60);
    world.begin_inject(4);
    world.world.run_for(sim::between(random, 1ms, 200ms));
    world.relay.reload(random_groups(random, shards));
    world.world.run_for(sim::between(random, 0us, random.below(2) == 0 ? 20ms : 400ms));
    // The next start goes by the new configuration.
    world.relay.crash(random.below(3) == 0 ? sim::Crash::killed : sim::Crash::power_cut);
    world.world.run_for(1s);
  }
  ASSERT_TRUE(world.relay.start_and_wait());
  ASSERT_TRUE(world.settle(1h)) << world.queued() << " messages do not move";
  EXPECT_EQ(world.what_is_wrong(true), "");
  EXPECT_EQ(world.complaints(), "");
  for (std::uint32_t number = 0; number < shards; ++number) {
    EXPECT_EQ(world.relay.shard(number).view().spool.counters().live_messages, 0U)
        << "done, and still in the spool";
    EXPECT_EQ(world.relay.shard(number).view().spool.counters().quarantined_total, 0U);
  }
  EXPECT_TRUE(world.relay.drain());
}

// The disk has no room for what another shard would take over, for longer than mail may wait.
TEST_P(ReloadOnSim, WhatItsTakerKeepsRefusingExpiresOnTimeAndOnce) {
  const auto settings = [](std::uint64_t shard, const std::string& others = "hold") {
    const auto group = [](const std::string& name, std::uint64_t number, std::uint64_t on,
                          const std::string& delivery) {
      return "{name=\"" + name + "\",domains=[\"" + site(number) +
             "\"],shard=" + std::to_string(on) + ",delivery=\"" + delivery + "\"},";
    };
    return std::vector<std::string>{
        "queue_group=[" + group("g", 0, shard, "hold") + group("full", 1, 1, others) + "]",
        "timeouts.queuereturn=1h"};
  };
  MailWorld world(GetParam(), 2, settings(0));
  add_sites(world, 1ms);
  ASSERT_TRUE(world.relay.start_and_wait());
  for (int number = 0; number < 20; ++number) {
    world.write({"reader" + std::to_string(number) + "@" + site(0)});
  }
  ASSERT_TRUE(world.inject(2));
  world.run_minutes(20);
  sim::DiskFaults& disk = world.relay.host().disk().faults;
  const std::uint64_t room = disk.capacity;
  disk.capacity = 256 << 20;  // less than what is to be kept free
  for (int number = 0; number < 300; ++number) {
    world.write({"reader@" + site(1)}, 20'000);
  }
  ASSERT_TRUE(world.inject(4));
  ASSERT_FALSE(world.relay.shard(1).view().spool.accepting());
  world.relay.reload(settings(1));
  world.run_minutes(35);
  EXPECT_EQ(world.relay.shard(0).view().messages.size(), 20U) << "until their hour is over";
  const bool crashes = GetParam() % 2 == 1;
  if (crashes) {
    world.relay.crash(sim::Crash::killed);
    world.run_minutes(6);
    ASSERT_TRUE(world.relay.start_and_wait());
  }
  world.run_minutes(7);
  EXPECT_EQ(world.relay.shard(0).view().ledger.counters().expired, 20U);
  world.relay.crash(sim::Crash::killed);  // what has expired stays so
  disk.capacity = room;
  ASSERT_TRUE(world.relay.start_and_wait());
  world.relay.reload(settings(1, "queue"));
  ASSERT_TRUE(world.settle(10min)) << world.queued() << " messages do not move";
  EXPECT_EQ(world.what_is_wrong(true), "");
  EXPECT_EQ(world.relay.shard(1).view().ledger.counters().expired, 0U);
  EXPECT_EQ(world.senders_site().taken.size(), 20U) << "a report each";
  EXPECT_TRUE(world.relay.drain());
}

TEST_P(ReloadOnSim, HeldMailGoesWithItsGroupAndLeavesFromThere) {
  const auto settings = [](std::uint64_t shard, const char* delivery) {
    return std::vector<std::string>{"queue_group=[{name=\"g\",domains=[\"" + site(0) +
                                    "\"],shard=" + std::to_string(shard) + ",delivery=\"" +
                                    delivery + "\"}]"};
  };
  MailWorld world(GetParam(), 2, settings(0, "hold"));
  add_sites(world, 1ms);
  ASSERT_TRUE(world.relay.start_and_wait());
  for (int number = 0; number < 50; ++number) {
    world.write({"reader" + std::to_string(number) + "@" + site(0)});
  }
  ASSERT_TRUE(world.inject(2));
  world.world.run_for(5s);
  EXPECT_EQ(world.queued(), 50U);
  world.relay.reload(settings(1, "hold"));
  world.world.run_for(10s);
  EXPECT_EQ(world.relay.shard(0).view().messages.size(), 0U);
  EXPECT_EQ(world.relay.shard(1).view().messages.size(), 50U);
  world.relay.reload(settings(1, "queue"));
  ASSERT_TRUE(world.settle(10min));
  EXPECT_EQ(world.what_is_wrong(), "");
  EXPECT_TRUE(world.relay.drain());
}

INSTANTIATE_TEST_SUITE_P(Seeds, ReloadOnSim, ::testing::Range<std::uint64_t>(0, 10));

}  // namespace
}  // namespace ringpost::intake
