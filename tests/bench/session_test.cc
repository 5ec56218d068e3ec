// The harness's two sides of SMTP against each other and against servers that refuse: whatever
// happens, each message is settled once and the books of both ends can be compared.
#include <gtest/gtest.h>

#include <algorithm>

#include "harness/sink_session.h"
#include "harness/source_session.h"

namespace ringpost::bench {
namespace {

constexpr Instant now{};

MessageMaker maker_of(std::size_t size) {
  Result<MessageMaker> maker = MessageMaker::create(size, 1);
  EXPECT_TRUE(maker);
  return std::move(*maker);
}

struct Bench {
  Bench(std::uint64_t messages, std::uint32_t recipients, std::uint32_t max_attempts = 50)
      : maker(maker_of(2000)),
        workload({.run = 7,
                  .messages = messages,
                  .recipients = recipients,
                  .max_attempts = max_attempts},
                 Domains::long_tailed(10, 1), Ledger()),
        arrivals(Ledger()) {}

  // Both sides until the source has ended, `piece` bytes at a time in either direction.
  void converse(Pipelining pipelining, const SinkOffers& offers, std::size_t piece) {
    SourceSession source(workload, maker, pipelining);
    SinkSession sink(offers, arrivals, arrivals.connected(IpAddress()));
    std::string to_source(SinkSession::greeting);
    while (!source.ended()) {
      ASSERT_FALSE(to_source.empty()) << "both sides wait";
      std::string to_sink;
      for (std::size_t at = 0; at < to_source.size(); at += piece) {
        source.feed(std::string_view(to_source).substr(at, piece), now, to_sink);
      }
      to_source.clear();
      for (std::size_t at = 0; at < to_sink.size(); at += piece) {
        sink.feed(std::string_view(to_sink).substr(at, piece), now, to_source);
      }
    }
    EXPECT_TRUE(source.done()) << source.complaint();
  }

