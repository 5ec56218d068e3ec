#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server_fixture.h"

namespace ringpost::smtp {
namespace {

using namespace std::string_literals;
using testing::EndsWith;
using testing::HasSubstr;

const std::string envelope =
    std::string(hello) + "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";  // 250 250 250

std::string bdat(std::string_view chunk, bool last = false) {
  return "BDAT " + std::to_string(chunk.size()) + (last ? " LAST\r\n" : "\r\n") +
         std::string(chunk);
}

// What was taken of the one message that `input` brings, without our own field.
std::string content_of(const std::string& input) {
  Fixture fixture;
  fixture.feed_all(input);
  EXPECT_EQ(fixture.messages.size(), 1U) << fixture.output;
  if (fixture.messages.empty()) {
    return {};
  }
  const std::string& content = fixture.messages.back().content;
  return content.substr(content.find("+0000\r\n") + 7);
}

TEST(ServerChunks, ContentIsTakenAsItIs) {
  const std::string text = "Subject: x\r\n\r\n.\r\n..\r\nQUIT\r\n";
  EXPECT_EQ(content_of(envelope + bdat(text, true)), text);
  EXPECT_EQ(content_of(envelope + bdat(text) + bdat("", true)), text);
  EXPECT_EQ(content_of(envelope + bdat("") + bdat(text) + bdat("") + bdat("", true)), text);
  std::string bytewise;
  for (const char c : text) {
    bytewise += bdat({&c, 1});
  }
  EXPECT_EQ(content_of(envelope + bytewise + bdat("", true)), text);
  EXPECT_EQ(content_of(envelope + bdat("Subject: y\r") + bdat("\n\r\nend", true)),
            "Subject: y\r\n\r\nend\r\n");
  EXPECT_EQ(content_of(envelope + bdat("", true)), "");
}

TEST(ServerChunks, EachChunkGetsItsReplyInOrder) {
  Fixture fixture;
  fixture.answer_at_once = false;
  const std::string mail = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";
  fixture.feed_all(envelope + bdat("Subject: 1\r\n") + bdat("\r\none\r\n", true) + mail +
                   bdat("Subject: 2\r\n", true));
  ASSERT_EQ(fixture.messages.size(), 2U);
  EXPECT_THAT(fixture.output, EndsWith("250 2.0.0 12 octets received\r\n"));
  fixture.session().complete(2, "250 2.0.0 second\r\n");
  EXPECT_FALSE(fixture.session().has_output());
  fixture.session().complete(1, "250 2.0.0 first\r\n");
  EXPECT_EQ(fixture.session().take_output(),
            "250 2.0.0 first\r\n250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n"
            "250 2.0.0 second\r\n");
}

TEST(ServerChunks, OutOfPlaceTheyAreReadAndRefused) {
  struct Case {
    std::string input;
    std::string codes;
  };
  const std::string ehlo(hello);
  const std::string mail = ehlo + "MAIL FROM:<a@b>\r\n";
  const std::string evil = "QUIT\r\nMAIL FROM:<evil@b>\r\n";
  const Case cases[] = {
      {bdat(evil) + "NOOP\r\n", "503 250"},
      {ehlo + bdat(evil, true) + bdat("") + "NOOP\r\n", "250 503 503 250"},
      {mail + bdat(evil, true) + "RCPT TO:<c@d>\r\n", "250 250 503 250"},
      {mail + "RCPT TO:<bad>\r\n" + bdat(evil, true) + "RSET\r\n", "250 250 550 503 250"},
      {ehlo + "MAIL FROM:<bad@@>\r\nRCPT TO:<c@d>\r\n" + bdat(evil) + bdat(evil, true) +
           std::string(letter),
       "250 501 503 503 503 250 250 354 250"},
      // DATA and BDAT do not mix, and neither do RCPT and MAIL behind the first chunk.
      {envelope + bdat("x") + "DATA\r\nRCPT TO:<e@f>\r\nMAIL FROM:<a@b>\r\n" + bdat("y", true),
       "250 250 250 250 503 503 503 250"},
      {envelope + bdat("x") + "RSET\r\n" + bdat("y", true) + std::string(letter),
       "250 250 250 250 250 503 250 250 354 250"},
      {envelope + bdat("x") + "EHLO x\r\n" + std::string(letter),
       "250 250 250 250 250 250 250 354 250"},
      {envelope + bdat("x", true) + bdat("y", true), "250 250 250 250 503"},
      {envelope + bdat("x", true) + "DATA\r\n", "250 250 250 250 503"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(codes_for(c.input), c.codes) << c.input;
  }
}

TEST(ServerChunks, ResetBetweenChunksForgetsThem) {
  EXPECT_EQ(content_of(envelope + bdat("Subject: old\r\n") + "RSET\r\nMAIL FROM:<a@b>\r\n" +
                       "RCPT TO:<c@d>\r\n" + bdat("Subject: new\r\n", true)),
            "Subject: new\r\n");
}

TEST(ServerChunks, BadContentIsRefusedAndTheStreamStaysInStep) {
  struct Case {
    std::string chunks;
    std::string reply;
    std::string codes;
  };
  const std::string evil = "MAIL FROM:<evil@b>\r\n";
  const std::string big(1500, 'x');
  const std::string lines = (std::string(73, 'x') + "\r\n") + std::string(73, 'x') + "\r\n";
  std::string kilobyte;
  for (int i = 0; i < 7; ++i) {
    kilobyte += lines;
  }
  const Case cases[] = {
      {bdat("a\nb" + evil, true), "550 5.6.0 Message refused: bare LF in line 1 ", "550"},
      {bdat("a\r\n.\n" + evil, true), "bare LF in line 2 ", "550"},
      {bdat("a\r", true), "bare CR in line 1 ", "550"},
      {bdat("a\r") + bdat("b", true), "bare CR in line 1 ", "250 550"},
      {bdat("a\0b"s) + bdat(evil) + bdat(evil, true), "NUL byte in line 1 ", "550 503 503"},
      {bdat(big, true), "line too long in line 1 ", "550"},
      {bdat(kilobyte) + bdat(kilobyte, true), "552 5.3.4 ", "250 552"},
      {bdat(kilobyte + kilobyte) + bdat(evil, true), "552 5.3.4 ", "552 503"},
      {bdat(std::string(8000, 'x'), true), "552 5.3.4 ", "552"},
      {bdat("X-Ringpost-Job: \x01\r\n", true), "550 5.6.0 Refused: an X-Ringpost", "550"},
  };
  for (const Case& c : cases) {
    Fixture fixture;
    fixture.feed_all(envelope + c.chunks + std::string(letter));
    EXPECT_THAT(fixture.output, HasSubstr(c.reply));
    EXPECT_EQ(codes_of(fixture.output), "220 250 250 250 " + c.codes + " 250 250 354 250")
        << c.chunks.substr(0, 50);
    ASSERT_EQ(fixture.messages.size(), 1U) << c.reply;
    EXPECT_THAT(fixture.messages.front().content, EndsWith("\r\nSubject: x\r\n\r\nhi\r\n"));
  }
}

TEST(ServerChunks, SizesThatCannotBeReadOrWaitedForEndTheConnection) {
  struct Case {
    std::string command;
    std::string code;
  };
  const Case cases[] = {
      {"BDAT\r\n", "501"},
      {"BDAT x\r\n", "501"},
      {"BDAT -1 LAST\r\n", "501"},
      {"BDAT 10 FIRST\r\n", "501"},
      {"BDAT 18446744073709551615 LAST\r\n", "552"},
      {"BDAT 99999999999999999999999999999 LAST\r\n", "552"},
      {"BDAT 8004\r\n", "552"},
  };
  for (const Case& c : cases) {
    Fixture fixture;
    fixture.feed_all(envelope + c.command + std::string(letter));
    EXPECT_EQ(codes_of(fixture.output), "220 250 250 250 " + c.code) << c.command;
    EXPECT_EQ(fixture.last_step, ServerSession::Step::close);
    EXPECT_TRUE(fixture.messages.empty());
  }
  EXPECT_EQ(codes_for(envelope + "BDAT 8003\r\n" + std::string(8003, 'x') + "NOOP\r\n"),
            "250 250 250 552 250");
}

TEST(ServerChunks, StrangersAreCutOff) {
  std::string input = "EHLO x\r\n";
  for (int i = 0; i < 10; ++i) {
    input += bdat("QUIT\r\n");
  }
  EXPECT_EQ(codes_for(input, false), "250 503 503 503 503 421");
}

TEST(ServerChunks, SplitsChangeNothing) {
  const std::string script = envelope + bdat("Subject: x\r") + bdat("") + bdat("\n.\r\n") +
                             bdat("\r\nend", true) + bdat("NOOP\r\n") +
                             "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n" + bdat("a\nb") +
                             bdat("c", true) + std::string(letter) + "BDAT what\r\nNOOP\r\n";
  Fixture whole;
  whole.feed_all(script);
  ASSERT_EQ(codes_of(whole.output),
            "220 250 250 250 250 250 250 250 503 250 250 550 503 250 250 354 250 501");
  ASSERT_EQ(whole.messages.size(), 2U);
  for (std::size_t at = 1; at < script.size(); ++at) {
    Fixture split;
    split.feed_all(std::string_view(script).substr(0, at));
    split.feed_all(std::string_view(script).substr(at));
    ASSERT_EQ(split.output, whole.output) << at;
    ASSERT_EQ(split.messages.size(), 2U) << at;
    EXPECT_EQ(split.messages[0].content, whole.messages[0].content) << at;
  }
}

}  // namespace
}  // namespace ringpost::smtp
