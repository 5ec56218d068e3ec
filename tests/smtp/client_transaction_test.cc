#include "ringpost/smtp/client_transaction.h"

#include <gtest/gtest.h>

#include <string>

#include "client_driver.h"

namespace ringpost::smtp {
namespace {

TEST(ClientTransaction, LockStepWaitsForEveryReply) {
  ClientDriver client(Mode::overlapped, Capabilities{});
  EXPECT_EQ(client.machine.mode(), Mode::lock_step) << "PIPELINING was not offered";
  client.offer(1, 2, ".a\r\n");
  EXPECT_EQ(client.flight(), "MAIL FROM:<s1>\r\n");
  EXPECT_EQ(client.flight(), "");
  client.replies("250 ok\r\n");
  EXPECT_EQ(client.flight(), "RCPT TO:<r1.0>\r\n");
  client.replies("250 ok\r\n");
  EXPECT_EQ(client.flight(), "RCPT TO:<r1.1>\r\n");
  client.replies("550 no\r\n");
  EXPECT_EQ(client.flight(), "DATA\r\n");
  client.replies("354 go\r\n");
  EXPECT_EQ(client.flight(), "..a\r\n.\r\n");
  EXPECT_FALSE(client.machine.can_offer());
  client.replies("250 2.0.0 taken\r\n");
  EXPECT_EQ(client.verdicts(1), "delivered@final dot 250 2.0.0 taken, refused@RCPT 550 no");
  EXPECT_TRUE(client.results[1].content_accepted);
  client.offer(2);
  EXPECT_EQ(client.flight(), "MAIL FROM:<s2>\r\n") << "nothing lingers, so no RSET";
}

TEST(ClientTransaction, SaysWhatWasAskedOfReportsBehindThePaths) {
  Capabilities offered = full_capabilities();
  offered.dsn = true;
  offered.smtputf8 = true;
  offered.size = 0;
  ClientDriver client(Mode::overlapped, offered);
  const ReportParameters reports{" RET=HDRS ENVID=a+2Bb", {" NOTIFY=NEVER", ""}};
  client.offer(1, 2, "x\r\n", &reports, true);
  client.offer(2);
  EXPECT_EQ(client.flight(),
            "MAIL FROM:<s1> SIZE=3 SMTPUTF8 RET=HDRS ENVID=a+2Bb\r\n"
            "RCPT TO:<r1.0> NOTIFY=NEVER\r\nRCPT TO:<r1.1>\r\nDATA\r\n");
  client.replies("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
  EXPECT_EQ(client.flight(), "x\r\n.\r\nMAIL FROM:<s2> SIZE=3\r\nRCPT TO:<r2.0>\r\nDATA\r\n");
}

TEST(ClientTransaction, NeverSaysWhatIsNotOffered) {
  const ReportParameters reports{" RET=HDRS", {" NOTIFY=NEVER"}};
  const ReportParameters injected{"", {" NOTIFY=NEVER\r\nDATA"}};
  Capabilities offered = full_capabilities();
  EXPECT_DEATH(ClientDriver(Mode::pipelined, offered).offer(1, 1, "x\r\n", &reports), "DSN");
  EXPECT_DEATH(ClientDriver(Mode::pipelined, offered).offer(1, 1, "x\r\n", nullptr, true),
               "SMTPUTF8");
  offered.dsn = true;
  EXPECT_DEATH(ClientDriver(Mode::pipelined, offered).offer(1, 1, "x\r\n", &injected), "control");
}

TEST(ClientTransaction, PipelinedButNotOverlapped) {
  ClientDriver client(Mode::pipelined);
  client.offer(1);
  EXPECT_EQ(client.flight(), "MAIL FROM:<s1>\r\nRCPT TO:<r1.0>\r\nDATA\r\n");
  client.replies("250 ok\r\n250 ok\r\n");
  EXPECT_EQ(client.flight(), "") << "the body waits for 354";
  client.replies("354 go\r\n");
  EXPECT_EQ(client.flight(), "x\r\n.\r\n");
  EXPECT_FALSE(client.machine.can_offer());
  client.replies("250 ok\r\n");
  EXPECT_TRUE(client.machine.can_offer());
}

TEST(ClientTransaction, OverlapTakesOneRoundTripAMessage) {
  ClientDriver client(Mode::overlapped);
  client.offer(1);
  client.offer(2);
  EXPECT_FALSE(client.machine.can_offer());
  EXPECT_EQ(client.flight(), "MAIL FROM:<s1>\r\nRCPT TO:<r1.0>\r\nDATA\r\n");
  for (std::uint64_t n = 1; n < 5; ++n) {
    client.replies("250 ok\r\n250 ok\r\n354 go\r\n");
    const std::string next = std::to_string(n + 1);
    EXPECT_EQ(client.flight(),
              "x\r\n.\r\nMAIL FROM:<s" + next + ">\r\nRCPT TO:<r" + next + ".0>\r\nDATA\r\n");
    client.replies("250 taken " + std::to_string(n) + "\r\n");
    EXPECT_EQ(client.verdicts(n), "delivered@final dot 250 taken " + std::to_string(n));
    EXPECT_EQ(client.results[n].overlapped, n > 1);
    client.offer(n + 2);
  }
}

TEST(ClientTransaction, OverlapAlsoWhenTheNextComesLate) {
  ClientDriver client(Mode::overlapped);
  client.offer(1);
  client.flight();
  client.replies("250 ok\r\n250 ok\r\n354 go\r\n");
  EXPECT_EQ(client.flight(), "x\r\n.\r\n");
  client.offer(2);
  EXPECT_EQ(client.flight(), "MAIL FROM:<s2>\r\nRCPT TO:<r2.0>\r\nDATA\r\n");
  client.replies("250 ok\r\n");
  EXPECT_FALSE(client.machine.idle());
  EXPECT_EQ(client.results.size(), 1U);
}

TEST(ClientTransaction, OverlapAllowedOnTheSameConnection) {
  ClientDriver client(Mode::pipelined);
  client.offer(1);
  client.flight();
  client.replies("250 ok\r\n250 ok\r\n354 go\r\n");
  client.flight();
  EXPECT_FALSE(client.machine.can_offer());
  client.machine.allow_overlap();
  client.offer(2);
  EXPECT_EQ(client.flight(), "MAIL FROM:<s2>\r\nRCPT TO:<r2.0>\r\nDATA\r\n");
  client.replies("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
  EXPECT_EQ(client.flight(), "x\r\n.\r\n");

  ClientDriver plain(Mode::lock_step, Capabilities{});
  plain.machine.allow_overlap();
  EXPECT_EQ(plain.machine.mode(), Mode::lock_step);
}

TEST(ClientTransaction, Parameters) {
  Capabilities offered = full_capabilities();
  offered.size = 0;
  ClientTransactions machine(offered, Mode::pipelined);
  const std::string_view recipient = "r";
  machine.offer({1, "", {&recipient, 1}, "12345\r\n", true});
  std::string out;
  machine.fill(out, 1000);
  EXPECT_EQ(out, "MAIL FROM:<> SIZE=7 BODY=8BITMIME\r\nRCPT TO:<r>\r\nDATA\r\n");
}

TEST(ClientTransaction, LargeContentLeavesInPieces) {
  ClientDriver client(Mode::overlapped);
  std::string content;
  for (int line = 0; line < 1000; ++line) {
    content += ".line " + std::to_string(line) + "\r\n";
  }
  client.offer(1, 1, content);
  client.offer(2);
  client.flight();
  client.replies("250 ok\r\n250 ok\r\n354 go\r\n");
  std::string all;
  bool more = true;
  while (more) {
    std::string piece;
    more = client.machine.fill(piece, 100);
    EXPECT_LT(piece.size(), 250U);
    EXPECT_FALSE(piece.empty());
    client.machine.sent(piece.size());
    all += piece;
  }
  std::string expected;
  for (std::size_t at = 0; at < content.size(); ++at) {
    expected += content[at] == '.' ? "." : "";
    expected += content[at];
  }
  EXPECT_EQ(all, expected + ".\r\nMAIL FROM:<s2>\r\nRCPT TO:<r2.0>\r\nDATA\r\n");
}

// The earliest refusal decides; what follows from it is ignored; RSET leads the next flight where
// a transaction ended before its content.
TEST(ClientTransaction, EarliestRefusalDecides) {
  struct Row {
    std::string_view replies;  // up to and including DATA's
    std::string_view content;  // what leaves then
    std::string_view dot;      // the terminator's reply
    std::string_view verdicts;
    bool reset;
  };
  const Row rows[] = {
      {"550 m\r\n503 r\r\n503 r\r\n503 d\r\n", "", "", "refused@MAIL 550 m, refused@MAIL 550 m",
       true},
      {"451 m\r\n550 r\r\n550 r\r\n554 d\r\n", "", "", "refused@MAIL 451 m, refused@MAIL 451 m",
       true},
      {"550 m\r\n503 r\r\n503 r\r\n354 d\r\n", ".\r\n", "554 none\r\n",
       "refused@MAIL 550 m, refused@MAIL 550 m", true},
      {"250 m\r\n550 a\r\n450 b\r\n554 d\r\n", "", "", "refused@RCPT 550 a, refused@RCPT 450 b",
       true},
      {"250 m\r\n550 a\r\n450 b\r\n354 d\r\n", ".\r\n", "250 taken\r\n",
       "refused@RCPT 550 a, refused@RCPT 450 b", true},
      {"250 m\r\n550 a\r\n450 b\r\n354 d\r\n", ".\r\n", "554 none\r\n",
       "refused@RCPT 550 a, refused@RCPT 450 b", true},
      {"250 m\r\n250 a\r\n450 b\r\n451 d\r\n", "", "", "refused@DATA 451 d, refused@RCPT 450 b",
       true},
      {"250 m\r\n250 a\r\n250 b\r\n554 d\r\n", "", "", "refused@DATA 554 d, refused@DATA 554 d",
       true},
      {"250 m\r\n250 a\r\n550 b\r\n354 d\r\n", "x\r\n.\r\n", "552 e\r\n",
       "refused@final dot 552 e, refused@RCPT 550 b", false},
      {"250 m\r\n251 a\r\n252 b\r\n354 d\r\n", "x\r\n.\r\n", "450 e\r\n",
       "refused@final dot 450 e, refused@final dot 450 e", false},
      {"250 m\r\n550 a\r\n250 b\r\n354 d\r\n", "x\r\n.\r\n", "250 ok\r\n",
       "refused@RCPT 550 a, delivered@final dot 250 ok", false},
      {"250 m\r\n250 a\r\n452 4.5.3 full\r\n354 d\r\n", "x\r\n.\r\n", "250 ok\r\n",
       "delivered@final dot 250 ok, too_many@RCPT 452 4.5.3 full", false},
      {"250 m\r\n250 a\r\n452 full\r\n354 d\r\n", "x\r\n.\r\n", "554 no\r\n",
       "refused@final dot 554 no, too_many@RCPT 452 full", false},
      {"250 m\r\n452 4.5.3 a\r\n452 4.3.1 b\r\n554 d\r\n", "", "",
       "refused@RCPT 452 4.5.3 a, refused@RCPT 452 4.3.1 b", true},
      {"250 m\r\n250 a\r\n452 4.2.2 b\r\n354 d\r\n", "x\r\n.\r\n", "250 ok\r\n",
       "delivered@final dot 250 ok, refused@RCPT 452 4.2.2 b", false},
      {"250 m\r\n250 a\r\n552 5.5.3 b\r\n354 d\r\n", "x\r\n.\r\n", "250 ok\r\n",
       "delivered@final dot 250 ok, too_many@RCPT 552 5.5.3 b", false},
  };
  for (const Mode mode : {Mode::pipelined, Mode::overlapped}) {
    for (const Row& row : rows) {
      SCOPED_TRACE(row.replies);
      ClientDriver client(mode);
      client.offer(1, 2);
      client.flight();
      client.replies(row.replies);
      EXPECT_EQ(client.flight(), row.content);
      client.replies(row.dot);
      EXPECT_EQ(client.verdicts(1), row.verdicts);
      ASSERT_FALSE(client.machine.must_close()) << client.machine.close_reason();
      client.offer(2);
      EXPECT_EQ(client.flight(), std::string(row.reset ? "RSET\r\n" : "") +
                                     "MAIL FROM:<s2>\r\nRCPT TO:<r2.0>\r\nDATA\r\n");
      client.replies(row.reset ? "250 reset\r\n" : "");
      client.replies("250 ok\r\n250 ok\r\n354 go\r\n");
      EXPECT_EQ(client.flight(), "x\r\n.\r\n");
      client.replies("250 ok\r\n");
      EXPECT_EQ(client.verdicts(2), "delivered@final dot 250 ok") << "never out of step";
    }
  }
}

TEST(ClientTransaction, LockStepStopsAtTheRefusal) {
  ClientDriver client(Mode::lock_step);
  client.offer(1);
  client.flight();
  client.replies("550 m\r\n");
  EXPECT_EQ(client.verdicts(1), "refused@MAIL 550 m");
  client.offer(2, 2);
  EXPECT_EQ(client.flight(), "RSET\r\n");
  client.replies("250 ok\r\n");
  EXPECT_EQ(client.flight(), "MAIL FROM:<s2>\r\n");
  client.replies("250 ok\r\n");
  EXPECT_EQ(client.flight(), "RCPT TO:<r2.0>\r\n");
  client.replies("450 a\r\n");
  EXPECT_EQ(client.flight(), "RCPT TO:<r2.1>\r\n");
  client.replies("550 b\r\n");
  EXPECT_EQ(client.verdicts(2), "refused@RCPT 450 a, refused@RCPT 550 b");
  EXPECT_EQ(client.flight(), "") << "no DATA without a recipient";
  client.offer(3);
  EXPECT_EQ(client.flight(), "RSET\r\n");
}

TEST(ClientTransaction, RefusalWhileCommandsStillWaitToLeave) {
  ClientDriver client(Mode::pipelined);
  client.offer(1, 100);
  EXPECT_EQ(client.flight(20), "MAIL FROM:<s1>\r\nRCPT TO:<r1.0>\r\n");
  client.replies("550 m\r\n");
  EXPECT_EQ(client.flight(), "") << "the rest would be pointless";
  EXPECT_EQ(client.verdicts(1), "none") << "a reply is still owed";
  client.replies("503 r\r\n");
  EXPECT_TRUE(client.verdicts(1).starts_with("refused@MAIL 550 m, refused@MAIL 550 m"));
  client.offer(2);
  EXPECT_TRUE(client.flight().starts_with("RSET\r\nMAIL"));
}

TEST(ClientTransaction, RsetLeadsTheOverlappedFlightToo) {
  ClientDriver client(Mode::overlapped);
  client.offer(1);
  client.offer(2);
  client.flight();
  client.replies("250 m\r\n550 r\r\n354 d\r\n");
  EXPECT_EQ(client.flight(), ".\r\nRSET\r\nMAIL FROM:<s2>\r\nRCPT TO:<r2.0>\r\nDATA\r\n");
  client.replies("554 none\r\n250 reset\r\n250 m\r\n250 r\r\n354 d\r\n");
  EXPECT_EQ(client.verdicts(1), "refused@RCPT 550 r");
  EXPECT_EQ(client.flight(), "x\r\n.\r\n");
}

TEST(ClientTransaction, MisbehaviourClosesTheConnection) {
  struct Row {
    std::string_view replies;
    std::string_view verdict;
  };
  const Row rows[] = {
      {"354 m\r\n", "failed@MAIL 354 m"},
      {"250 m\r\n354 r\r\n", "failed@RCPT 354 r"},
      {"250 m\r\n250 r\r\n250 d\r\n", "failed@DATA 250 d"},
      {"250 m\r\n550 r\r\n250 d\r\n", "refused@RCPT 550 r"},
      {"550 m\r\n250 r\r\n", "refused@MAIL 550 m"},
      {"250 m\r\n250 r\r\n354 d\r\n250 s\r\n", "failed@content 250 s"},
      {"250 m\r\n250 r\r\n354 d\r\n550 s\r\n", "refused@content 550 s"},
      {"250 m\r\n250 r\r\n354 d\r\n354 s\r\n", "failed@content 354 s"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.replies);
    ClientDriver client(Mode::overlapped);
    client.offer(1);
    client.offer(2);
    client.flight();
    client.replies(row.replies);
    EXPECT_TRUE(client.machine.must_close());
    EXPECT_FALSE(client.machine.close_reason().empty());
    EXPECT_EQ(client.flight(), "") << "neither body nor dot";
    EXPECT_EQ(client.verdicts(1), row.verdict);
    EXPECT_EQ(client.verdicts(2), "not_tried@MAIL");
    EXPECT_TRUE(client.machine.idle());
    EXPECT_FALSE(client.machine.can_offer());
  }
}

TEST(ClientTransaction, SurplusReplies) {
  ClientDriver unasked(Mode::pipelined);
  unasked.replies("250 hello\r\n");
  EXPECT_TRUE(unasked.machine.must_close());

  ClientDriver early(Mode::pipelined);
  early.offer(1);
  early.replies("250 hello\r\n");
  EXPECT_EQ(early.verdicts(1), "not_tried@MAIL 250 hello");

  // Two replies to one dot shift everything by one: seen at DATA at the latest, before the body.
  ClientDriver shifted(Mode::overlapped);
  shifted.offer(1);
  shifted.offer(2);
  shifted.flight();
  shifted.replies("250 m\r\n250 r\r\n354 d\r\n");
  shifted.flight();
  shifted.replies("250 taken\r\n250 again\r\n250 m\r\n250 r\r\n");
  EXPECT_TRUE(shifted.machine.must_close());
  EXPECT_EQ(shifted.verdicts(1), "delivered@final dot 250 taken");
  EXPECT_EQ(shifted.verdicts(2), "failed@DATA 250 r");
  EXPECT_EQ(shifted.flight(), "");
}

TEST(ClientTransaction, ThirtyYzToTheDotLeavesDoubt) {
  ClientDriver client(Mode::pipelined);
  client.offer(1);
  client.flight();
  client.replies("250 m\r\n250 r\r\n354 d\r\n");
  client.flight();
  client.replies("354 what\r\n");
  EXPECT_TRUE(client.machine.must_close());
  EXPECT_EQ(client.verdicts(1), "in_doubt@final dot 354 what");
}

TEST(ClientTransaction, ContentRefusedInTheMiddle) {
  ClientDriver client(Mode::overlapped);
  client.offer(1, 2, std::string(1000, 'x') + "\r\n");
  client.offer(2);
  client.flight();
  client.replies("250 m\r\n250 a\r\n450 b\r\n354 d\r\n");
  client.flight(100);
  client.replies("552 5.3.4 too big\r\n");
  EXPECT_TRUE(client.machine.must_close()) << "the data cannot be ended any more";
  EXPECT_EQ(client.verdicts(1), "refused@content 552 5.3.4 too big, refused@RCPT 450 b");
  EXPECT_EQ(client.verdicts(2), "not_tried@MAIL");
}

TEST(ClientTransaction, RefusedResetCostsNobodyAnAttempt) {
  ClientDriver client(Mode::pipelined);
  client.offer(1);
  client.flight();
  client.replies("550 m\r\n550 r\r\n550 d\r\n");
  client.offer(2);
  client.flight();
  client.replies("500 what\r\n");
  EXPECT_TRUE(client.machine.must_close());
  EXPECT_EQ(client.verdicts(2), "not_tried@RSET 500 what");
}

TEST(ClientTransaction, DeadlinesFollowTheOldestUnanswered) {
  ClientDriver client(Mode::overlapped);
  const auto stage = [&] {
    const auto oldest = client.machine.oldest_unanswered();
    return oldest ? std::optional(oldest->stage) : std::nullopt;
  };
  EXPECT_EQ(stage(), std::nullopt);
  client.offer(1, 2);
  client.offer(2);
  EXPECT_EQ(stage(), std::nullopt) << "nothing was sent";
  client.flight();
  EXPECT_EQ(stage(), Stage::mail);
  EXPECT_FALSE(client.machine.oldest_unanswered()->overlapped);
  client.replies("250 m\r\n");
  EXPECT_EQ(stage(), Stage::rcpt);
  EXPECT_EQ(client.machine.oldest_unanswered()->replies, 1U);
  client.replies("250 a\r\n");
  EXPECT_EQ(stage(), Stage::rcpt);
  EXPECT_EQ(client.machine.oldest_unanswered()->replies, 2U) << "another RCPT: a new deadline";
  client.replies("250 b\r\n");
  EXPECT_EQ(stage(), Stage::data);
  client.replies("354 d\r\n");
  EXPECT_EQ(stage(), Stage::content);
  std::string out;
  client.machine.fill(out, 1000);
  EXPECT_EQ(stage(), Stage::content) << "handed out is not written";
  client.machine.sent(5);
  EXPECT_EQ(stage(), Stage::content);
  client.machine.sent(1);
  EXPECT_EQ(stage(), Stage::final_dot);
  client.machine.sent(out.size() - 6);
  client.replies("250 taken\r\n");
  EXPECT_EQ(stage(), Stage::mail);
  EXPECT_TRUE(client.machine.oldest_unanswered()->overlapped) << "the 30 seconds rule is for it";
  EXPECT_EQ(client.machine.oldest_unanswered()->token, 2U);
}

TEST(ClientTransactionDeath, ProgrammersErrors) {
  ClientTransactions machine(Capabilities{}, Mode::lock_step);
  const std::string_view good = "r@x";
  const std::string_view evil = "r@x>\r\nRSET";
  EXPECT_DEATH(machine.offer({1, "s\n", {&good, 1}, "", false}), "control character");
  EXPECT_DEATH(machine.offer({1, "s", {&evil, 1}, "", false}), "control character");
  EXPECT_DEATH(machine.offer({1, "s", {}, "", false}), "needs recipients");
  EXPECT_DEATH(machine.offer({1, "s", {&good, 1}, "", true}), "8BITMIME");
  EXPECT_DEATH(machine.sent(1), "handed out");
}

}  // namespace
}  // namespace ringpost::smtp
