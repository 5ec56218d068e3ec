#include "ringpost/smtp/command.h"

#include <gtest/gtest.h>

#include "ringpost/smtp/command_line_reader.h"

namespace ringpost::smtp {
namespace {

TEST(Command, KnowsVerbsInAnyCase) {
  EXPECT_EQ(parse_command("MAIL FROM:<a@b>").verb, Verb::mail);
  EXPECT_EQ(parse_command("mail FROM:<a@b>").argument, "FROM:<a@b>");
  EXPECT_EQ(parse_command("qUiT").verb, Verb::quit);
  EXPECT_EQ(parse_command("quit  ").argument, "");
  EXPECT_EQ(parse_command("EHLO \t host \t").argument, "host");
  EXPECT_EQ(parse_command("STARTTLS").verb, Verb::starttls);
  EXPECT_EQ(parse_command("bdat 5 LAST").verb, Verb::bdat);
  for (const auto* line : {"", " ", " QUIT", "QUITX", "MAILFROM:<a@b>", "DAT", "GET / HTTP/1.1"}) {
    EXPECT_EQ(parse_command(line).verb, Verb::unknown) << line;
  }
}

TEST(Command, ReadsMail) {
  struct Case {
    std::string argument;
    std::string refusal;  // how it begins; empty if it is sound
    std::string sender;
    std::optional<std::uint64_t> size;
    bool eight_bit;
  };
  const Case cases[] = {
      {"FROM:<>", "", "", {}, false},
      {"from: <a@b>", "", "a@b", {}, false},
      {"FROM:<a@b> SIZE=5120 BODY=8BITMIME", "", "a@b", 5120, true},
      {"FROM:<a@b>  body=7bit   size=0 ", "", "a@b", 0, false},
      {"FROM:<a@b> SIZE=99999999999999999999", "", "a@b", ~std::uint64_t{0}, false},
      {"FROM:<a@b> SIZE=999999999999999999999", "501 5.5.4", "", {}, false},
      {"FROM:<a@b> SIZE=", "501 5.5.4", "", {}, false},
      {"FROM:<a@b> SIZE", "501 5.5.4", "", {}, false},
      {"FROM:<a@b> SIZE=-1", "501 5.5.4", "", {}, false},
      {"FROM:<a@b> SIZE=1x", "501 5.5.4", "", {}, false},
      {"FROM:<a@b> BODY=BINARYMIME", "501 5.5.4", "", {}, false},
      {"FROM:<a@b> BODY", "501 5.5.4", "", {}, false},
      {"FROM:<a@b> AUTH=<>", "555 5.5.4 MAIL parameter AUTH", "", {}, false},
      {"FROM:<a@b>SIZE=1", "501 5.1.7", "", {}, false},
      {"FROM:a@b", "501 5.1.7", "", {}, false},
      {"FROM:<a>", "501 5.1.7", "", {}, false},
      {"FROM:<\xc3\xa4@b>", "553 5.6.7", "", {}, false},
      {"FROM:", "501 5.1.7", "", {}, false},
      {"FROM", "501 5.5.4", "", {}, false},
      {"FROM <a@b>", "501 5.5.4", "", {}, false},
      {"TO:<a@b>", "501 5.5.4 The syntax is MAIL FROM:<address>", "", {}, false},
      {"", "501 5.5.4", "", {}, false},
  };
  for (const Case& c : cases) {
    MailArguments arguments;
    const Refusal refusal = parse_mail(c.argument, arguments);
    if (c.refusal.empty()) {
      EXPECT_EQ(refusal, "") << c.argument;
      EXPECT_EQ(arguments.sender, c.sender);
      EXPECT_EQ(arguments.size, c.size);
      EXPECT_EQ(arguments.eight_bit, c.eight_bit);
    } else {
      EXPECT_TRUE(refusal.starts_with(c.refusal)) << c.argument << ": " << refusal;
    }
  }
}

TEST(Command, ReadsRcpt) {
  struct Case {
    std::string argument;
    std::string refusal;
    std::string recipient;
  };
  const Case cases[] = {
      {"TO:<a@b>", "", "a@b"},
      {"to:  <\"a b\"@c.example> ", "", "\"a b\"@c.example"},
      {"TO:<@relay:a@b>", "", "a@b"},
      {"TO:<>", "501 5.1.3", ""},
      {"TO:<postmaster>", "550 5.1.1", ""},
      {"TO:<a@b> RET=FULL", "555 5.5.4 RCPT parameter RET", ""},
      {"TO:<a@b> \xff\x01", "555 5.5.4 RCPT parameter ??", ""},
      {"TO:<a@b", "501 5.1.3", ""},
      {"TO:<a@b> c@d>", "555 5.5.4", ""},
      {"FROM:<a@b>", "501 5.5.4", ""},
  };
  for (const Case& c : cases) {
    RcptArguments arguments;
    const Refusal refusal = parse_rcpt(c.argument, false, arguments);
    EXPECT_TRUE(refusal.starts_with(c.refusal)) << c.argument << ": " << refusal;
    EXPECT_EQ(refusal.empty(), c.refusal.empty()) << refusal;
    if (refusal.empty()) {
      EXPECT_EQ(arguments.recipient, c.recipient);
    }
  }
}

TEST(Command, SanitizesGreetings) {
  EXPECT_EQ(sanitized_greeting("mail-1.example_x.com"), "mail-1.example_x.com");
  EXPECT_EQ(sanitized_greeting("[IPv6:::1]"), "[IPv6:::1]");
  EXPECT_EQ(sanitized_greeting("a (b)\tc;\xc3<d>"), "a??b??c???d?");
  EXPECT_EQ(sanitized_greeting(std::string(5000, 'a')).size(), 255U);
}

// All lines that come out of `input` when it comes in pieces of `piece` bytes.
std::vector<std::string> lines_of(std::string_view input, std::size_t piece) {
  CommandLineReader reader(20);
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < input.size(); begin += piece) {
    const std::string_view bytes = input.substr(begin, piece);
    for (std::size_t at = 0; at < bytes.size();) {
      if (const auto line = reader.next(bytes, at)) {
        const auto problem = line->problem;
        lines.push_back(problem == CommandLine::Problem::none       ? std::string(line->text)
                        : problem == CommandLine::Problem::too_long ? "(long)"
                                                                    : "(control)");
      }
    }
  }
  return lines;
}

TEST(Command, ChunkSizesAreNumbersAndNothingElse) {
  struct Case {
    std::string_view argument;
    std::uint64_t size;
    bool last;
  };
  const Case good[] = {
      {"0", 0, false},
      {"1 last", 1, true},
      {"0086 \t LAST", 86, true},
      {"18446744073709551615", ~std::uint64_t{0}, false},
      {"18446744073709551616 LAST", ~std::uint64_t{0}, true},
      {"99999999999999999999999999", ~std::uint64_t{0}, false},
  };
  for (const Case& c : good) {
    const auto chunk = parse_bdat(c.argument);
    ASSERT_TRUE(chunk) << c.argument;
    EXPECT_EQ(chunk->size, c.size) << c.argument;
    EXPECT_EQ(chunk->last, c.last) << c.argument;
  }
  for (const std::string_view bad : {"", "LAST", "-1", "+1", "0x10", "1e3", "1.", "1 2", "1 LASTLY",
                                     "1LAST", "1 LAST x", "1,000", "\xd9\xa1"}) {
    EXPECT_FALSE(parse_bdat(bad)) << bad;
  }
}

TEST(CommandLineReader, CutsAtCrLfAlone) {
  struct Case {
    std::string input;
    std::vector<std::string> lines;
  };
  const Case cases[] = {
      {"NOOP\r\nQUIT\r\n", {"NOOP", "QUIT"}},
      {"\r\n\r\nA\tB\r\nrest", {"", "", "A\tB"}},
      {"NOOP\nQUIT\r\nA\r\n", {"(control)", "A"}},
      {"NOOP\rQUIT\r\nA\r\n", {"(control)", "A"}},
      {"NOOP\r\r\nA\r\n", {"(control)", "A"}},
      {"\n\r\nA\r\n", {"(control)", "A"}},
      {std::string("NO\0OP\r\nA\r\n", 10), {"(control)", "A"}},
      {"caf\xc3\xa9\r\n", {"caf\xc3\xa9"}},
      {std::string(18, 'x') + "\r\nA\r\n", {std::string(18, 'x'), "A"}},
      {std::string(19, 'x') + "\r\nA\r\n", {"(long)", "A"}},
      {std::string(900, 'x') + "\n" + std::string(900, '\r') + "y\r\nA\r\n", {"(long)", "A"}},
  };
  for (const Case& c : cases) {
    for (std::size_t piece = 1; piece <= c.input.size(); ++piece) {
      EXPECT_EQ(lines_of(c.input, piece), c.lines) << c.input << " in pieces of " << piece;
    }
  }
}

}  // namespace
}  // namespace ringpost::smtp
