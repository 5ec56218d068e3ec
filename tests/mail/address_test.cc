#include "ringpost/mail/address.h"

#include <gtest/gtest.h>

namespace ringpost::mail {
namespace {

TEST(Address, ReadsPathsAndLeavesTheRest) {
  struct Case {
    std::string text;
    std::string address;
    std::size_t length;
  };
  const Case cases[] = {
      {"<>", "", 2},
      {"<> SIZE=1", "", 2},
      {"<a@b>", "a@b", 5},
      {"<Ann.Lee+x@Mail.Example.COM> BODY=7BIT", "Ann.Lee+x@Mail.Example.COM", 28},
      {"<a@example.com.>", "a@example.com.", 16},
      {"<a..b.@docomo.example>", "a..b.@docomo.example", 22},
      {"<a@under_score.example>", "a@under_score.example", 23},
      {"<\"a b>@\\\"c\"@example.com>x", "\"a b>@\\\"c\"@example.com", 24},
      {"<@relay.example,@b.example:ann@example.com>", "ann@example.com", 43},
      {"<a@[192.0.2.1]>", "a@[192.0.2.1]", 15},
      {"<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]", 22},
      {"<!#$%&'*+-/=?^_`{|}~@x>", "!#$%&'*+-/=?^_`{|}~@x", 23},
  };
  for (const Case& c : cases) {
    const auto path = parse_path(c.text);
    ASSERT_TRUE(path) << c.text << ": " << path.error().reason;
    EXPECT_EQ(path->address, c.address);
    EXPECT_EQ(path->length, c.length) << c.text;
  }
}

TEST(Address, RefusesWhatIsNoPath) {
  struct Case {
    std::string text;
    PathProblem problem;
  };
  const Case cases[] = {
      {"", PathProblem::syntax},
      {"<", PathProblem::syntax},
      {"a@b", PathProblem::syntax},
      {"<a@b", PathProblem::syntax},
      {"<@b>", PathProblem::syntax},
      {"<a@>", PathProblem::syntax},
      {"<a@.b>", PathProblem::syntax},
      {"<a@b..c>", PathProblem::syntax},
      {"<a@b..>", PathProblem::syntax},
      {"<a@.>", PathProblem::syntax},
      {"<a@-b>", PathProblem::syntax},
      {"<a@b->", PathProblem::syntax},
      {"<a@b c>", PathProblem::syntax},
      {"<a b@c>", PathProblem::syntax},
      {"<a@b@c>", PathProblem::syntax},
      {"< a@b>", PathProblem::syntax},
      {"<a@b >", PathProblem::syntax},
      {"<a\\@b@c>", PathProblem::syntax},
      {"<\"a@b>", PathProblem::syntax},
      {"<\"a\"b@c>", PathProblem::syntax},
      {"<\"a\\", PathProblem::syntax},
      {"<a@[]>", PathProblem::syntax},
      {"<a@[1.2.3.4>", PathProblem::syntax},
      {"<a@[1 2]>", PathProblem::syntax},
      {"<@a.example>", PathProblem::syntax},
      {"<@a b:c@d>", PathProblem::syntax},
      {"<a|`id`;rm -rf@b>", PathProblem::syntax},
      {std::string("<a\0@b>", 6), PathProblem::syntax},
      {"<a\r\nRCPT TO:<x@y>@b>", PathProblem::syntax},
      {"<\"a\rb\"@c>", PathProblem::syntax},
      {"<postmaster>", PathProblem::no_domain},
      {"<\"post master\">", PathProblem::no_domain},
      {"<j\xf6rg@example.com>", PathProblem::bad_utf8},
      {"<j\xc3@example.com>", PathProblem::bad_utf8},
      {"<\"j\xc2\x80rg\"@example.com>", PathProblem::bad_utf8},
      {"<a@ex\xc0\xafmple.com>", PathProblem::bad_utf8},
      {"<a@[\xc3\xa4]>", PathProblem::bad_utf8},
      {"<a@b.\xed\xa0\x80>", PathProblem::bad_utf8},
      {"<" + std::string(65, 'a') + "@b>", PathProblem::too_long},
      {"<a@" + std::string(64, 'b') + ">", PathProblem::syntax},
      {"<a@[" + std::string(251, 'b') + "]>", PathProblem::too_long},
  };
  for (const Case& c : cases) {
    const auto path = parse_path(c.text);
    ASSERT_FALSE(path) << c.text;
    EXPECT_EQ(path.error().problem, c.problem) << c.text << ": " << path.error().reason;
    EXPECT_FALSE(path.error().reason.empty());
  }
}

TEST(Address, TakesUtf8AndSaysSo) {
  for (const std::string address :
       {"j\xc3\xb6rg@example.com", "\"j\xc3\xb6 rg\"@example.com", "a@ex\xc3\xa4mple.com",
        "a@\xc3\xa4.com", "a@b.\xe2\x82\xac.", "\xf0\x9f\x93\xa7@x"}) {
    const std::string text = "<" + address + "> X";
    const auto path = parse_path(text);
    ASSERT_TRUE(path) << address;
    EXPECT_EQ(path->address, address);
    EXPECT_TRUE(path->non_ascii) << address;
  }
  EXPECT_FALSE(parse_path("<a@b.example>")->non_ascii);
  // The bounds are bytes, RFC 6531 section 3.3.
  std::string local;
  for (int count = 0; count < 32; ++count) {
    local += "\xc3\xb6";
  }
  EXPECT_TRUE(parse_path("<" + local + "@b>"));
  EXPECT_FALSE(parse_path("<" + local + "x@b>"));
}

TEST(Address, AcceptsEachBoundExactly) {
  const std::string label(63, 'd');
  EXPECT_TRUE(parse_path("<" + std::string(64, 'a') + "@" + label + ".example>"));
  const std::string domain = label + "." + label + "." + label + "." + std::string(60, 'e');  // 252
  EXPECT_TRUE(parse_path("<a@" + domain + ">"));
  EXPECT_FALSE(parse_path("<ab@" + domain + ">"));
  // A source route does not count: it is not kept.
  EXPECT_TRUE(parse_path("<@" + domain + ":a@" + domain + ">"));
}

TEST(Address, NoCutShortPathIsAccepted) {
  const std::string text = "<@r.example:\"a\\b\"@sub.example.com>";
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(parse_path(text.substr(0, size))) << size;
  }
  EXPECT_TRUE(parse_path(text));
}

TEST(Address, SplitsAtTheLastAt) {
  EXPECT_EQ(domain_of("a@b.example"), "b.example");
  EXPECT_EQ(domain_of("\"a@c\"@b.example"), "b.example");
  EXPECT_EQ(split_address("\"a@c\"@b.example").local, "\"a@c\"");
  EXPECT_EQ(domain_of("postmaster"), "");
  EXPECT_EQ(split_address("postmaster").local, "postmaster");
  EXPECT_EQ(domain_of(""), "");
}

TEST(Address, NormalizesDomains) {
  EXPECT_EQ(normalized_domain("Mail.EXAMPLE.com."), "mail.example.com");
  EXPECT_EQ(normalized_domain("x"), "x");
  EXPECT_EQ(normalized_domain(""), "");
}

}  // namespace
}  // namespace ringpost::mail
