#include "ringpost/smtp/capabilities.h"

#include <gtest/gtest.h>

namespace ringpost::smtp {
namespace {

Capabilities parse(std::string_view text) {
  return parse_capabilities({250, {}, text});
}

TEST(Capabilities, AllThatWeUse) {
  const Capabilities offered = parse(
      "mx.example greets you\nPIPELINING\nSIZE 35882577\n8BITMIME\nSTARTTLS\n"
      "ENHANCEDSTATUSCODES\nCHUNKING\nSMTPUTF8\nDSN\nLIMITS RCPTMAX=20 MAILMAX=5 RCPTDOMAINMAX=1");
  EXPECT_TRUE(offered.pipelining);
  EXPECT_TRUE(offered.chunking);
  EXPECT_TRUE(offered.eight_bit_mime);
  EXPECT_TRUE(offered.starttls);
  EXPECT_TRUE(offered.smtputf8);
  EXPECT_TRUE(offered.enhanced_statuses);
  EXPECT_TRUE(offered.dsn);
  EXPECT_EQ(offered.size, 35882577U);
  EXPECT_EQ(offered.rcpt_max, 20U);
  EXPECT_EQ(offered.mail_max, 5U);
  EXPECT_EQ(offered.rcpt_domain_max, 1U);
}

TEST(Capabilities, TheFirstLineIsNoKeyword) {
  const Capabilities offered = parse("PIPELINING");
  EXPECT_FALSE(offered.pipelining);
}

TEST(Capabilities, CaseAndSpacesDoNotMatter) {
  const Capabilities offered = parse("x\n  pipelining \nsize   10\nlimits  rcptmax=3\tmailmax=4 ");
  EXPECT_TRUE(offered.pipelining);
  EXPECT_EQ(offered.size, 10U);
  EXPECT_EQ(offered.rcpt_max, 3U);
  EXPECT_EQ(offered.mail_max, 4U);
}

TEST(Capabilities, SizeWithoutAUsableNumberIsNoLimit) {
  EXPECT_EQ(parse("x\nSIZE").size, 0U);
  EXPECT_EQ(parse("x\nSIZE 0").size, 0U);
  EXPECT_EQ(parse("x\nSIZE lots").size, 0U);
  EXPECT_EQ(parse("x\nSIZE 99999999999999999999999").size, 0U);
  EXPECT_EQ(parse("x\nSIZEABLE 5").size, std::nullopt);
}

TEST(Capabilities, StrangeLimitsAreIgnored) {
  const Capabilities offered =
      parse("x\nLIMITS\nLIMITS RCPTMAX=0 MAILMAX=x MAILMAX RCPTDOMAINMAX= OTHER=1 =5");
  EXPECT_EQ(offered.rcpt_max, std::nullopt);
  EXPECT_EQ(offered.mail_max, std::nullopt);
  EXPECT_EQ(offered.rcpt_domain_max, std::nullopt);
}

TEST(Capabilities, UnknownKeywordsAreIgnored) {
  const Capabilities offered = parse("x\nPIPELININGS\nXCLIENT NAME ADDR\n\nAUTH=LOGIN");
  EXPECT_FALSE(offered.pipelining);
}

TEST(Capabilities, Obstacles) {
  Capabilities offered;
  EXPECT_EQ(find_obstacle(offered, {1 << 30, false, false}), std::nullopt);
  EXPECT_EQ(find_obstacle(offered, {1, true, false}), (mail::EnhancedStatus{5, 6, 3}));
  offered.eight_bit_mime = true;
  EXPECT_EQ(find_obstacle(offered, {1, true, false}), std::nullopt);
  offered.size = 0;
  EXPECT_EQ(find_obstacle(offered, {1 << 30, false, false}), std::nullopt);
  offered.size = 100;
  EXPECT_EQ(find_obstacle(offered, {100, false, false}), std::nullopt);
  EXPECT_EQ(find_obstacle(offered, {101, false, false}), (mail::EnhancedStatus{5, 3, 4}));
  EXPECT_EQ(find_obstacle(offered, {1, false, true}), (mail::EnhancedStatus{5, 6, 7}));
  offered.smtputf8 = true;
  EXPECT_EQ(find_obstacle(offered, {1, true, true}), std::nullopt);
}

}  // namespace
}  // namespace ringpost::smtp
