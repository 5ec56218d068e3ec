#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "server_fixture.h"

namespace ringpost::smtp {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;
using testing::StartsWith;

TEST(ServerSession, TakesALetter) {
  Fixture fixture;
  fixture.feed_all(std::string(hello) + std::string(letter) + "QUIT\r\n");
  EXPECT_EQ(fixture.output,
            "220 mx.example ESMTP Ringpost\r\n"
            "250-mx.example\r\n250-PIPELINING\r\n250-SIZE 2000\r\n250-8BITMIME\r\n"
            "250-CHUNKING\r\n250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250-SMTPUTF8\r\n250 HELP\r\n"
            "250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n"
            "354 End data with <CR><LF>.<CR><LF>\r\n250 2.0.0 queued\r\n"
            "221 2.0.0 mx.example closing\r\n");
  ASSERT_EQ(fixture.messages.size(), 1U);
  const mail::Message& message = fixture.messages.front();
  EXPECT_EQ(message.envelope.sender, "a@b");
  EXPECT_EQ(message.envelope.recipients, std::vector<std::string>{"c@d"});
  EXPECT_FALSE(message.envelope.eight_bit);
  EXPECT_EQ(message.arrived, noon);
  EXPECT_EQ(message.content,
            "Received: from client.example ([192.0.2.9])\r\n\tby mx.example with ESMTP id " +
                message.id.to_string() +
                "\r\n\tfor <c@d>; Thu, 01 Jan 2026 00:00:00 +0000\r\nSubject: x\r\n\r\nhi\r\n");
  EXPECT_TRUE(fixture.session().closing());
}

TEST(ServerSession, TraceNamesNoRecipientAmongSeveral) {
  Fixture fixture;
  fixture.feed_all(
      "HELO (evil)\r\nMAIL FROM:<>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n.\r\n");
  ASSERT_EQ(fixture.messages.size(), 1U);
  const mail::Message& message = fixture.messages.front();
  EXPECT_EQ(message.envelope.sender, "");
  EXPECT_EQ(message.envelope.recipients, (std::vector<std::string>{"c@d", "e@f"}));
  EXPECT_EQ(message.content,
            "Received: from ?evil? ([192.0.2.9])\r\n\tby mx.example with SMTP id " +
                message.id.to_string() + ";\r\n\tThu, 01 Jan 2026 00:00:00 +0000\r\n");
}

TEST(ServerSession, HonoursLabelsAndEightBits) {
  Fixture fixture;
  fixture.feed_all(std::string(hello) +
                   "MAIL FROM:<a@b> BODY=8BITMIME SIZE=100\r\nRCPT TO:<c@d>\r\nDATA\r\n"
                   "X-Ringpost-Tenant: acme\r\nFrom: m\xc3\xbc\r\nX-Ringpost-Job: sale\r\n\r\n"
                   "..dot\r\n.\r\n");
  ASSERT_EQ(fixture.messages.size(), 1U);
  EXPECT_EQ(fixture.messages[0].envelope.tenant, "acme");
  EXPECT_EQ(fixture.messages[0].envelope.job, "sale");
  EXPECT_TRUE(fixture.messages[0].envelope.eight_bit);
  EXPECT_TRUE(fixture.messages[0].content.ends_with("\r\nFrom: m\xc3\xbc\r\n\r\n.dot\r\n"));
}

TEST(ServerSession, NothingOfOneMessageReachesTheNext) {
  Fixture fixture;
  fixture.feed_all(
      std::string(hello) +
      "MAIL FROM:<x@y>\r\nRCPT TO:<x@y>\r\nDATA\r\nX-Ringpost-Job: j\r\n\xff\r\n.\r\n" +
      std::string(letter) + "MAIL FROM:<z@z>\r\nRCPT TO:<q@q>\r\nRSET\r\n" + std::string(letter));
  ASSERT_EQ(fixture.messages.size(), 3U);
  for (const std::size_t i : {1U, 2U}) {
    EXPECT_EQ(fixture.messages[i].envelope.recipients, std::vector<std::string>{"c@d"});
    EXPECT_EQ(fixture.messages[i].envelope.job, "");
    EXPECT_FALSE(fixture.messages[i].envelope.eight_bit);
    EXPECT_GT(fixture.messages[i].id, fixture.messages[i - 1].id);
  }
}

TEST(ServerSession, AnswersCommands) {
  struct Case {
    std::string input;
    std::string codes;
  };
  const std::string ehlo(hello);
  const std::string mail = ehlo + "MAIL FROM:<a@b>\r\n";
  const std::string rcpt = mail + "RCPT TO:<c@d>\r\n";
  const Case cases[] = {
      {"NOOP\r\nNOOP x\r\nRSET\r\nVRFY a\r\nHELP\r\nQUIT\r\n", "250 250 250 252 214 221"},
      {"EHLO\r\nHELO\r\nEHLO x\r\nHELO [1.2.3.4]\r\n", "501 501 250 250"},
      {"MAIL FROM:<a@b>\r\n", "503"},
      {"EXPN x\r\nSTARTTLS\r\nAUTH PLAIN\r\n", "502 502 502"},
      {"WAT\r\n\r\n", "500 500"},
      {"RSET x\r\nQUIT x\r\nQUIT\r\n", "501 501 221"},
      {ehlo + "RCPT TO:<c@d>\r\nDATA\r\n", "250 503 503"},
      {mail + "MAIL FROM:<a@b>\r\nDATA\r\n", "250 250 503 554"},
      {mail + "EHLO x\r\nRCPT TO:<c@d>\r\n", "250 250 250 503"},
      {rcpt + "DATA x\r\nRSET\r\nDATA\r\n", "250 250 250 501 250 503"},
      {mail + "RCPT TO:<c@d>\r\nRCPT TO:<c@e>\r\nRCPT TO:<c@f>\r\nRCPT TO:<c@g>\r\n",
       "250 250 250 250 250 452"},
      {mail + "RCPT TO:<c>\r\nRCPT TO:<>\r\nRCPT TO:<c@d> NOPE=NEVER\r\nRCPT TO:<c@d>\r\n",
       "250 250 550 501 555 250"},
      {ehlo + "MAIL FROM:<a@b> SIZE=2001\r\nRCPT TO:<c@d>\r\nDATA\r\nMAIL FROM:<a@b> SIZE=2000\r\n",
       "250 552 503 503 250"},
      {"NOOP\nNOOP\r\nNOOP\rNOOP\r\nNO\0OP\r\n"s, "500 500 500"},
      {"NOOP " + std::string(73, 'x') + "\r\nNOOP " + std::string(74, 'x') + "\r\nNOOP\r\n",
       "250 500 250"},
      {"NOOP " + std::string(5000, 'x') + "\nQUIT\r\nNOOP\r\n", "500 250"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(codes_for(c.input), c.codes) << c.input;
  }
}

TEST(ServerSession, RelaysOnlyForThoseWhoMay) {
  EXPECT_EQ(codes_for(std::string(hello) + "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n", false),
            "250 250 550 554");
}

TEST(ServerSession, RefusesBadContentAtItsEndAndStaysInStep) {
  struct Case {
    std::string content;
    std::string reply;
  };
  const std::string begin =
      std::string(hello) + "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: x\r\n\r\n";
  const std::string smuggled = "MAIL FROM:<evil@b>\r\nRCPT TO:<e@f>\r\nDATA\r\nevil\r\n";
  std::string loop;
  for (int i = 0; i < 101; ++i) {
    loop += "Received: x\r\n";
  }
  const Case cases[] = {
      {"x\n.\n" + smuggled, "550 5.6.0 Message refused: bare LF in line 3 of the message; end"},
      {"x\n.\r\n" + smuggled, "550 5.6.0 Message refused: bare LF in line 3 "},
      {"x\r\n.\n" + smuggled, "550 5.6.0 Message refused: bare LF in line 4 "},
      {"x\r.\r" + smuggled, "550 5.6.0 Message refused: bare CR in line 3 "},
      {"x\r\r\n.\r\r\n" + smuggled, "550 5.6.0 Message refused: bare CR in line 3 "},
      {"x\r\n.\r\r\n" + smuggled, "550 5.6.0 Message refused: bare CR in line 4 "},
      {"x\r\n\0.\r\n"s + smuggled, "550 5.6.0 Message refused: NUL byte in line 4 "},
      {std::string(999, 'x') + "\r\n", "550 5.6.0 Message refused: line too long in line 3 "},
      {(std::string(700, 'x') + "\r\n") + std::string(700, 'x') + "\r\n" + std::string(700, 'x') +
           "\r\n" + smuggled,
       "552 5.3.4 "},
  };
  for (const Case& c : cases) {
    Fixture fixture;
    fixture.feed_all(begin + c.content + "\r\n.\r\n" + std::string(letter));
    const std::size_t at = fixture.output.find("354 ");
    ASSERT_NE(at, std::string::npos);
    EXPECT_THAT(fixture.output.substr(fixture.output.find("\r\n", at) + 2), StartsWith(c.reply));
    EXPECT_EQ(codes_of(fixture.output),
              "220 250 250 250 354 " + c.reply.substr(0, 3) + " 250 250 354 250");
    EXPECT_EQ(fixture.messages.size(), 1U) << c.reply;
  }
  Fixture fixture;
  fixture.feed_all(
      std::string(hello) + "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n" + loop +
      "\r\n.\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nX-Ringpost-Job: \x01\r\n.\r\n" +
      std::string(letter));
  EXPECT_THAT(fixture.output, HasSubstr("\r\n554 5.4.6 Loop: the message has 101 Received"));
  EXPECT_THAT(fixture.output, HasSubstr("\r\n550 5.6.0 Refused: an X-Ringpost field"));
  EXPECT_EQ(fixture.messages.size(), 1U);
}

TEST(ServerSession, TooManyErrorsEndIt) {
  Fixture stranger;
  stranger.feed_all("GET / HTTP/1.1\r\nHost: x\r\nAccept: *\r\nX: y\r\n\r\nNOOP\r\n");
  EXPECT_EQ(codes_of(stranger.output), "220 500 500 500 500 421");
  EXPECT_THAT(stranger.output, HasSubstr("421 4.7.0 mx.example Too many errors\r\n"));
  EXPECT_EQ(stranger.last_step, ServerSession::Step::close);
  // An accepted message wipes the slate clean.
  Fixture clumsy;
  const std::string three = "x\r\nx\r\nx\r\n";
  clumsy.feed_all(std::string(hello) + three + std::string(letter) + three);
  EXPECT_FALSE(clumsy.session().closing());
}

TEST(ServerSession, BadAddressesEndOnlyTheSessionOfAStranger) {
  std::string bad = std::string(hello) + "MAIL FROM:<a@b>\r\n";
  for (int i = 0; i < 10; ++i) {
    bad += "RCPT TO:<no domain>\r\n";
  }
  Fixture trusted;
  trusted.feed_all(bad);
  EXPECT_FALSE(trusted.session().closing());
  Fixture stranger(small_settings(), false);
  stranger.feed_all(bad);
  EXPECT_EQ(codes_of(stranger.output), "220 250 250 550 550 550 550 421");
}

TEST(ServerSession, RepliesStayInOrderHoweverMessagesComplete) {
  Fixture fixture;
  fixture.answer_at_once = false;
  fixture.feed_all(std::string(hello) + std::string(letter) + "NOOP\r\n" + std::string(letter) +
                   "QUIT\r\n");
  EXPECT_EQ(codes_of(fixture.output), "220 250 250 250 354");
  EXPECT_EQ(fixture.session().pending_messages(), 2U);
  EXPECT_EQ(fixture.session().last_message_number(), 2U);
  EXPECT_EQ(fixture.last_step, ServerSession::Step::full);
  EXPECT_EQ(fixture.left, "QUIT\r\n");

  fixture.session().complete(2, "451 4.3.0 second\r\n");
  EXPECT_FALSE(fixture.session().has_output());
  fixture.session().complete(1, "250 2.0.0 first\r\n");
  EXPECT_EQ(fixture.session().pending_messages(), 0U);
  EXPECT_EQ(fixture.session().take_output(),
            "250 2.0.0 first\r\n250 2.0.0 OK\r\n250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n"
            "354 End data with <CR><LF>.<CR><LF>\r\n451 4.3.0 second\r\n");
  fixture.output.clear();
  fixture.feed_all(std::string(fixture.left));
  EXPECT_THAT(fixture.output, StartsWith("221 "));
}

TEST(ServerSession, CompletingTheFirstFreesWhatStandsBehindItOnly) {
  Fixture fixture;
  fixture.answer_at_once = false;
  fixture.feed_all(std::string(hello) + std::string(letter) + std::string(letter));
  fixture.output.clear();
  fixture.session().complete(1, "250 2.0.0 first\r\n");
  EXPECT_EQ(codes_of(fixture.session().take_output()), "250 250 250 354");
  EXPECT_EQ(fixture.session().pending_messages(), 1U);
  fixture.feed_all(letter);  // there is room for one again
  EXPECT_EQ(fixture.session().last_message_number(), 3U);
  fixture.session().complete(3, "250 2.0.0 third\r\n");
  fixture.session().complete(2, "250 2.0.0 second\r\n");
  EXPECT_EQ(codes_of(fixture.session().take_output()), "250 250 250 354 250");
}

TEST(ServerSession, WaitingRepliesAreBounded) {
  Fixture fixture;
  fixture.answer_at_once = false;
  fixture.feed_all(std::string(hello) + std::string(letter));
  std::string noops;
  for (int i = 0; i < 10'000; ++i) {
    noops += "NOOP\r\n";
  }
  fixture.feed_all(noops);
  EXPECT_EQ(fixture.last_step, ServerSession::Step::full);
  EXPECT_GT(fixture.left.size(), noops.size() / 2);
  fixture.session().complete(1, "250 2.0.0 first\r\n");
  EXPECT_LT(fixture.session().take_output().size(), 20'000U);
  fixture.feed_all(std::string(fixture.left));
  EXPECT_EQ(fixture.last_step, ServerSession::Step::need_more);
}

TEST(ServerSession, ClosingWaitsItsTurnToo) {
  Fixture fixture;
  fixture.answer_at_once = false;
  fixture.feed_all(std::string(hello) + std::string(letter) + "MAIL FROM:<a@b>\r\n");
  EXPECT_TRUE(fixture.session().in_transaction());
  fixture.session().shut_down();
  fixture.session().time_out();  // once is enough
  EXPECT_TRUE(fixture.session().closing());
  EXPECT_FALSE(fixture.session().has_output());
  fixture.session().complete(1, "250 2.0.0 first\r\n");
  EXPECT_EQ(fixture.session().take_output(),
            "250 2.0.0 first\r\n250 2.1.0 Sender OK\r\n"
            "421 4.3.2 mx.example Going down, try again later\r\n");
  EXPECT_EQ(fixture.session().feed("NOOP\r\n", noon).step, ServerSession::Step::close);

  Fixture silent;
  silent.feed_all(std::string(hello) + "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nhalf");
  silent.session().time_out();
  EXPECT_THAT(silent.session().take_output(), StartsWith("421 4.4.2 mx.example Timeout"));
  EXPECT_TRUE(silent.messages.empty());
}

// Each script, split in two at every byte and fed a byte at a time, gives the same replies and
// messages.
TEST(ServerSession, SplitsChangeNothing) {
  const std::string scripts[] = {
      std::string(hello) + std::string(letter) + std::string(letter) + "QUIT\r\nNOOP\r\n",
      std::string(hello) +
          "MAIL FROM: <\"a b\"@c> SIZE=10 BODY=8BITMIME\r\nRCPT TO:<c@d>\r\nRCPT TO:<bad>\r\n"
          "DATA\r\nX-Ringpost-Job: j\r\n\r\n..a\r\n.b\r\n\xc3\xa4\r\n.\r\nRSET\r\n" +
          std::string(letter),
      std::string(hello) + "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\n.\n.\r\r\n\0\r\n.\r\n"s +
          std::string(letter),
      "NOOP\nQUIT\r\n" + std::string(100, 'x') + "\r\n" + "\r\r\n" + "MAIL\r\n" + "QUIT\r\n",
  };
  for (const std::string& script : scripts) {
    Fixture whole;
    whole.feed_all(script);
    const auto expect_same = [&](Fixture& other, std::size_t where) {
      ASSERT_EQ(other.output, whole.output) << where;
      ASSERT_EQ(other.messages.size(), whole.messages.size()) << where;
      for (std::size_t i = 0; i < whole.messages.size(); ++i) {
        ASSERT_EQ(other.messages[i].content, whole.messages[i].content);
        ASSERT_EQ(other.messages[i].id, whole.messages[i].id);
        ASSERT_EQ(other.messages[i].envelope.sender, whole.messages[i].envelope.sender);
        ASSERT_EQ(other.messages[i].envelope.recipients, whole.messages[i].envelope.recipients);
        ASSERT_EQ(other.messages[i].envelope.job, whole.messages[i].envelope.job);
        ASSERT_EQ(other.messages[i].envelope.eight_bit, whole.messages[i].envelope.eight_bit);
      }
    };
    for (std::size_t at = 1; at < script.size(); ++at) {
      Fixture split;
      split.feed_all(std::string_view(script).substr(0, at));
      split.feed_all(std::string_view(script).substr(at));
      expect_same(split, at);
    }
    Fixture bytewise;
    for (const char c : script) {
      bytewise.feed_all({&c, 1});
    }
    expect_same(bytewise, 0);
  }
}

}  // namespace
}  // namespace ringpost::smtp
