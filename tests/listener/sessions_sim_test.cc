// The listener in a simulated world: clients that leave, that are too many, that come when the disk
// is full or no descriptor is free, and an end with clients connected.
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "ringpost/net/socket.h"
#include "sim/mail_world.h"

namespace ringpost::listener {
namespace {

using ring::Task;
using sim::MailWorld;

// A client of few words: says all at once, then listens until the end.
class RawClient {
 public:
  RawClient(MailWorld& world, const std::string& address)
      : world_(world),
        host_(world.world.add_host("raw", {sim::SimWorld::address(address)})),
        process_(host_) {}
  ~RawClient() { host_.crash(sim::Crash::killed); }

  void say(std::string text, Duration stay) { process_.spawn(converse(std::move(text), stay)); }
  bool finish(Duration longest) { return process_.finish(longest); }
  void vanish(sim::Crash how) { host_.crash(how); }

  std::string heard;
  bool ended = false;  // by the server

 private:
  Task<void> converse(std::string text, Duration stay) {
    ring::Reactor& reactor = process_.reactor;
    const Instant until = reactor.now() + stay;
    const int fd = co_await net::connect_to(reactor, world_.relay.endpoint(), std::nullopt, until);
    if (fd < 0) {
      co_return;
    }
    net::Stream stream(reactor, fd);
    stream.write(std::move(text));
    while (true) {
      const net::Received received = co_await stream.receive(until);
      ended = received.result() == 0;
      if (received.result() <= 0) {
        break;
      }
      heard += received.bytes();
    }
    co_await stream.close();
  }

  MailWorld& world_;
  sim::SimHost& host_;
  sim::SimProcess process_;
};

std::string transaction(const std::string& recipient, std::size_t size = 100) {
  return "MAIL FROM:<someone@sender.example>\r\nRCPT TO:<" + recipient + ">\r\nDATA\r\n" +
         std::string(size, 'x') + "\r\n.\r\n";
}

// The relay has no descriptor left, until this ends.
class NoDescriptors {
 public:
  explicit NoDescriptors(MailWorld& world) : world_(world) {
    world.relay.host().most_descriptors = 3 + world.relay.host().descriptors_open();
    int fd = 0;
    while ((fd = kernel().socket(AF_INET, SOCK_DGRAM)) >= 0) {
      taken_.push_back(fd);
    }
  }
  ~NoDescriptors() {
    world_.relay.host().most_descriptors = 1000;
    for (const int fd : taken_) {
      kernel().close(fd);
    }
  }

 private:
  sim::SimKernel& kernel() { return world_.relay.kernel(0); }

