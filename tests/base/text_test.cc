// ASCII helpers: exact at the edges, and indifferent to bytes above 127 and to NUL.
#include "ringpost/base/text.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace ringpost {
namespace {

using std::string_view_literals::operator""sv;

TEST(Text, OnlyAsciiLettersHaveCases) {
  EXPECT_EQ(to_lower("AZaz@[`{09"), "azaz@[`{09");
  EXPECT_EQ(to_lower("\xc4\xd6"), "\xc4\xd6");
  EXPECT_EQ(to_lower(""), "");
}

TEST(Text, ComparesIgnoringCase) {
  EXPECT_TRUE(equals_ignoring_case("Example.ORG", "eXAMPLE.org"));
  EXPECT_TRUE(equals_ignoring_case("", ""));
  EXPECT_FALSE(equals_ignoring_case("example.org", "example.or"));
  EXPECT_FALSE(equals_ignoring_case("example.or", "example.org"));
  EXPECT_FALSE(equals_ignoring_case("a\0b"sv, "a\0c"sv));
  EXPECT_FALSE(equals_ignoring_case("[", "{"));
}

TEST(Text, StartsIgnoringCase) {
  EXPECT_TRUE(starts_with_ignoring_case("MAIL FROM:<>", "mail from:"));
  EXPECT_TRUE(starts_with_ignoring_case("x", ""));
  EXPECT_FALSE(starts_with_ignoring_case("MAI", "mail"));
}

TEST(Text, TrimsSpacesAndTabsOnly) {
  EXPECT_EQ(trim(" \t a b\t "), "a b");
  EXPECT_EQ(trim(" \t "), "");
  EXPECT_EQ(trim(""), "");
  EXPECT_EQ(trim("\r\na\r\n"), "\r\na\r\n");
}

TEST(Text, NumbersAreDecimalWholeAndBounded) {
  EXPECT_EQ(parse_number("0"), 0U);
  EXPECT_EQ(parse_number("007"), 7U);
  EXPECT_EQ(parse_number("18446744073709551615"), std::numeric_limits<std::uint64_t>::max());
  for (const std::string_view bad : {""sv, " 1"sv, "1 "sv, "+1"sv, "-1"sv, "0x1"sv, "1.0"sv,
                                     "1\0"sv, "1e3"sv, "18446744073709551616"sv}) {
    EXPECT_EQ(parse_number(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(parse_number(std::string_view{}), std::nullopt);
}

}  // namespace
}  // namespace ringpost
