// Delivery in chunks and in streams, in a simulated world: servers that bear it, servers that do
// not, and what they do to the mail of others.
#include <gtest/gtest.h>

#include <string>

#include "sim/mail_world.h"

namespace ringpost::delivery {
namespace {

using sim::MailServer;
using sim::MailWorld;
using sim::Told;

class Streaming : public ::testing::TestWithParam<std::uint64_t> {
 protected:
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
  static void expect_right(MailWorld& world) {
    EXPECT_EQ(world.what_is_wrong(), "");
    EXPECT_EQ(world.complaints(), "");
    EXPECT_TRUE(world.relay.drain());
    EXPECT_EQ(world.relay.host().descriptors_open(), 0);
  }
};

TEST_P(Streaming, EverythingArrivesOnceAndAhead) {
  MailWorld world(GetParam());
  MailServer& small = world.add_site("one.example", {.chunking = true});
  MailServer& large = world.add_site("two.example", {.chunking = true});
  ASSERT_TRUE(world.relay.start_and_wait());
  write_to(world, "one.example", 300);
  write_to(world, "two.example", 40, 60'000);
  ASSERT_TRUE(world.inject(4));
  ASSERT_TRUE(world.settle(5min));
  expect_right(world);
  EXPECT_EQ(small.taken.size(), 300U);
  EXPECT_EQ(large.taken.size(), 40U);
  EXPECT_EQ(sum(world, &Told::deferred), 0);
  EXPECT_GT(small.streamed_chunks(), 30U);
}

TEST_P(Streaming, DepthOneStreamsNothing) {
  MailWorld world(GetParam(), 1, {"delivery.streaming_depth=1"});
  MailServer& site = world.add_site("one.example", {.chunking = true});
  ASSERT_TRUE(world.relay.start_and_wait());
  write_to(world, "one.example", 100);
  ASSERT_TRUE(world.inject(2));
  ASSERT_TRUE(world.settle(2min));
  expect_right(world);
  EXPECT_EQ(site.taken.size(), 100U);
  EXPECT_EQ(site.streamed_chunks(), 0U);
  EXPECT_GT(site.overlapped_flights(), 4U);
}

TEST_P(Streaming, ChunksWithoutPipelining) {
  MailWorld world(GetParam());
  MailServer& site = world.add_site("one.example", {.pipelining = false, .chunking = true});
  ASSERT_TRUE(world.relay.start_and_wait());
  write_to(world, "one.example", 40);
  ASSERT_TRUE(world.inject(2));
  ASSERT_TRUE(world.settle(2min));
  expect_right(world);
  EXPECT_EQ(site.taken.size(), 40U);
}

// Refusals at every stage, in the middle of streams: each concerns its own message alone.
TEST_P(Streaming, RefusalsConcernTheirOwnMessageAlone) {
  MailWorld world(GetParam());
  std::map<std::string, int> seen;
  const auto refuse = [&seen](std::string_view command, std::string_view address) {
    const int times = ++seen[std::string(command) + std::string(address)];
    const std::size_t kind = std::hash<std::string_view>()(address) % 8;
    if (times > 1 || address.empty()) {
      return std::string();
    }
    if (kind == 0 && command == "MAIL") {
      return std::string("451 4.3.0 not this time");
    }
    if (kind == 1 && command == "RCPT") {
      return std::string("450 4.2.0 not this time");
    }
    return kind == 2 && command == "." ? std::string("452 4.3.1 not this time") : std::string();
  };
  MailServer& site = world.add_site("one.example", {.chunking = true, .policy = refuse});
  ASSERT_TRUE(world.relay.start_and_wait());
  write_to(world, "one.example", 200);
  ASSERT_TRUE(world.inject(4));
  ASSERT_TRUE(world.settle(6h));
  expect_right(world);
  EXPECT_EQ(site.taken.size(), 200U);
  EXPECT_EQ(sum(world, &Told::in_doubt), 0);
  EXPECT_GT(sum(world, &Told::deferred), 20);
  EXPECT_GT(site.overlapped_flights(), 10U);
}

// A list with many dead addresses, and a server that ends connections after some refusals, taking
// what it had not sent yet along.
TEST_P(Streaming, WhereMuchIsRefusedNothingIsLostInStreams) {
  MailWorld world(GetParam(), 1, {"queue_group.default.max_messages_per_connection=0"});
  const auto refuse = [](std::string_view command, std::string_view address) {
    return command == "RCPT" && address.starts_with("dead") ? std::string("550 5.1.1 nobody here")
                                                            : std::string();
  };
  MailServer& site = world.add_site("one.example", {.chunking = true,
                                                    .errors_per_connection = 20,
                                                    .hangs_up_at_errors = true,
                                                    .policy = refuse});
  ASSERT_TRUE(world.relay.start_and_wait());
  for (int number = 0; number < 400; ++number) {
    world.write({(number % 3 == 0 ? "dead" : "reader") + std::to_string(number) + "@one.example"});
  }
  ASSERT_TRUE(world.inject(4));
  ASSERT_TRUE(world.settle(6h));
  expect_right(world);
  EXPECT_EQ(sum(world, &Told::delivered), 266 + 134) << "a report each among them";
  EXPECT_EQ(sum(world, &Told::bounced), 134);
  EXPECT_EQ(sum(world, &Told::in_doubt), 0);
  EXPECT_EQ(site.taken.size(), 266U);
}

// Few refusals take nobody's streams.
TEST_P(Streaming, AFewRefusalsLeaveStreamsAlone) {
  MailWorld world(GetParam());
  const auto refuse = [](std::string_view command, std::string_view address) {
    return command == "RCPT" && address.starts_with("dead") ? std::string("550 5.1.1 nobody here")
                                                            : std::string();
  };
  MailServer& site = world.add_site("one.example", {.chunking = true, .policy = refuse});
  ASSERT_TRUE(world.relay.start_and_wait());
  for (int number = 0; number < 400; ++number) {
    world.write(
        {(number % 100 == 50 ? "dead" : "reader") + std::to_string(number) + "@one.example"});
  }
  ASSERT_TRUE(world.inject(4));
  ASSERT_TRUE(world.settle(1h));
  expect_right(world);
  EXPECT_GT(site.streamed_chunks(), 30U);
}

// Overlap shows it before anything is streamed, unless chance parts what was sent ahead from the
// content before it: then it is one stream that is in doubt, and no other.
TEST_P(Streaming, OneThatDiscardsWhatWasSentAheadIsFoundOut) {
  MailWorld world(GetParam());
  MailServer& site = world.add_site("one.example", {.chunking = true, .discards_after_dot = true});
  ASSERT_TRUE(world.relay.start_and_wait());
  write_to(world, "one.example", 80);
  ASSERT_TRUE(world.inject(2));
  ASSERT_TRUE(world.settle(30min));
  EXPECT_EQ(world.what_is_wrong(), "");
  EXPECT_EQ(sum(world, &Told::bounced), 0);
  EXPECT_LE(sum(world, &Told::in_doubt), 8);
  EXPECT_LE(site.taken.size(), 88U);
}

// It takes two chunks at a time and breaks at the third: remembered after the first connections.
TEST_P(Streaming, OneThatBreaksUnderStreamsGetsOverlap) {
  MailWorld world(GetParam());
  MailServer& site = world.add_site("one.example", {.chunking = true, .most_streamed = 2});
  ASSERT_TRUE(world.relay.start_and_wait());
  write_to(world, "one.example", 200);
  ASSERT_TRUE(world.inject(4));
  ASSERT_TRUE(world.settle(50min));
  EXPECT_EQ(sum(world, &Told::bounced), 0);
  EXPECT_EQ(sum(world, &Told::delivered), 200);
  const std::uint64_t ahead = site.streamed_chunks();
  // At most what the first connections had in flight is in doubt, and the rest never was.
  EXPECT_LE(sum(world, &Told::in_doubt), 10 * 8);
  write_to(world, "one.example", 100);
  const int before = sum(world, &Told::in_doubt);
  ASSERT_TRUE(world.inject(4));
  ASSERT_TRUE(world.settle(5min));
  EXPECT_EQ(sum(world, &Told::in_doubt), before);
  EXPECT_EQ(site.streamed_chunks(), ahead);
  EXPECT_GE(site.taken.size(), 300U);
  expect_right(world);
}

TEST_P(Streaming, NothingIsLostWhereConnectionsDrop) {
  MailWorld world(GetParam());
  MailServer& site = world.add_site(
      "one.example", {.chunking = true, .drops_after_dot = 0.05, .drops_before_dot = 0.05});
  ASSERT_TRUE(world.relay.start_and_wait());
  write_to(world, "one.example", 120, 2'000);
  ASSERT_TRUE(world.inject(2));
  world.run_minutes(3);
  site.personality.drops_after_dot = 0;
  site.personality.drops_before_dot = 0;
  ASSERT_TRUE(world.settle(12h));
  expect_right(world);
  EXPECT_EQ(sum(world, &Told::bounced), 0);
  for (const auto& [recipient, told] : world.told()) {
    EXPECT_LE(world.copies(recipient.first, recipient.second),
              1U + static_cast<std::size_t>(told.in_doubt));
  }
  std::map<std::string, int> copies;
  for (const sim::TakenMessage& message : site.taken) {
    const bool again = ++copies[message.sender] > 1;
    EXPECT_FALSE(again && (message.followed || message.overlapped))
        << message.sender << " is in doubt and must travel alone";
  }
}

TEST_P(Streaming, A421InAStreamCostsNobodyBehindItAnAttempt) {
  MailWorld world(GetParam());
  MailServer& site =
      world.add_site("one.example", {.chunking = true, .messages_per_connection = 7});
  ASSERT_TRUE(world.relay.start_and_wait());
  write_to(world, "one.example", 150);
  ASSERT_TRUE(world.inject(2));
  ASSERT_TRUE(world.settle(5min));
  expect_right(world);
  EXPECT_EQ(site.taken.size(), 150U);
  EXPECT_EQ(sum(world, &Told::deferred), 0);
  EXPECT_EQ(sum(world, &Told::in_doubt), 0);
}

TEST_P(Streaming, ACachedConnectionThatHasDiedLeavesNoDoubt) {
  MailWorld world(GetParam());
  MailServer& site = world.add_site("one.example", {.chunking = true, .idle_timeout = 10s});
  ASSERT_TRUE(world.relay.start_and_wait());
  for (int round = 0; round < 60; ++round) {
    write_to(world, "one.example", 3);
    ASSERT_TRUE(world.inject());
    ASSERT_TRUE(world.settle(1min));
    world.world.run_for(sim::between(world.world.random(), 3s, 4s));
  }
  expect_right(world);
  EXPECT_EQ(site.taken.size(), 180U);
  EXPECT_EQ(sum(world, &Told::deferred), 0);
  EXPECT_EQ(sum(world, &Told::in_doubt), 0);
}

TEST_P(Streaming, LimitsThatAreAnnouncedAreKept) {
  for (const bool chunking : {false, true}) {
    MailWorld world(GetParam());
    MailServer& site =
        world.add_site("one.example", {.chunking = chunking, .mail_max = 6, .rcpt_max = 7});
    ASSERT_TRUE(world.relay.start_and_wait());
    for (int number = 0; number < 12; ++number) {
      std::vector<std::string> recipients;
      for (int reader = 0; reader < 3 * number; ++reader) {
        recipients.push_back("reader" + std::to_string(reader) + "@one.example");
      }
      recipients.push_back("last@one.example");
      world.write(recipients);
    }
    ASSERT_TRUE(world.inject(2));
    ASSERT_TRUE(world.settle(5min));
    expect_right(world);
    EXPECT_EQ(site.taken.size(), 12U + 3U * 66U);
    EXPECT_EQ(sum(world, &Told::deferred), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Streaming, ::testing::Range<std::uint64_t>(0, 4));

}  // namespace
}  // namespace ringpost::delivery