  MailWorld& world_;
  std::vector<int> taken_;
};

class SessionsOnSim : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(SessionsOnSim, ClientsThatVanishLeaveNothingBehind) {
  MailWorld world(GetParam(), 2, {"timeouts.command=1m"});
  world.add_site("one.example");
  ASSERT_TRUE(world.relay.start_and_wait());
  world.run_minutes(1);  // the spool prepares its next segment
  const int before = world.relay.host().descriptors_open();
  for (int number = 0; number < 20; ++number) {
    RawClient client(world, "10.2.0." + std::to_string(number + 1));
    client.say("EHLO x\r\n" + transaction("a@one.example", 50'000), 1h);
    world.world.run_for(sim::between(world.world.random(), 0us, 20ms));
    client.vanish(number % 2 == 0 ? sim::Crash::killed : sim::Crash::power_cut);
  }
  ASSERT_TRUE(world.settle(10min));
  world.run_minutes(3);  // nobody says that a client without power has gone
  EXPECT_EQ(world.relay.host().descriptors_open(), before);
  EXPECT_TRUE(world.relay.drain());
}

TEST_P(SessionsOnSim, IdleClientsAreSentAwayInTime) {
  MailWorld world(GetParam(), 1, {"timeouts.command=1m"});
  ASSERT_TRUE(world.relay.start_and_wait());
  RawClient client(world, "10.2.0.1");
  client.say("EHLO x\r\nMAIL FROM:<a@sender.example>\r\n", 10min);
  const Instant before = world.world.clock().now();
  EXPECT_TRUE(client.finish(5min));
  EXPECT_TRUE(client.ended);
  EXPECT_NE(client.heard.find("421 "), std::string::npos) << client.heard;
  EXPECT_GE(world.world.clock().now() - before, 1min);
  EXPECT_LT(world.world.clock().now() - before, 2min);
  EXPECT_TRUE(world.relay.drain());
}

TEST_P(SessionsOnSim, TooManyAreTurnedAwayAndServedLater) {
  MailWorld world(GetParam(), 1, {"listener.max_connections=3"});
  ASSERT_TRUE(world.relay.start_and_wait());
  RawClient first(world, "10.2.0.1");
  RawClient second(world, "10.2.0.2");
  RawClient third(world, "10.2.0.3");
  for (RawClient* const client : {&first, &second, &third}) {
    client->say("EHLO x\r\n", 1min);
  }
  world.world.run_for(1s);
  RawClient fourth(world, "10.2.0.4");
  fourth.say("", 10s);  // who speaks before the greeting may lose it to a reset
  EXPECT_TRUE(fourth.finish(1min));
  EXPECT_TRUE(fourth.heard.starts_with("421 4.3.2")) << fourth.heard;
  EXPECT_TRUE(first.finish(2min));
  EXPECT_TRUE(second.finish(2min));
  EXPECT_TRUE(third.finish(2min));
  EXPECT_TRUE(first.heard.starts_with("220 "));
  world.world.run_for(1s);
  RawClient fifth(world, "10.2.0.5");
  fifth.say("EHLO x\r\nQUIT\r\n", 10s);
  EXPECT_TRUE(fifth.finish(1min));
  EXPECT_TRUE(fifth.heard.starts_with("220 ")) << fifth.heard;
  EXPECT_TRUE(world.relay.drain());
}

TEST_P(SessionsOnSim, OneClientDoesNotTakeAllConnections) {
  MailWorld world(GetParam(), 1, {"listener.max_connections_per_client=2"});
  world.add_site("one.example");
  ASSERT_TRUE(world.relay.start_and_wait());
  RawClient greedy(world, "10.2.0.1");
  greedy.say("EHLO x\r\n", 1min);
  greedy.say("EHLO x\r\n", 1min);
  world.world.run_for(1s);
  EXPECT_EQ(greedy.heard.find("421"), std::string::npos) << greedy.heard;
  greedy.say("", 10s);
  RawClient other(world, "10.2.0.2");
  other.say("EHLO x\r\n" + transaction("a@one.example") + "QUIT\r\n", 10s);
  EXPECT_TRUE(other.finish(1min));
  world.world.run_for(1s);
  EXPECT_NE(other.heard.find("250 2.0.0"), std::string::npos) << other.heard;
  EXPECT_NE(greedy.heard.find("421 4.7.0"), std::string::npos) << greedy.heard;
  EXPECT_TRUE(greedy.finish(2min));
  greedy.heard.clear();
  world.world.run_for(1s);
  greedy.say("EHLO x\r\nQUIT\r\n", 10s);  // the others have gone
  world.world.run_for(5s);
  EXPECT_TRUE(greedy.heard.starts_with("220 ")) << greedy.heard;
  ASSERT_TRUE(world.settle(10min));
  EXPECT_TRUE(world.relay.drain());
}

TEST_P(SessionsOnSim, WithoutDescriptorsClientsAreToldSoAndItGoesOn) {
  MailWorld world(GetParam());
  world.add_site("one.example");
  ASSERT_TRUE(world.relay.start_and_wait());
  world.run_minutes(1);  // the spool prepares its next segment
  std::optional<NoDescriptors> none(world);
  for (int number = 0; number < 30; ++number) {
    RawClient early(world, "10.2.0." + std::to_string(number + 1));
    early.say("", 10min);  // who speaks before the greeting may lose it to a reset
    EXPECT_TRUE(early.finish(1min));
    EXPECT_TRUE(early.heard.starts_with("421 4.3.2")) << early.heard;
  }
  const std::uint64_t turns = world.relay.shard(0).reactor().turns();
  world.run_minutes(1);
  EXPECT_LT(world.relay.shard(0).reactor().turns() - turns, 10'000U) << "it spins";
  none.reset();
  RawClient late(world, "10.2.1.1");
  late.say("EHLO x\r\n" + transaction("a@one.example") + "QUIT\r\n", 10min);
  EXPECT_TRUE(late.finish(1min));
  EXPECT_NE(late.heard.find("250 2.0.0"), std::string::npos) << late.heard;
  ASSERT_TRUE(world.settle(10min));
  EXPECT_TRUE(world.relay.drain());
  EXPECT_EQ(world.relay.host().descriptors_open(), 0);
}

// Nobody is to blame but us: no attempt is counted, and no host is down afterwards.
TEST_P(SessionsOnSim, MailWaitsForDescriptorsWithoutCountingAttempts) {
  MailWorld world(GetParam());
  world.add_site("one.example");
  ASSERT_TRUE(world.relay.start_and_wait());
  world.write({"a@one.example"});
  ASSERT_TRUE(world.inject());
  world.run_minutes(1);  // now its addresses are known, and no connection to it is left
  std::optional<NoDescriptors> none;
  RawClient client(world, "10.2.0.1");
  client.say("EHLO x\r\n" + transaction("a@one.example"), 10min);
  ASSERT_TRUE(world.world.run_until(
      [&] {
        if (!none && !client.heard.empty()) {
          none.emplace(world);
        }
        return client.heard.find("250 2.0.0 Ok: queued") != std::string::npos;
      },
      1min));
  world.world.run_for(10s);
  EXPECT_EQ(world.queued(), 1U);
  none.reset();
  world.world.run_for(10s);
  EXPECT_EQ(world.queued(), 0U) << "it was believed to be down, or waits as after an attempt";
  EXPECT_NE(world.relay.events().find("\"attempt\":1,"), std::string::npos);
  EXPECT_EQ(world.relay.events().find("\"attempt\":2,"), std::string::npos);
  EXPECT_TRUE(client.finish(15min));
  EXPECT_TRUE(world.relay.drain());
}

// More destinations than connections that may be open: each has its turn, none is told to wait.
TEST_P(SessionsOnSim, DestinationsShareTheConnectionsThatDescriptorsAllow) {
  MailWorld world(GetParam());
  world.relay.descriptors.outbound = 3;
  for (int number = 0; number < 12; ++number) {
    world.add_site("site" + std::to_string(number) + ".example", {.reply_delay = 20ms});
  }
  ASSERT_TRUE(world.relay.start_and_wait());
  for (int number = 0; number < 240; ++number) {
    world.write({"reader@site" + std::to_string(number % 12) + ".example"});
  }
  world.begin_inject(4);
  std::size_t most = 0;
  EXPECT_TRUE(world.world.run_until(
      [&] {
        most = std::max(most, world.relay.shard(0).view().cache.open());
        return !world.injecting() && world.queued() == 0;
      },
      1min));
  EXPECT_LE(most, 3U);
  world.world.run_for(1s);  // the event log is written in batches
  EXPECT_EQ(world.what_is_wrong(), "");
  EXPECT_EQ(world.relay.events().find("\"deferred\""), std::string::npos);
  EXPECT_TRUE(world.relay.drain());
}

TEST_P(SessionsOnSim, AFullDiskRefusesForAWhileAndLosesNothing) {
  MailWorld world(GetParam());
  world.add_site("one.example");
  ASSERT_TRUE(world.relay.start_and_wait());
  sim::DiskFaults& disk = world.relay.host().disk().faults;
  disk.capacity = 256 << 20;  // less than what is to be kept free
  for (int number = 0; number < 400; ++number) {
    world.write({"reader@one.example"}, 20'000);
  }
  ASSERT_TRUE(world.inject(4, 30min));
  int refused = 0;
  for (const auto& share : world.sent()) {
    for (const sim::SentMessage& message : share) {
      refused += message.reply.starts_with("452 4.3.1") ? 1 : 0;
      EXPECT_TRUE(message.answered() || message.reply.starts_with("452 4.3.1")) << message.reply;
    }
  }
  EXPECT_GT(refused, 0);
  disk.capacity = 8ULL << 30;
  world.run_minutes(1);
  world.write({"reader@one.example"});
  ASSERT_TRUE(world.inject());
  EXPECT_TRUE(world.sent().back().back().answered()) << world.sent().back().back().reply;
  ASSERT_TRUE(world.settle(10min));
  EXPECT_EQ(world.what_is_wrong(), "");
  EXPECT_TRUE(world.relay.drain());
}

TEST_P(SessionsOnSim, GoingDownTellsClientsAndEnds) {
  MailWorld world(GetParam(), 2);
  world.add_site("one.example", {.stalls = 0.1});
  ASSERT_TRUE(world.relay.start_and_wait());
  RawClient idle(world, "10.2.0.1");
  idle.say("EHLO x\r\n", 1h);
  RawClient in_mail(world, "10.2.0.2");
  in_mail.say("EHLO x\r\nMAIL FROM:<a@sender.example>\r\nRCPT TO:<a@one.example>\r\n", 1h);
  for (int number = 0; number < 100; ++number) {
    world.write({"reader@one.example"});
  }
  world.begin_inject(3);
  world.world.run_for(sim::between(world.world.random(), 10ms, 2s));
  ASSERT_TRUE(world.relay.drain(10min));
  EXPECT_TRUE(idle.finish(1min));
  EXPECT_TRUE(in_mail.finish(1min));
  EXPECT_NE(idle.heard.find("421 "), std::string::npos) << idle.heard;
  EXPECT_EQ(world.relay.host().descriptors_open(), 0);
  // What it had taken it delivers after the next start.
  world.world.run_for(1s);
  ASSERT_TRUE(world.relay.start_and_wait());
  ASSERT_TRUE(world.settle(24h));
  EXPECT_EQ(world.what_is_wrong(true), "");
  EXPECT_TRUE(world.relay.drain());
}

INSTANTIATE_TEST_SUITE_P(Seeds, SessionsOnSim, ::testing::Range<std::uint64_t>(0, 5));

}  // namespace
}  // namespace ringpost::listener
