// Connections that end: at every byte written and at every byte read, each recipient's verdict says
// exactly what is known, and nothing that may have been accepted is called untried or failed.
#include <gtest/gtest.h>

#include <string>

#include "client_driver.h"
#include "fake_server.h"

namespace ringpost::smtp {
namespace {

std::string answer(Stage stage, std::string_view subject) {
  if (stage == Stage::rcpt && subject == "r2.1") {
    return "550 no";
  }
  return stage == Stage::data ? "354 go" : "250 ok";
}

struct Ended {
  std::string written;   // all that the server saw
  std::size_t read = 0;  // bytes of its replies that were read
  std::string verdicts[4];
  std::vector<FakeServer::Accepted> accepted;
  bool complete = false;  // ran to its end before either cut
};

// Three transactions; the connection ends after `writes` bytes written or `reads` read.
Ended run_until(std::size_t writes, std::size_t reads, Mode mode, bool reuse,
                const Capabilities& offered = full_capabilities()) {
  ClientDriver client(mode, offered, 3);
  FakeServer server(answer);
  ReplyParser parser;
  Ended ended;
  if (reuse) {
    client.machine.begin_reuse();
  }
  std::uint64_t next = 1;
  bool progress = true;
  while (progress) {
    progress = false;
    while (next <= 3 && client.machine.can_offer()) {
      client.offer(next++, 2);
    }
    std::string out;
    client.machine.fill(out, 1 << 20);
    const std::string written = out.substr(0, writes - ended.written.size());
    ended.written += written;
    client.machine.sent(written.size());
    std::string replies = server.feed(written);
    replies.resize(std::min(replies.size(), reads - ended.read));
    ended.read += replies.size();
    for (std::string_view rest = replies; !rest.empty();) {
      const auto [status, consumed] = parser.feed(rest);
      rest.remove_prefix(consumed);
      if (status == ReplyParser::Status::reply) {
        client.machine.feed(parser.reply());
        client.collect();
      }
    }
    progress = !replies.empty() && written.size() == out.size() && ended.read < reads;
  }
  ended.complete = next > 3 && client.machine.idle();
  client.lose();
  for (std::uint64_t token = 1; token <= 3; ++token) {
    ended.verdicts[token] = client.verdicts(token);
  }
  ended.accepted = server.accepted;
  EXPECT_EQ(server.complaint, "");
  return ended;
}

// What each verdict must mean, whatever the cut.
void check_honest(const Ended& ended) {
  for (std::uint64_t token = 1; token <= 3; ++token) {
    const std::string sender = "s" + std::to_string(token);
    bool accepted = false;
    for (const FakeServer::Accepted& each : ended.accepted) {
      accepted = accepted || each.sender == sender;
    }
    const std::string& verdicts = ended.verdicts[token];
    if (verdicts == "none") {
      EXPECT_FALSE(accepted);
      continue;
    }
    const bool claims = verdicts.starts_with("delivered") || verdicts.starts_with("in_doubt");
    EXPECT_EQ(claims, accepted) << token << ": " << verdicts;
    if (verdicts.starts_with("not_tried")) {
      EXPECT_EQ(verdicts.find("failed"), std::string::npos);
    }
  }
}

TEST(ClientLoss, AtEveryByteWritten) {
  for (const Mode mode : {Mode::pipelined, Mode::overlapped}) {
    const Ended whole = run_until(100000, 100000, mode, false);
    ASSERT_TRUE(whole.complete);
    EXPECT_EQ(whole.verdicts[2], "delivered@final dot 250 ok, refused@RCPT 550 no");
    for (std::size_t cut = 0; cut < whole.written.size(); ++cut) {
      SCOPED_TRACE(testing::Message() << "after " << whole.written.substr(0, cut));
      check_honest(run_until(cut, 100000, mode, false));
    }
  }
}

TEST(ClientLoss, AtEveryByteRead) {
  for (const Mode mode : {Mode::lock_step, Mode::pipelined, Mode::overlapped}) {
    const Ended whole = run_until(100000, 100000, mode, false);
    for (std::size_t cut = 0; cut < whole.read; ++cut) {
      SCOPED_TRACE(testing::Message() << "after " << cut << " bytes of replies");
      check_honest(run_until(100000, cut, mode, false));
    }
  }
}

TEST(ClientLoss, AtEveryByteOfAStream) {
  for (const Mode mode : {Mode::pipelined, Mode::overlapped, Mode::streamed}) {
    for (const bool reuse : {false, true}) {
      const Ended whole = run_until(100000, 100000, mode, reuse, with_chunking());
      ASSERT_TRUE(whole.complete);
      EXPECT_EQ(whole.verdicts[2], "delivered@final dot 250 ok, refused@RCPT 550 no");
      for (std::size_t cut = 0; cut < whole.written.size(); ++cut) {
        SCOPED_TRACE(testing::Message() << "after " << whole.written.substr(0, cut));
        check_honest(run_until(cut, 100000, mode, reuse, with_chunking()));
      }
      for (std::size_t cut = 0; cut < whole.read; ++cut) {
        SCOPED_TRACE(testing::Message() << "after " << cut << " bytes of replies");
        check_honest(run_until(100000, cut, mode, reuse, with_chunking()));
      }
    }
  }
}

TEST(ClientLoss, VerdictsByPlace) {
  const std::string first = "MAIL FROM:<s1>\r\nRCPT TO:<r1.0>\r\nRCPT TO:<r1.1>\r\nDATA\r\n";
  const std::string replies = "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n";
  struct Row {
    std::size_t writes;
    std::size_t reads;
    bool reuse;
    std::string_view one;
    std::string_view two;
  };
  constexpr std::size_t all = 100000;
  const Row rows[] = {
      {0, all, false, "not_tried@MAIL, not_tried@MAIL", "not_tried@MAIL, not_tried@MAIL"},
      {15, all, false, "not_tried@MAIL, not_tried@MAIL", "not_tried@MAIL, not_tried@MAIL"},
      {16, 0, false, "failed@MAIL, failed@MAIL", "not_tried@MAIL, not_tried@MAIL"},
      {all, 7, false, "failed@MAIL, failed@MAIL", "not_tried@MAIL, not_tried@MAIL"},
      {all, 7, true, "not_tried@MAIL, not_tried@MAIL", "not_tried@MAIL, not_tried@MAIL"},
      {all, 8, true, "failed@RCPT, failed@RCPT", "not_tried@MAIL, not_tried@MAIL"},
      {all, 23, false, "failed@RCPT, failed@RCPT", "not_tried@MAIL, not_tried@MAIL"},
      {all, 24, false, "failed@DATA, failed@DATA", "not_tried@MAIL, not_tried@MAIL"},
      {first.size() + 5, all, false, "failed@content, failed@content",
       "not_tried@MAIL, not_tried@MAIL"},
      {first.size() + 6, replies.size() + 1, false, "in_doubt@final dot, in_doubt@final dot",
       "not_tried@MAIL, not_tried@MAIL"},
      {all, replies.size() + 7, false, "in_doubt@final dot, in_doubt@final dot",
       "not_tried@MAIL, not_tried@MAIL"},
      {all, replies.size() + 8, false, "delivered@final dot 250 ok, delivered@final dot 250 ok",
       "not_tried@MAIL, not_tried@MAIL"},
      {all, replies.size() + 16, false, "delivered@final dot 250 ok, delivered@final dot 250 ok",
       "failed@RCPT, failed@RCPT"},
      {all, replies.size() + 32, false, "delivered@final dot 250 ok, delivered@final dot 250 ok",
       "failed@DATA, refused@RCPT 550 no"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(testing::Message() << row.writes << " written, " << row.reads << " read");
    const Ended ended = run_until(row.writes, row.reads, Mode::overlapped, row.reuse);
    EXPECT_EQ(ended.verdicts[1], row.one);
    EXPECT_EQ(ended.verdicts[2], row.two);
  }
}

TEST(ClientLoss, ServiceClosing) {
  struct Row {
    std::string_view replies;
    std::string_view one;
    std::string_view two;
  };
  const Row rows[] = {
      {"421 c\r\n", "not_tried@MAIL 421 c, not_tried@MAIL 421 c",
       "not_tried@MAIL 421 c, not_tried@MAIL 421 c"},
      {"250 m\r\n250 a\r\n421 c\r\n", "not_tried@RCPT 421 c, refused@RCPT 421 c",
       "not_tried@MAIL 421 c, not_tried@MAIL 421 c"},
      {"250 m\r\n550 a\r\n250 b\r\n421 c\r\n", "refused@RCPT 550 a, refused@DATA 421 c",
       "not_tried@MAIL 421 c, not_tried@MAIL 421 c"},
      {"550 m\r\n421 c\r\n", "refused@MAIL 550 m, refused@MAIL 550 m",
       "not_tried@MAIL 421 c, not_tried@MAIL 421 c"},
      {"250 m\r\n250 a\r\n250 b\r\n354 d\r\n|421 c\r\n",
       "refused@final dot 421 c, refused@final dot 421 c",
       "not_tried@MAIL 421 c, not_tried@MAIL 421 c"},
      {"250 m\r\n250 a\r\n250 b\r\n354 d\r\n|250 ok\r\n421 c\r\n",
       "delivered@final dot 250 ok, delivered@final dot 250 ok",
       "not_tried@MAIL 421 c, not_tried@MAIL 421 c"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.replies);
    ClientDriver client(Mode::overlapped);
    client.offer(1, 2);
    client.offer(2, 2);
    client.flight();
    const std::size_t bar = row.replies.find('|');
    client.replies(row.replies.substr(0, bar));
    if (bar != std::string_view::npos) {
      client.flight();
      client.replies(row.replies.substr(bar + 1));
    }
    EXPECT_TRUE(client.machine.must_close());
    EXPECT_EQ(client.machine.close_reason(), "421 c");
    EXPECT_EQ(client.verdicts(1), row.one);
    EXPECT_EQ(client.verdicts(2), row.two);
    EXPECT_EQ(client.flight(), "");
  }
}

TEST(ClientLoss, ServiceClosingWhileIdle) {
  ClientDriver client(Mode::overlapped);
  client.replies("421 idle too long\r\n");
  EXPECT_TRUE(client.machine.must_close());
  EXPECT_TRUE(client.machine.idle());
}

TEST(ClientLoss, ReuseEndsWithTheFirstReplyToMail) {
  ClientDriver client(Mode::overlapped);
  client.offer(1);
  client.flight();
  client.replies("250 ok\r\n250 ok\r\n354 go\r\n");
  client.flight();
  client.replies("250 ok\r\n");
  client.machine.begin_reuse();
  client.offer(2);
  client.flight();
  client.lose();
  EXPECT_EQ(client.verdicts(2), "not_tried@MAIL");
  EXPECT_FALSE(client.results[2].mail_answered);
  EXPECT_FALSE(client.results[2].overlapped);
}

TEST(ClientLoss, OverlapThatIsNotBorneCostsNoAttempt) {
  ClientDriver client(Mode::overlapped);
  client.offer(1);
  client.offer(2);
  client.flight();
  client.replies("250 ok\r\n250 ok\r\n354 go\r\n");
  client.flight();
  client.replies("250 ok\r\n");
  client.lose();  // 30 s without MAIL's reply
  EXPECT_EQ(client.verdicts(2), "not_tried@MAIL");
  EXPECT_TRUE(client.results[2].overlapped);
  EXPECT_FALSE(client.results[2].mail_answered);
}

TEST(ClientLoss, NoSmtpAtAll) {
  ClientDriver client(Mode::overlapped);
  client.offer(1);
  client.flight();
  client.replies("250 ok\r\n250 ok\r\n354 go\r\n");
  client.flight();
  client.machine.protocol_error("not an SMTP reply: HTTP/1.1");
  client.collect();
  EXPECT_EQ(client.machine.close_reason(), "not an SMTP reply: HTTP/1.1");
  EXPECT_EQ(client.verdicts(1), "in_doubt@final dot");
}

}  // namespace
}  // namespace ringpost::smtp
