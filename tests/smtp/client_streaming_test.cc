// Content in chunks (RFC 3030), and several transactions on their way at the same time.
#include <gtest/gtest.h>

#include <string>

#include "client_driver.h"

namespace ringpost::smtp {
namespace {

std::string commands(std::uint64_t token, bool reset) {
  const std::string name = std::to_string(token);
  return std::string(reset ? "RSET\r\n" : "") + "MAIL FROM:<s" + name + ">\r\nRCPT TO:<r" + name +
         ".0>\r\n";
}

const std::string chunk = "BDAT 3 LAST\r\nx\r\n";

TEST(ClientStreaming, ChunksAreNotStuffedAndWaitForTheRecipientsVerdict) {
  ClientDriver client(Mode::overlapped, with_chunking());
  client.offer(1, 1, ".a\r\n..\r\n");
  client.offer(2);
  EXPECT_EQ(client.flight(), commands(1, false));
  client.replies("250 m\r\n");
  EXPECT_EQ(client.flight(), "");
  client.replies("250 r\r\n");
  EXPECT_EQ(client.flight(), "BDAT 8 LAST\r\n.a\r\n..\r\n" + commands(2, true));
  client.replies("250 taken\r\n250 reset\r\n250 m\r\n550 no\r\n");
  EXPECT_EQ(client.verdicts(1), "delivered@final dot 250 taken");
  EXPECT_EQ(client.verdicts(2), "refused@RCPT 550 no") << "its chunk never leaves";
  client.offer(3);
  EXPECT_EQ(client.flight(), commands(3, true));
}

TEST(ClientStreaming, LockStepUsesChunksToo) {
  Capabilities offered;
  offered.chunking = true;
  ClientDriver client(Mode::streamed, offered, 8);
  EXPECT_EQ(client.machine.mode(), Mode::lock_step) << "PIPELINING was not offered";
  client.offer(1);
  EXPECT_EQ(client.flight(), "MAIL FROM:<s1>\r\n");
  client.replies("250 m\r\n");
  EXPECT_EQ(client.flight(), "RCPT TO:<r1.0>\r\n");
  client.replies("250 r\r\n");
  EXPECT_EQ(client.flight(), chunk);
  client.replies("554 no\r\n");
  EXPECT_EQ(client.verdicts(1), "refused@final dot 554 no");
  client.offer(2);
  EXPECT_EQ(client.flight(), "RSET\r\n") << "who knows whether the refused chunk ended it";
}

TEST(ClientStreaming, AsManyLeaveAsMayBeUnderWay) {
  ClientDriver client(Mode::streamed, with_chunking(), 3);
  std::string expected;
  for (std::uint64_t token = 1; token <= 3; ++token) {
    client.offer(token);
    expected += commands(token, true) + chunk;
  }
  EXPECT_FALSE(client.machine.can_offer());
  EXPECT_EQ(client.flight(), expected);
  client.replies("250 reset\r\n250 m\r\n250 r\r\n");
  EXPECT_FALSE(client.machine.can_offer());
  client.replies("250 taken\r\n");
  EXPECT_TRUE(client.machine.can_offer());
  client.offer(4);
  EXPECT_EQ(client.flight(), commands(4, true) + chunk) << "while two are unanswered";
  client.replies("250 reset\r\n550 m\r\n503 r\r\n503 b\r\n");
  client.replies("250 reset\r\n250 m\r\n550 r\r\n554 b\r\n");
  client.replies("250 reset\r\n250 m\r\n250 r\r\n452 b\r\n");
  EXPECT_EQ(client.verdicts(1), "delivered@final dot 250 taken");
  EXPECT_EQ(client.verdicts(2), "refused@MAIL 550 m");
  EXPECT_EQ(client.verdicts(3), "refused@RCPT 550 r");
  EXPECT_EQ(client.verdicts(4), "refused@final dot 452 b");
  EXPECT_FALSE(client.machine.must_close());
}

TEST(ClientStreaming, NeedsChunkingPipeliningAndDepth) {
  EXPECT_EQ(ClientDriver(Mode::streamed, full_capabilities(), 8).machine.mode(), Mode::overlapped);
  EXPECT_EQ(ClientDriver(Mode::streamed, with_chunking(), 1).machine.mode(), Mode::overlapped);
  EXPECT_EQ(ClientDriver(Mode::streamed, with_chunking(), 2).machine.mode(), Mode::streamed);
  ClientDriver late(Mode::pipelined, with_chunking());
  late.machine.allow_overlap();
  late.offer(1);
  late.flight();
  late.machine.allow_streaming(4);
  late.offer(2);
  late.offer(3);
  late.offer(4);
  EXPECT_FALSE(late.machine.can_offer());
  EXPECT_EQ(late.flight(), chunk + commands(2, true) + chunk + commands(3, true) + chunk +
                               commands(4, true) + chunk);
}

// Behind a chunk that was completely written nobody could say that nothing was tried.
TEST(ClientStreaming, OnReuseTheFirstChunkWaitsForMailsReply) {
  ClientDriver client(Mode::streamed, with_chunking(), 4);
  client.machine.begin_reuse();
  client.offer(1);
  client.offer(2);
  EXPECT_EQ(client.flight(), commands(1, true));
  client.replies("250 reset\r\n");
  EXPECT_EQ(client.flight(), "");
  client.replies("250 m\r\n");
  EXPECT_EQ(client.flight(), chunk + commands(2, true) + chunk);

  ClientDriver stale(Mode::streamed, with_chunking(), 4);
  stale.machine.begin_reuse();
  stale.offer(1);
  stale.offer(2);
  stale.flight();
  stale.lose();
  EXPECT_EQ(stale.verdicts(1), "not_tried@RSET");
  EXPECT_EQ(stale.verdicts(2), "not_tried@MAIL");
}

TEST(ClientStreaming, WhoseSenderWouldItBe) {
  ClientDriver client(Mode::streamed, with_chunking(), 2);
  client.offer(1);
  client.offer(2);
  client.flight();
  client.replies("250 reset\r\n550 m\r\n250 r\r\n");
  EXPECT_TRUE(client.machine.must_close());
  EXPECT_EQ(client.verdicts(1), "refused@MAIL 550 m");
  EXPECT_EQ(client.verdicts(2), "in_doubt@RSET") << "it was completely written";
}

TEST(ClientStreaming, LossLeavesDoubtOfWhatWasCompletelyWritten) {
  ClientDriver client(Mode::streamed, with_chunking(), 4);
  for (std::uint64_t token = 1; token <= 4; ++token) {
    client.offer(token, 2);
  }
  std::string out;
  client.machine.fill(out, 1 << 20);
  client.machine.sent(out.size() - 1);  // one byte of the last is missing
  client.replies("250 reset\r\n250 m\r\n250 r\r\n550 no\r\n250 taken\r\n250 reset\r\n250 m\r\n");
  client.replies("550 no\r\n");
  client.lose();
  EXPECT_EQ(client.verdicts(1), "delivered@final dot 250 taken, refused@RCPT 550 no");
  EXPECT_EQ(client.verdicts(2), "refused@RCPT 550 no, in_doubt@RCPT");
  EXPECT_EQ(client.verdicts(3), "in_doubt@RSET, in_doubt@RSET");
  EXPECT_EQ(client.verdicts(4), "not_tried@RSET, not_tried@RSET");
}

TEST(ClientStreaming, WhatStandsBehindA421WasRefused) {
  ClientDriver client(Mode::streamed, with_chunking(), 4);
  for (std::uint64_t token = 1; token <= 4; ++token) {
    client.offer(token);
  }
  client.flight();
  client.replies("250 reset\r\n250 m\r\n250 r\r\n250 taken\r\n250 reset\r\n250 m\r\n250 r\r\n");
  client.replies("421 c\r\n");
  EXPECT_EQ(client.verdicts(1), "delivered@final dot 250 taken");
  EXPECT_EQ(client.verdicts(2), "refused@final dot 421 c");
  EXPECT_EQ(client.verdicts(3), "not_tried@MAIL 421 c");
  EXPECT_EQ(client.verdicts(4), "not_tried@MAIL 421 c");
}

TEST(ClientStreaming, LargeChunksLeaveInPiecesAndAreCompleted) {
  ClientDriver client(Mode::streamed, with_chunking(), 2);
  const std::string content = std::string(998, 'x') + "\r\n";
  client.offer(1, 1, content);
  client.offer(2);
  EXPECT_EQ(client.flight(1), "RSET\r\n");
  std::string all = "RSET\r\n";
  while (all.find("BDAT") == std::string::npos) {
    all += client.flight(10);
  }
  client.replies("250 reset\r\n550 m\r\n503 r\r\n");
  EXPECT_EQ(client.verdicts(1), "none") << "a chunk that was begun must be completed";
  for (std::string piece = client.flight(100); !piece.empty(); piece = client.flight(100)) {
    all += piece;
  }
  EXPECT_EQ(all, commands(1, true) + "BDAT 1000 LAST\r\n" + content + commands(2, true) + chunk);
  client.replies("503 b\r\n");
  EXPECT_EQ(client.verdicts(1), "refused@MAIL 550 m");
  client.replies("250 reset\r\n250 m\r\n250 r\r\n250 taken\r\n");
  EXPECT_EQ(client.verdicts(2), "delivered@final dot 250 taken");
}

TEST(ClientStreaming, SurplusRepliesCloseBeforeTheyDecideAnything) {
  ClientDriver client(Mode::overlapped, with_chunking());
  client.offer(1);
  client.flight();
  client.replies("250 m\r\n250 r\r\n250 surplus\r\n");
  EXPECT_TRUE(client.machine.must_close()) << "BDAT was not handed out";
  EXPECT_EQ(client.verdicts(1), "failed@content 250 surplus");
}

TEST(ClientStreaming, DeadlinesFollowTheOldestUnanswered) {
  ClientDriver client(Mode::streamed, with_chunking(), 2);
  client.offer(1);
  client.offer(2);
  std::string out;
  client.machine.fill(out, 1 << 20);
  const std::size_t first = commands(1, true).size() + chunk.size();
  client.machine.sent(first - 1);
  EXPECT_EQ(client.machine.oldest_unanswered()->stage, Stage::rset);
  EXPECT_FALSE(client.machine.oldest_unanswered()->overlapped);
  client.replies("250 reset\r\n250 m\r\n250 r\r\n");
  EXPECT_EQ(client.machine.oldest_unanswered()->stage, Stage::content);
  client.machine.sent(1);
  EXPECT_EQ(client.machine.oldest_unanswered()->stage, Stage::final_dot);
  client.replies("250 taken\r\n");
  EXPECT_EQ(client.machine.oldest_unanswered()->stage, Stage::rset);
  EXPECT_TRUE(client.machine.oldest_unanswered()->overlapped);
}

TEST(ClientStreaming, PeopleAreShownCommandsAndNoContent) {
  std::string told;
  const std::string secret = "Subject: x\r\n\r\nQUIT\r\n.\r\nsecret\r\n";
  ClientDriver dots(Mode::pipelined);
  dots.told = &told;
  dots.offer(1, 1, secret);
  dots.flight();
  EXPECT_EQ(told, "MAIL FROM:<s1>\r\nRCPT TO:<r1.0>\r\nDATA\r\n");
  told.clear();
  dots.replies("250 ok\r\n250 ok\r\n354 go on\r\n");
  while (!dots.flight(7).empty()) {
  }
  EXPECT_EQ(told, "(" + std::to_string(secret.size()) + " bytes of content and the final dot)\r\n");
  ClientDriver refused(Mode::pipelined);
  refused.told = &told;
  refused.offer(1, 1, secret);
  refused.flight();
  told.clear();
  refused.replies("250 ok\r\n550 no\r\n354 go on\r\n");
  refused.flight();
  EXPECT_EQ(told, ".\r\n");
  ClientDriver chunks(Mode::streamed, with_chunking(), 2);
  chunks.told = &told;
  told.clear();
  chunks.offer(1, 1, secret);
  while (!chunks.flight(7).empty()) {
  }
  const std::string size = std::to_string(secret.size());
  EXPECT_EQ(told, "RSET\r\nMAIL FROM:<s1>\r\nRCPT TO:<r1.0>\r\nBDAT " + size + " LAST\r\n(" + size +
                      " bytes of content)\r\n");
}

}  // namespace
}  // namespace ringpost::smtp
