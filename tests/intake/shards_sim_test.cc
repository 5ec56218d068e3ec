// Several shards in a simulated world: messages whose recipients live on different shards, crashes
// at any moment, and restarts with more or fewer shards than before. A failure names its seed.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sim/mail_world.h"

namespace ringpost::intake {
namespace {

using sim::MailWorld;
using sim::Told;

constexpr int sites = 6;

std::string site(std::uint64_t number) {
  return "site" + std::to_string(number) + ".example";
}

std::string read_site(Random& random) {
  return "reader" + std::to_string(random.below(1000)) + "@" + site(random.below(sites));
}

// Messages to one to five of the sites, now and then to nobody who exists.
void write_some(MailWorld& world, int count) {
  Random& random = world.world.random();
  for (int number = 0; number < count; ++number) {
    std::vector<std::string> recipients;
    const std::uint64_t most = random.below(3) == 0 ? 5 : 1;
    for (std::uint64_t recipient = 0; recipient < most; ++recipient) {
      recipients.push_back(read_site(random));
    }
    if (random.below(20) == 0) {
      recipients.push_back("no@" + site(0));
    }
    std::ranges::sort(recipients);
    const auto repeated = std::ranges::unique(recipients);
    recipients.erase(repeated.begin(), repeated.end());
    world.write(recipients, 200 + random.below(8'000));
  }
}

void add_sites(MailWorld& world) {
  const auto refuse = [](std::string_view command, std::string_view address) {
    return command == "RCPT" && address.starts_with("no@") ? std::string("550 5.1.1 no such user")
                                                           : std::string();
  };
  for (std::uint64_t number = 0; number < sites; ++number) {
    world.add_site(site(number), {.reply_delay = 1ms, .policy = refuse});
  }
}

std::size_t extra_copies(const MailWorld& world) {
  std::size_t extra = 0;
  for (const auto& [recipient, told] : world.told()) {
    const std::size_t copies = world.copies(recipient.first, recipient.second);
    extra += copies > 1 && !recipient.first.empty() ? copies - 1 : 0;
  }
  return extra;
}

class ShardsOnSim : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(ShardsOnSim, EachRecipientIsServedByTheShardOfItsGroupOnce) {
  MailWorld world(GetParam(), 3);
  add_sites(world);
  ASSERT_TRUE(world.relay.start_and_wait());
  write_some(world, 150);
  ASSERT_TRUE(world.inject(5));
  ASSERT_TRUE(world.settle(10min));
  EXPECT_EQ(world.what_is_wrong(), "");
  EXPECT_EQ(world.complaints(), "");
  std::uint64_t accepted = 0;
  for (std::uint32_t number = 0; number < 3; ++number) {
    accepted += world.relay.shard(number).intake().accepted_total();
    EXPECT_EQ(world.relay.shard(number).view().spool.counters().live_messages, 0U)
        << "done, and still in the spool";
  }
  EXPECT_GE(accepted, 150U);
  EXPECT_TRUE(world.relay.drain());
  EXPECT_EQ(world.relay.host().descriptors_open(), 0);
}

TEST_P(ShardsOnSim, NothingIsLostInAnyCrash) {
  MailWorld world(GetParam(), 1 + static_cast<std::uint32_t>(GetParam() % 3));
  add_sites(world);
  Random& random = world.world.random();
  const int crashes = 2 + static_cast<int>(random.below(4));
  for (int crash = 0; crash < crashes; ++crash) {
    world.relay.start();
    const bool early = random.below(5) == 0;
    if (!early) {
      ASSERT_TRUE(world.world.run_until([&] { return world.relay.ready(); }, 1min));
      write_some(world, 60);
      world.begin_inject(4);
    }
    world.world.run_for(sim::between(random, 0us, early ? 30ms : 700ms));
    world.relay.crash(random.below(3) == 0 ? sim::Crash::killed : sim::Crash::power_cut);
    world.world.run_for(1s);
    if (random.below(4) == 0) {
      world.relay.set_shards(world.relay.shards() + 1);
    }
  }
  ASSERT_TRUE(world.relay.start_and_wait());
  ASSERT_TRUE(world.settle(1h)) << world.queued() << " messages do not move";
  EXPECT_EQ(world.what_is_wrong(true), "");
  EXPECT_EQ(world.complaints(), "");
  EXPECT_LE(extra_copies(world), static_cast<std::size_t>(crashes) * 60);
  for (std::uint32_t number = 0; number < world.relay.shards(); ++number) {
    EXPECT_EQ(world.relay.shard(number).view().spool.counters().live_messages, 0U);
    EXPECT_EQ(world.relay.shard(number).view().spool.counters().quarantined_total, 0U);
  }
  EXPECT_TRUE(world.relay.drain());
}

// From one life to the next the number of shards is any; crashes come in the middle of adoption.
TEST_P(ShardsOnSim, NothingIsLostWhenThereAreFewerOrMoreShards) {
  MailWorld world(GetParam(), 5);
  add_sites(world);
  Random& random = world.world.random();
  const int crashes = 4 + static_cast<int>(random.below(5));
  for (int crash = 0; crash < crashes; ++crash) {
    world.relay.start();
    const bool early = random.below(3) == 0;
    if (!early) {
      ASSERT_TRUE(world.world.run_until([&] { return world.relay.ready(); }, 1min));
      write_some(world, 40);
      world.begin_inject(4);
    }
    world.world.run_for(sim::between(random, 0us, early ? 60ms : 400ms));
    world.relay.crash(random.below(3) == 0 ? sim::Crash::killed : sim::Crash::power_cut);
    world.world.run_for(1s);
    world.relay.set_shards(1 + static_cast<std::uint32_t>(random.below(5)));
  }
  world.relay.set_shards(2);
  ASSERT_TRUE(world.relay.start_and_wait());
  ASSERT_TRUE(world.settle(1h)) << world.queued() << " messages do not move";
  EXPECT_EQ(world.what_is_wrong(true), "");
  EXPECT_EQ(world.complaints(), "");
  EXPECT_LE(extra_copies(world), static_cast<std::size_t>(crashes) * 60);
  world.world.run_for(1min);
  for (int old = 2; old < 5; ++old) {
    const std::string first = "/spool/shard-" + std::to_string(old) + "/00000001.segment";
    EXPECT_EQ(world.relay.host().disk().find(first), nullptr);
  }
  for (std::uint32_t number = 0; number < world.relay.shards(); ++number) {
    EXPECT_EQ(world.relay.shard(number).view().spool.counters().live_messages, 0U);
    EXPECT_EQ(world.relay.shard(number).view().spool.counters().quarantined_total, 0U);
  }
  EXPECT_TRUE(world.relay.drain());
}

// Where they are handed to the very shard that took their spool in, which is its own neighbour
// then.
TEST_P(ShardsOnSim, LargeMessagesOfAShardThatIsNoMoreMoveToo) {
  constexpr std::size_t large = 100'000;
  MailWorld world(GetParam(), 2);
  std::vector<sim::MailServer*> sites;
  for (int number = 0; number < 6; ++number) {
    const std::string domain = "slow" + std::to_string(number) + ".example";
    sites.push_back(&world.add_site(domain, {.stalls = 1}));
    world.write({"reader@" + domain}, large);
  }
  ASSERT_TRUE(world.relay.start_and_wait());
  ASSERT_TRUE(world.inject(2));
  world.relay.crash(sim::Crash::killed);
  for (sim::MailServer* const site : sites) {
    site->personality.stalls = 0;
  }
  world.relay.set_shards(1);
  ASSERT_TRUE(world.relay.start_and_wait());
  ASSERT_TRUE(world.settle(1h)) << world.queued() << " messages do not move";
  EXPECT_EQ(world.what_is_wrong(true), "");
  EXPECT_TRUE(world.relay.drain());
}

TEST_P(ShardsOnSim, ReportsSurviveCrashesAndNameOnlyWhoFailed) {
  MailWorld world(GetParam(), 1 + static_cast<std::uint32_t>(GetParam() % 2));
  add_sites(world);
  for (int crash = 0; crash < 6; ++crash) {
    ASSERT_TRUE(world.relay.start_and_wait());
    for (int number = 0; number < 40; ++number) {
      world.write({"no@" + site(0), "yes@" + site(0)});
    }
    world.begin_inject(4);
    world.world.run_for(sim::between(world.world.random(), 5ms, 200ms));
    world.relay.crash(sim::Crash::killed);
    world.world.run_for(1s);
  }
  ASSERT_TRUE(world.relay.start_and_wait());
  ASSERT_TRUE(world.settle(1h)) << world.queued() << " messages do not move";
  EXPECT_EQ(world.what_is_wrong(true), "");
  EXPECT_FALSE(world.senders_site().taken.empty());
  for (const sim::TakenMessage& report : world.senders_site().taken) {
    EXPECT_NE(report.content.find("rfc822; no@"), std::string::npos) << report.content;
    EXPECT_EQ(report.content.find("rfc822; yes@"), std::string::npos) << report.content;
  }
  EXPECT_TRUE(world.relay.drain());
}

INSTANTIATE_TEST_SUITE_P(Seeds, ShardsOnSim, ::testing::Range<std::uint64_t>(0, 20));

}  // namespace
}  // namespace ringpost::intake
