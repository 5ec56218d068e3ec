// What queue groups of one shard get of it: by weight when they compete, all of it when they do
// not; and a destination's rate.
#include <gtest/gtest.h>

#include <string>

#include "sim/mail_world.h"

namespace ringpost::delivery {
namespace {

using sim::MailServer;
using sim::MailWorld;

const std::string two_groups =
    "queue_group=[{name='heavy',domains=['heavy.example'],weight=3,"
    "max_connections_per_destination=40},"
    "{name='light',domains=['light.example'],max_connections_per_destination=40}]";

class Sharing : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  Sharing() : world_(GetParam(), 1, {two_groups, "delivery.max_in_flight=16"}) {}

  void write_to(const std::string& domain, int count) {
    for (int number = 0; number < count; ++number) {
      world_.write({"reader@" + domain});
    }
  }
  void expect_right() {
    EXPECT_EQ(world_.what_is_wrong(), "");
    EXPECT_EQ(world_.complaints(), "");
    EXPECT_TRUE(world_.relay.drain());
  }

  MailWorld world_;
};

TEST_P(Sharing, GroupsThatCompeteGetByWeight) {
  MailServer& heavy = world_.add_site("heavy.example", {.reply_delay = 200ms});
  MailServer& light = world_.add_site("light.example", {.reply_delay = 200ms});
  ASSERT_TRUE(world_.relay.start_and_wait());
  write_to("light.example", 900);
  write_to("heavy.example", 900);
  ASSERT_TRUE(world_.inject(8));
  ASSERT_TRUE(world_.world.run_until([&] { return heavy.taken.size() == 800; }, 30min));
  EXPECT_GT(light.taken.size(), 800U / 5);
  EXPECT_LT(light.taken.size(), 800U / 2);
  ASSERT_TRUE(world_.settle(30min));
  expect_right();
}

TEST_P(Sharing, WhoIsAloneGetsAll) {
  MailServer& light = world_.add_site("light.example", {.reply_delay = 200ms});
  ASSERT_TRUE(world_.relay.start_and_wait());
  write_to("light.example", 300);
  ASSERT_TRUE(world_.inject(4));
  ASSERT_TRUE(world_.settle(10min));
  EXPECT_GE(light.most_connections_seen(), 16U);
  EXPECT_EQ(light.taken.size(), 300U);
  expect_right();
}

// The greatest delay of all: the daemon ends while some wait for their turn.
TEST_P(Sharing, WhoWaitsForATurnEndsWithTheDaemon) {
  world_.add_site("heavy.example", {.reply_delay = 5s});
  world_.add_site("light.example", {.reply_delay = 5s});
  ASSERT_TRUE(world_.relay.start_and_wait());
  write_to("light.example", 60);
  write_to("heavy.example", 60);
  ASSERT_TRUE(world_.inject(4));
  world_.world.run_for(30s);
  EXPECT_TRUE(world_.relay.drain());
  ASSERT_TRUE(world_.relay.start_and_wait());
  ASSERT_TRUE(world_.settle(3h));
  expect_right();
}

TEST_P(Sharing, ARateIsKept) {
  MailWorld world(GetParam(), 1, {"queue_group.default.rate=10/s"});
  MailServer& site = world.add_site("one.example");
  ASSERT_TRUE(world.relay.start_and_wait());
  for (int number = 0; number < 101; ++number) {
    world.write({"reader@one.example"});
  }
  ASSERT_TRUE(world.inject(4));
  ASSERT_TRUE(world.settle(1min));
  EXPECT_EQ(world.what_is_wrong(), "");
  const Duration took = site.taken.back().time - site.taken.front().time;
  EXPECT_GT(took, 9900ms);
  EXPECT_LT(took, 12s);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Sharing, ::testing::Range<std::uint64_t>(0, 3));

}  // namespace
}  // namespace ringpost::delivery
