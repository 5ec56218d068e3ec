#include "ringpost/base/international_domain.h"

#include <gtest/gtest.h>

namespace ringpost {
namespace {

TEST(InternationalDomain, HasOneFormHoweverItIsWritten) {
  struct Case {
    std::string_view written;
    std::string_view form;
  };
  const Case cases[] = {
      {"Example.COM", "example.com"},
      {"b\xc3\xbc"
       "cher.example",
       "xn--bcher-kva.example"},
      {"B\xc3\x9c"
       "CHER.Example",
       "xn--bcher-kva.example"},
      {"bu\xcc\x88"
       "cher.example",
       "xn--bcher-kva.example"},  // u and a combining diaeresis
      {"xn--bcher-kva.example", "xn--bcher-kva.example"},
      {"fa\xc3\x9f.example", "xn--fa-hia.example"},  // IDNA 2008: no ss
      {"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e.jp", "xn--wgv71a119e.jp"},
      {"a\xe3\x80\x82\xc3\xbc", "a.xn--tda"},  // an ideographic full stop
      {"\xc3\xbc.example.", "xn--tda.example."},
  };
  for (const Case& c : cases) {
    const auto form = a_label_form(c.written);
    ASSERT_TRUE(form) << c.written << ": " << form.error();
    EXPECT_EQ(*form, c.form);
  }
}

TEST(InternationalDomain, RefusesWhatIsNoName) {
  std::string long_label;
  for (int count = 0; count < 70; ++count) {
    long_label += "\xc3\xbc";
  }
  std::string long_name = "\xc3\xbc";
  for (int count = 0; count < 50; ++count) {
    long_name += ".abcde";
  }
  for (const std::string& written :
       {std::string("-\xc3\xbc.example"), std::string("\xc3\xbc-.example"),
        std::string("\xe2\x98\x83.example"), std::string("\xc3\xbc\xef\xbc\xa0x.example"),
        std::string("\xc3\xbc..example"), std::string(".\xc3\xbc"),
        std::string("xn--\xc3\xbc.example"), std::string("\xe2\x80\x8d\xc3\xbc.example"),
        std::string("\xc3"), std::string("\xc3\xbc/.example"), std::string("\xc3\xbc .example"),
        long_label + ".example", long_name}) {
    const auto form = a_label_form(written);
    ASSERT_FALSE(form) << written << " became " << *form;
    EXPECT_GT(form.error().size(), 5U);
  }
}

TEST(InternationalDomain, AsciiIsNeitherCopiedNorJudged) {
  std::string made;
  for (const std::string_view ascii :
       {"Example.com", "xn--no", "", "[192.0.2.1]", "-bad-", "a..b"}) {
    const std::string_view answer = ascii_domain(ascii, made);
    EXPECT_EQ(answer.data(), ascii.data());
    EXPECT_EQ(answer.size(), ascii.size());
  }
  EXPECT_EQ(made, "");
  EXPECT_EQ(ascii_domain("\xc3\xbc.example", made), "xn--tda.example");
  EXPECT_EQ(ascii_domain("\xe2\x98\x83.example", made), "\xe2\x98\x83.example");
}

}  // namespace
}  // namespace ringpost
