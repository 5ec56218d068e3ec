// Hosts that are met for the first time, all at once, and do not behave: whoever behaves must not
// wait for them.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sim/mail_world.h"

namespace ringpost::delivery {
namespace {

using sim::MailServer;
using sim::MailWorld;

constexpr int silent_hosts = 24;

class FirstContact : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  FirstContact()
      : world_(
            GetParam(), 1,
            {"queue.default_groups=1", "queue_group.default.runners=8", "timeouts.initial=30s"}) {
    for (int number = 0; number < silent_hosts; ++number) {
      silent_.push_back(
          &world_.add_site("silent" + std::to_string(number) + ".example", {.greets = false}));
    }
  }

  void write_to_silent_hosts(int messages_each) {
    for (int message = 0; message < messages_each; ++message) {
      for (int number = 0; number < silent_hosts; ++number) {
        world_.write({"reader@silent" + std::to_string(number) + ".example"});
      }
    }
  }

  MailWorld world_;
  std::vector<MailServer*> silent_;
};

TEST_P(FirstContact, AHealthyHostDoesNotWaitForManyThatNeverGreet) {
  MailServer& healthy = world_.add_site("healthy.example");
  ASSERT_TRUE(world_.relay.start_and_wait());
  write_to_silent_hosts(1);
  ASSERT_TRUE(world_.inject());
  for (int number = 0; number < 50; ++number) {
    world_.write({"reader" + std::to_string(number) + "@healthy.example"});
  }
  ASSERT_TRUE(world_.inject(4));
  EXPECT_TRUE(world_.world.run_until([&] { return healthy.taken.size() == 50; }, 1500ms));
  for (MailServer* const host : silent_) {
    host->personality.greets = true;
  }
  ASSERT_TRUE(world_.settle(3h));
  EXPECT_EQ(world_.what_is_wrong(), "");
  EXPECT_EQ(world_.complaints(), "");
  EXPECT_TRUE(world_.relay.drain());
  EXPECT_EQ(world_.relay.host().descriptors_open(), 0);
}

// Connections that were long in coming wait for a runner, and nothing is lost or tried in vain.
TEST_P(FirstContact, ManyHostsThatGreetLateAreServedByFewRunners) {
  MailWorld world(GetParam(), 1, {"queue.default_groups=1", "queue_group.default.runners=2"});
  std::vector<MailServer*> late;
  for (int number = 0; number < 40; ++number) {
    const std::string domain = "late" + std::to_string(number) + ".example";
    late.push_back(&world.add_site(domain, {.reply_delay = 400ms}));
    for (int message = 0; message < 3; ++message) {
      world.write({"reader@" + domain});
    }
  }
  ASSERT_TRUE(world.relay.start_and_wait());
  ASSERT_TRUE(world.inject(4));
  ASSERT_TRUE(world.settle(3min));
  EXPECT_EQ(world.what_is_wrong(), "");
  EXPECT_EQ(world.complaints(), "");
  for (const auto& [recipient, told] : world.told()) {
    EXPECT_EQ(told.deferred, 0) << recipient.second;
  }
  for (MailServer* const host : late) {
    EXPECT_EQ(host->taken.size(), 3U);
  }
  EXPECT_EQ(world.relay.shard(0).view().groups[0].queue->runners_busy(), 0U);
  EXPECT_EQ(world.relay.shard(0).view().groups[0].queue->lanes().attempts(), 0U);
  EXPECT_TRUE(world.relay.drain());
}

TEST_P(FirstContact, TheFirstAttemptHasAConnectTimeOutOfItsOwn) {
  MailWorld world(GetParam(), 1, {"timeouts.iconnect=5s", "timeouts.connect=50s"});
  world.add_site("gone.example");
  world.world.network().set_fate({world.site_address("gone.example"), 25},
                                 sim::SimNetwork::Fate::lost);
  ASSERT_TRUE(world.relay.start_and_wait());
  world.write({"reader@gone.example"});
  ASSERT_TRUE(world.inject());
  const auto failures = [&] {
    const std::string log = world.relay.events();
    std::size_t count = 0;
    for (std::size_t at = log.find("deferred"); at != std::string::npos;
         at = log.find("deferred", at + 1)) {
      ++count;
    }
    return count;
  };
  EXPECT_TRUE(world.world.run_until([&] { return failures() == 1; }, 7s));
  world.world.run_for(60s + 40s);  // the first probe is under way
  EXPECT_EQ(failures(), 1U);
  EXPECT_TRUE(world.world.run_until([&] { return failures() == 2; }, 20s));
}

INSTANTIATE_TEST_SUITE_P(Seeds, FirstContact, ::testing::Range<std::uint64_t>(0, 4));

}  // namespace
}  // namespace ringpost::delivery