  MessageMaker maker;
  Workload workload;
  Arrivals arrivals;
};

class EveryMode : public ::testing::TestWithParam<Pipelining> {};

TEST_P(EveryMode, EverythingSentArrivesOnceAndIntactHoweverTheBytesAreSplit) {
  for (const std::size_t piece : {1UZ, 2UZ, 3UZ, 7UZ, 1000UZ, 1UZ << 20}) {
    for (const bool offered : {true, false}) {
      Bench bench(5, 3);
      bench.converse(GetParam(), {.pipelining = offered}, piece);
      EXPECT_EQ(bench.workload.counters().acknowledged.value(), 5U);
      EXPECT_EQ(bench.workload.counters().acknowledged_recipients.value(), 15U);
      EXPECT_EQ(bench.arrivals.counters().messages.value(), 5U);
      EXPECT_EQ(bench.arrivals.counters().recipients.value(), 15U);
      EXPECT_EQ(bench.arrivals.counters().duplicates.value(), 0U);
      EXPECT_EQ(bench.arrivals.counters().corrupt.value(), 0U);
      EXPECT_TRUE(bench.workload.finished());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Pipelining, EveryMode,
                         ::testing::Values(Pipelining::none, Pipelining::flight,
                                           Pipelining::overlap));

TEST(SourceSession, TheDotLeavesTogetherWithTheNextEnvelope) {
  Bench bench(2, 1);
  SourceSession source(bench.workload, bench.maker, Pipelining::overlap);
  std::string out;
  source.feed("220 hi\r\n250-hi\r\n250-SIZE 1000000\r\n250 PIPELINING\r\n", now, out);
  EXPECT_TRUE(out.ends_with("SIZE=2000\r\nRCPT TO:<r0@d0.test>\r\nDATA\r\n") ||
              out.ends_with("DATA\r\n"))
      << out;
  out.clear();
  source.feed("250 ok\r\n250 ok\r\n354 go\r\n", now, out);
  const std::size_t dot = out.find("\r\n.\r\n");
  ASSERT_NE(dot, std::string::npos);
  EXPECT_TRUE(out.substr(dot + 5).starts_with("MAIL FROM:<bounces@source.test>"));
  EXPECT_EQ(bench.workload.counters().acknowledged.value(), 0U) << "not before the dot's reply";
  out.clear();
  source.feed("250 taken\r\n", now, out);
  EXPECT_EQ(bench.workload.counters().acknowledged.value(), 1U);
  EXPECT_EQ(out, "");
}

// What a source sends on, given what a server says after the greeting.
std::string after(Bench& bench, Pipelining pipelining, std::string_view replies) {
  SourceSession source(bench.workload, bench.maker, pipelining);
  std::string out;
  source.feed("220 hi\r\n250-hi\r\n250 PIPELINING\r\n", now, out);
  out.clear();
  source.feed(replies, now, out);
  source.abandon(false);
  return out;
}

TEST(SourceSession, ARefusedSenderIsNotSentAgainAndTheNextMessageStartsWithRset) {
  Bench bench(2, 1);
  const std::string out =
      after(bench, Pipelining::overlap, "550 no\r\n503 what\r\n503 what\r\n250 reset\r\n");
  EXPECT_TRUE(out.starts_with("RSET\r\nMAIL FROM:")) << out;
  EXPECT_EQ(bench.workload.counters().refused.value(), 1U);
}

TEST(SourceSession, NobodyAcceptedButDataGoesOnGetsALoneDot) {
  Bench bench(1, 2);
  const std::string out =
      after(bench, Pipelining::flight, "250 ok\r\n550 no\r\n550 no\r\n354 go\r\n554 nobody\r\n");
  EXPECT_EQ(out, ".\r\nRSET\r\n");
  EXPECT_EQ(bench.workload.counters().refused.value(), 1U);
  EXPECT_EQ(bench.workload.counters().acknowledged.value(), 0U);
}

TEST(SourceSession, OnlyAcceptedRecipientsCountAsAcknowledged) {
  Bench bench(1, 2);
  after(bench, Pipelining::flight, "250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n250 taken\r\n");
  EXPECT_EQ(bench.workload.counters().acknowledged_recipients.value(), 1U);
  EXPECT_EQ(bench.workload.counters().refused_recipients.value(), 1U);
  EXPECT_FALSE(bench.workload.acknowledged_serials()[0]);
  EXPECT_TRUE(bench.workload.acknowledged_serials()[1]);
}

TEST(SourceSession, ATemporaryRefusalIsTriedAgainUnderTheSameIdWithinABound) {
  Bench bench(1, 1, 3);
  const std::string refusal = "250 ok\r\n250 ok\r\n354 go\r\n452 full\r\n";
  const std::string out =
      after(bench, Pipelining::flight, refusal + refusal + refusal + "221 bye\r\n");
  const std::string id = "X-Bench-Id: 0000070000000000\r\n";
  std::size_t sent = 0;
  for (std::size_t at = out.find(id); at != std::string::npos; at = out.find(id, at + 1)) {
    ++sent;
  }
  EXPECT_EQ(sent, 3U);
  EXPECT_EQ(bench.workload.counters().retried.value(), 2U);
  EXPECT_EQ(bench.workload.counters().refused.value(), 1U);
  EXPECT_TRUE(out.ends_with("QUIT\r\n"));
}

TEST(SourceSession, ALostConnectionLeavesItsMessagesToOthersOrCountsThem) {
  for (const bool again : {true, false}) {
    Bench bench(2, 1);
    SourceSession source(bench.workload, bench.maker, Pipelining::overlap);
    std::string out;
    source.feed("220 hi\r\n250-hi\r\n250 PIPELINING\r\n", now, out);
    source.feed("250 ok\r\n250 ok\r\n354 go\r\n", now, out);  // one is finishing, one is opening
    source.abandon(again);
    EXPECT_EQ(bench.workload.counters().retried.value(), again ? 2U : 0U);
    EXPECT_EQ(bench.workload.counters().unacknowledged.value(), again ? 0U : 2U);
    EXPECT_EQ(bench.workload.finished(), !again);
    if (again) {
      bench.converse(Pipelining::overlap, {}, 4096);
      EXPECT_EQ(bench.workload.counters().acknowledged.value(), 2U);
      EXPECT_TRUE(bench.workload.finished());
    }
  }
}

TEST(SourceSession, WhatIsNoSmtpEndsTheConnection) {
  for (const std::string& nonsense :
       {std::string("hello\r\n"), std::string("220 hi\r\n250 ok\r\n999 what\r\n"),
        std::string("421 closing\r\n"), std::string(5000, '2')}) {
    Bench bench(1, 1);
    SourceSession source(bench.workload, bench.maker, Pipelining::overlap);
    std::string out;
    source.feed(nonsense, now, out);
    EXPECT_TRUE(source.ended()) << nonsense.substr(0, 40);
    EXPECT_FALSE(source.complaint().empty());
    source.abandon(false);
  }
}

TEST(ContentReader, OnlyCrLfDotCrLfEndsAndStuffingComesOff) {
  const std::string wire = "..\r\na\r\n..b\r\n\n.\n.\r\rx\r\n.\rc\r\n. \r\nend\r\n.\r\nNEXT";
  const std::string plain = ".\r\na\r\n.b\r\n\n.\n.\r\rx\r\n\rc\r\n \r\nend\r\n";
  for (std::size_t split = 0; split <= wire.size(); ++split) {
    ContentReader reader;
    std::string content;
    std::size_t used = reader.feed(std::string_view(wire).substr(0, split), content);
    if (!reader.done()) {
      EXPECT_EQ(used, split);
      used += reader.feed(std::string_view(wire).substr(split), content);
    }
    EXPECT_TRUE(reader.done());
    EXPECT_EQ(content, plain) << "split at " << split;
    EXPECT_EQ(wire.substr(used), "NEXT");
  }
}

TEST(ContentReader, AnEmptyMessageIsADotAlone) {
  ContentReader reader;
  std::string content;
  EXPECT_EQ(reader.feed(".\r\n", content), 3U);
  EXPECT_TRUE(reader.done());
  EXPECT_EQ(content, "");
}

TEST(SinkSession, ChunksAreTakenWhereOffered) {
  Bench bench(1, 1);
  const std::string stream =
      "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nBDAT 3\r\nx\r\nBDAT 5 LAST\r\n.\r\ny\n"
      "RSET\r\nMAIL FROM:<>\r\nBDAT 4 LAST\r\nQUITNOOP\r\n";
  for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
    SinkSession sink({.chunking = true}, bench.arrivals, bench.arrivals.connected(IpAddress()));
    std::string replies;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      EXPECT_TRUE(sink.feed(std::string_view(stream).substr(at, piece), now, replies));
    }
    EXPECT_EQ(replies,
              "250-sink.test\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-8BITMIME\r\n"
              "250-SIZE 268435456\r\n250 ENHANCEDSTATUSCODES\r\n250 2.1.0 ok\r\n250 2.1.5 ok\r\n"
              "250 2.0.0 ok\r\n250 2.0.0 ok\r\n250 2.0.0 ok\r\n250 2.1.0 ok\r\n"
              "503 5.5.1 RCPT first\r\n250 sink.test\r\n");
  }
}

TEST(SinkSession, CommandsOutOfOrderAreRefused) {
  Bench bench(1, 1);
  SinkSession sink({}, bench.arrivals, bench.arrivals.connected(IpAddress()));
  std::string replies;
  EXPECT_TRUE(sink.feed("RCPT TO:<a@b>\r\nDATA\r\nMAIL FROM:<>\r\nRCPT TO:a\r\nDATA\r\nVRFY x\r\n",
                        now, replies));
  EXPECT_EQ(replies,
            "503 5.5.1 MAIL first\r\n503 5.5.1 RCPT first\r\n250 2.1.0 ok\r\n501 5.5.4 no path\r\n"
            "503 5.5.1 RCPT first\r\n502 5.5.1 not here\r\n");
  EXPECT_FALSE(sink.feed(std::string(10'000, 'x'), now, replies)) << "an endless command";
}

}  // namespace
}  // namespace ringpost::bench
