// Delivery, from the queue to the servers of others, in a simulated world: what a relay meets out
// there, one kind at a time, each over several seeds.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "sim/mail_world.h"

namespace ringpost::delivery {
namespace {

using sim::MailServer;
using sim::MailWorld;
using sim::Personality;
using sim::Told;

constexpr std::size_t most_connections = 10;  // per destination, the default

class RemoteServers : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  // `count` messages to readers at this domain.
  static void write_to(MailWorld& world, const std::string& domain, int count,
                       std::size_t size = 500) {
    for (int number = 0; number < count; ++number) {
      world.write({"reader" + std::to_string(number) + "@" + domain}, size);
    }
  }
  static int sum(const MailWorld& world, int Told::* count) {
    int all = 0;
    for (const auto& [recipient, told] : world.told()) {
      all += told.*count;
    }
    return all;
  }
  // After everything has settled.
  static void expect_right(MailWorld& world) {
    EXPECT_EQ(world.what_is_wrong(), "");
    EXPECT_EQ(world.complaints(), "");
    EXPECT_TRUE(world.relay.drain());
    EXPECT_EQ(world.relay.host().descriptors_open(), 0);
  }
};

TEST_P(RemoteServers, HealthyOnesGetEverythingOnceOverFewConnections) {
  MailWorld world(GetParam());
  MailServer& one = world.add_site("one.example");
  MailServer& two = world.add_site("two.example");
  ASSERT_TRUE(world.relay.start_and_wait());
  write_to(world, "one.example", 150);
  write_to(world, "two.example", 150, 9'000);
  ASSERT_TRUE(world.inject(4));
  ASSERT_TRUE(world.settle(2min));
  expect_right(world);
  EXPECT_EQ(one.taken.size(), 150U);
  EXPECT_EQ(two.taken.size(), 150U);
  EXPECT_EQ(sum(world, &Told::deferred), 0);
  EXPECT_LE(world.most_connections("one.example"), most_connections);
  EXPECT_LE(world.most_connections("two.example"), most_connections);
  EXPECT_GT(one.overlapped_flights() + two.overlapped_flights(), 50U);
}

TEST_P(RemoteServers, OneThatEndsConnectionsAfterSomeMessagesIsNotDeferredTo) {
  MailWorld world(GetParam());
  MailServer& site = world.add_site("one.example", {.messages_per_connection = 5});
  ASSERT_TRUE(world.relay.start_and_wait());
  write_to(world, "one.example", 100);
  ASSERT_TRUE(world.inject(2));
  ASSERT_TRUE(world.settle(2min));
  expect_right(world);
  EXPECT_EQ(site.taken.size(), 100U);
  EXPECT_EQ(sum(world, &Told::deferred), 0) << "it costs no attempt";
  EXPECT_LE(world.most_connections("one.example"), most_connections);
}

TEST_P(RemoteServers, RefusedRecipientsBounceOnceAndTheirSendersHearOfIt) {
  MailWorld world(GetParam());
  const auto refuse = [](std::string_view command, std::string_view address) {
    return command == "RCPT" && address.starts_with("no") ? std::string("550 5.1.1 no such user")
                                                          : std::string();
  };
  MailServer& site = world.add_site("one.example", {.policy = refuse});
  ASSERT_TRUE(world.relay.start_and_wait());
  for (int number = 0; number < 40; ++number) {
    world.write({"yes@one.example", "no1@one.example", "no2@one.example"});
    world.write({"no3@one.example"});
  }
  ASSERT_TRUE(world.inject(2));
  ASSERT_TRUE(world.settle(2min));
  expect_right(world);
  EXPECT_EQ(site.taken.size(), 40U);
  EXPECT_EQ(sum(world, &Told::bounced), 120);
  EXPECT_EQ(sum(world, &Told::deferred), 0);
  const auto& reports = world.senders_site().taken;
  EXPECT_EQ(reports.size(), 80U) << "one report a message";
  EXPECT_TRUE(
      std::ranges::all_of(reports, [](const auto& report) { return report.sender.empty(); }));
}

TEST_P(RemoteServers, OneThatEndsConnectionsAfterSomeRefusalsIsNotTakenForDown) {
  MailWorld world(GetParam());
  const auto refuse = [](std::string_view command, std::string_view address) {
    return command == "RCPT" && address.starts_with("no") ? std::string("550 5.1.1 no such user")
                                                          : std::string();
  };
  MailServer& site = world.add_site("one.example", {.errors_per_connection = 3, .policy = refuse});
  ASSERT_TRUE(world.relay.start_and_wait());
  for (int number = 0; number < 60; ++number) {
    world.write({number % 4 == 0 ? "yes@one.example" : "no@one.example"});
  }
  ASSERT_TRUE(world.inject(2));
  ASSERT_TRUE(world.settle(1min));
  expect_right(world);
  EXPECT_EQ(site.taken.size(), 15U);
  EXPECT_EQ(sum(world, &Told::bounced), 45);
  EXPECT_EQ(sum(world, &Told::deferred), 0);
}

TEST_P(RemoteServers, NothingIsLostWhereConnectionsDropAfterTheDot) {
  MailWorld world(GetParam());
  MailServer& site = world.add_site("one.example", {.drops_after_dot = 0.2});
  ASSERT_TRUE(world.relay.start_and_wait());
  write_to(world, "one.example", 60);
  ASSERT_TRUE(world.inject(2));
  world.run_minutes(3);
  site.personality.drops_after_dot = 0;
  ASSERT_TRUE(world.settle(6h));
  expect_right(world);
  EXPECT_EQ(sum(world, &Told::bounced), 0);
  int unanswered = 0;
  for (const auto& [recipient, told] : world.told()) {
    const std::size_t copies = world.copies(recipient.first, recipient.second);
    EXPECT_LE(copies, 1U + static_cast<std::size_t>(told.in_doubt)) << recipient.first;
    EXPECT_EQ(told.delivered, recipient.first.empty() ? told.delivered : 1);
  }
  for (const sim::TakenMessage& message : site.taken) {
    unanswered += message.answered ? 0 : 1;
  }
  EXPECT_GT(unanswered, 0);
  EXPECT_EQ(sum(world, &Told::in_doubt), unanswered);
  for (const sim::TakenMessage& message : site.taken) {
    const bool retried = site.copies_of(message.sender, message.recipient) > 1;
    const bool again = retried && message.answered;
    EXPECT_FALSE(again && (message.followed || message.overlapped))
        << message.sender << " is in doubt and must travel alone";
  }
}

TEST_P(RemoteServers, OnesThatDropWhileTheyReceiveGetItLater) {
  MailWorld world(GetParam());
  MailServer& site = world.add_site("one.example", {.drops_before_dot = 0.3});
  ASSERT_TRUE(world.relay.start_and_wait());
  write_to(world, "one.example", 40, 100'000);
  ASSERT_TRUE(world.inject(2));
  world.run_minutes(3);
  site.personality.drops_before_dot = 0;
  ASSERT_TRUE(world.settle(12h));
  expect_right(world);
  EXPECT_EQ(sum(world, &Told::bounced), 0);
}

TEST_P(RemoteServers, OnesThatFallSilentAreLeftWhenTimeIsUp) {
  MailWorld world(GetParam());
  MailServer& site = world.add_site("one.example", {.stalls = 0.02});
  ASSERT_TRUE(world.relay.start_and_wait());
  write_to(world, "one.example", 60);
  ASSERT_TRUE(world.inject(2));
  world.run_minutes(3);
  site.personality.stalls = 0;
  ASSERT_TRUE(world.settle(12h));
  expect_right(world);
  EXPECT_EQ(sum(world, &Told::bounced), 0);
}

TEST_P(RemoteServers, WithoutPipeliningGetOneCommandAtATime) {
  MailWorld world(GetParam());
  MailServer& site = world.add_site("one.example", {.pipelining = false});
  ASSERT_TRUE(world.relay.start_and_wait());
  write_to(world, "one.example", 50);
  ASSERT_TRUE(world.inject(2));
  ASSERT_TRUE(world.settle(5min));
  expect_right(world);
  EXPECT_EQ(site.taken.size(), 50U);
  EXPECT_EQ(site.overlapped_flights(), 0U);
  EXPECT_EQ(sum(world, &Told::deferred), 0);
}

TEST_P(RemoteServers, GreylistingCostsOneAttempt) {
  MailWorld world(GetParam());
  world.add_site("one.example", {.greylisted_for = 5min});
  ASSERT_TRUE(world.relay.start_and_wait());
  write_to(world, "one.example", 50);
  ASSERT_TRUE(world.inject(2));
  ASSERT_TRUE(world.settle(30min));
  expect_right(world);
  EXPECT_EQ(sum(world, &Told::deferred), 50);
  EXPECT_EQ(sum(world, &Told::bounced), 0);
}

TEST_P(RemoteServers, OneThatDiscardsWhatWasSentAheadIsServedInLockStep) {
  MailWorld world(GetParam());
  MailServer& site = world.add_site("one.example", {.discards_after_dot = true});
  ASSERT_TRUE(world.relay.start_and_wait());
  write_to(world, "one.example", 80);
  ASSERT_TRUE(world.inject(2));
  ASSERT_TRUE(world.settle(30min));
  expect_right(world);
  EXPECT_EQ(site.taken.size(), 80U);
  EXPECT_EQ(sum(world, &Told::bounced), 0);
  EXPECT_EQ(sum(world, &Told::in_doubt), 0) << "the dot of what was discarded never left";
}

TEST_P(RemoteServers, OneThatBearsFewConnectionsGetsEverything) {
  MailWorld world(GetParam());
  MailServer& site = world.add_site("one.example", {.most_connections = 2});
  ASSERT_TRUE(world.relay.start_and_wait());
  write_to(world, "one.example", 80);
  ASSERT_TRUE(world.inject(4));
  ASSERT_TRUE(world.settle(6h));
  expect_right(world);
  EXPECT_EQ(site.taken.size(), 80U);
  EXPECT_EQ(sum(world, &Told::bounced), 0);
}

TEST_P(RemoteServers, ACachedConnectionThatHasDiedCostsNoAttempt) {
  MailWorld world(GetParam());
  MailServer& site = world.add_site("one.example", {.idle_timeout = 10s});
  ASSERT_TRUE(world.relay.start_and_wait());
  for (int round = 0; round < 60; ++round) {
    write_to(world, "one.example", 1);
    ASSERT_TRUE(world.inject());
    ASSERT_TRUE(world.settle(1min));
    // The server closes at the very moment of the next use.
    world.world.run_for(sim::between(world.world.random(), 3s, 4s));
  }
  expect_right(world);
  EXPECT_EQ(site.taken.size(), 60U);
  EXPECT_EQ(sum(world, &Told::deferred), 0);
  EXPECT_EQ(sum(world, &Told::in_doubt), 0);
}

TEST_P(RemoteServers, NothingBouncesBeforeItsTimeAndThenEverythingExpires) {
  MailWorld world(GetParam(), 1, {"timeouts.queuereturn=2h"});
  const auto refuse = [](std::string_view command, std::string_view) {
    return command == "RCPT" ? std::string("451 4.2.1 not now") : std::string();
  };
  world.add_site("one.example", {.policy = refuse});
  world.add_site("gone.example");
  world.world.network().set_fate({world.site_address("gone.example"), 0},
                                 sim::SimNetwork::Fate::lost);
  world.names.failing.insert("unknown.example");
  ASSERT_TRUE(world.relay.start_and_wait());
  write_to(world, "one.example", 10);
  write_to(world, "gone.example", 10);
  write_to(world, "unknown.example", 10);
  ASSERT_TRUE(world.inject(2));
  world.run_minutes(118);
  EXPECT_EQ(sum(world, &Told::bounced) + sum(world, &Told::expired), 0);
  ASSERT_TRUE(world.settle(10min));
  expect_right(world);
  EXPECT_EQ(sum(world, &Told::bounced), 0);
  EXPECT_EQ(sum(world, &Told::expired), 30);
  EXPECT_EQ(world.senders_site().taken.size(), 30U);
}

TEST_P(RemoteServers, TheSecondHostServesWhileTheFirstIsAway) {
  MailWorld world(GetParam());
  MailServer& first = world.add_site("one.example");
  const IpAddress second_address = sim::SimWorld::address("10.3.0.1");
  MailServer second(world.world, "second", {second_address});
  world.names.add_mx("one.example", 20, "second.one.example");
  world.names.add_address("second.one.example", second_address);
  first.crash();
  ASSERT_TRUE(world.relay.start_and_wait());
  write_to(world, "one.example", 20);
  ASSERT_TRUE(world.inject(2));
  ASSERT_TRUE(world.world.run_until([&] { return second.taken.size() == 20; }, 5min));
  world.run_minutes(40);
  first.restart();
  world.run_minutes(1);
  write_to(world, "one.example", 20);
  ASSERT_TRUE(world.inject(2));
  ASSERT_TRUE(world.settle(5min));
  EXPECT_EQ(first.taken.size() + second.taken.size(), 40U);
  EXPECT_GT(first.taken.size(), 0U) << "the first host is preferred again";
  EXPECT_EQ(sum(world, &Told::deferred), 0);
  EXPECT_EQ(sum(world, &Told::delivered), 40);
  EXPECT_EQ(world.complaints() + second.complaints, "");
}

INSTANTIATE_TEST_SUITE_P(Seeds, RemoteServers, ::testing::Range<std::uint64_t>(0, 4));

}  // namespace
}  // namespace ringpost::delivery
