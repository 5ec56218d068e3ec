#include "ringpost/mail/utf8.h"

#include <gtest/gtest.h>

#include <string>

#include "ringpost/mail/xtext.h"

namespace ringpost::mail {
namespace {

TEST(Utf8, TakesWholeCharactersOnly) {
  for (const std::string good : {"\xc2\xa0", "\xc3\xb6", "\xe2\x82\xac", "\xed\x9f\xbf",
                                 "\xee\x80\x80", "\xf0\x9f\x93\xa7", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_EQ(utf8_length(good), good.size());
    EXPECT_EQ(utf8_length(good + "x"), good.size());
    for (std::size_t size = 0; size < good.size(); ++size) {
      EXPECT_EQ(utf8_length(std::string_view(good).substr(0, size)), 0U) << "cut short";
    }
  }
  for (const std::string bad :
       {"a", "\x80", "\xbf\xbf", "\xc0\x80", "\xc1\xbf", "\xc2\x80", "\xc2\x9f", "\xe0\x9f\xbf",
        "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xff", "\xc3x", "\xe2\x82x", "\xc3\xc3"}) {
    EXPECT_EQ(utf8_length(bad), 0U) << bad;
  }
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(
      is_utf8("a\xc3\xb6"
              "b"));
  EXPECT_FALSE(is_utf8("a\xc3\xb6\xff"));
}

TEST(Xtext, StandsForPrintableAscii) {
  EXPECT_EQ(decode_xtext("a+2Bb+3D+20c"), "a+b= c");
  EXPECT_EQ(decode_xtext(""), "");
  EXPECT_EQ(xtext_length("a+2Bb"), 3U);
  for (const std::string bad :
       {"+", "+2", "+2b", "+G0", "a+", "+0A", "+7F", "+C3", "=", " ", "\x7f", "\xc3\xb6"}) {
    EXPECT_FALSE(decode_xtext(bad)) << bad;
    EXPECT_FALSE(xtext_length(bad)) << bad;
  }
}

}  // namespace
}  // namespace ringpost::mail
