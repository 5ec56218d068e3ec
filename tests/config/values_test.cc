#include "ringpost/config/values.h"

#include <gtest/gtest.h>

#include <string>

#include "ringpost/config/suggest.h"

namespace ringpost::config {
namespace {

TEST(Size, TakesBytesAndBinaryUnits) {
  EXPECT_EQ(parse_size("4096"), 4096U);
  EXPECT_EQ(parse_size("64K"), 65'536U);
  EXPECT_EQ(parse_size("64m"), 64U << 20);
  EXPECT_EQ(parse_size("2G"), 2ULL << 30);
}

TEST(Size, RefusesWhatIsNoSize) {
  for (const char* text : {"", "M", "64MB", "-1", "1.5M", "64 M", "64T", "9223372036854775807G",
                           "99999999999999999999"}) {
    EXPECT_FALSE(parse_size(text)) << text;
  }
}

TEST(Rate, IsMessagesPerSecond) {
  EXPECT_DOUBLE_EQ(*parse_rate("100/s"), 100.0);
  EXPECT_DOUBLE_EQ(*parse_rate("60/m"), 1.0);
  EXPECT_DOUBLE_EQ(*parse_rate("7200/h"), 2.0);
  EXPECT_DOUBLE_EQ(*parse_rate("86400/d"), 1.0);
}

TEST(Rate, RefusesWhatIsNoRate) {
  for (const char* text : {"", "100", "/s", "0/s", "100/", "100/w", "100/ss", "-1/s", "1.5/s"}) {
    EXPECT_FALSE(parse_rate(text)) << text;
  }
}

TEST(HostForm, TakesNamesAndAddressesWithAndWithoutPort) {
  for (const char* text : {"mx.example", "mx.example:2525", "192.0.2.1", "192.0.2.1:25",
                           "[2001:db8::1]:25", "[2001:db8::1]", "localhost:2525"}) {
    const Result<Host> host = parse_host(text);
    ASSERT_TRUE(host) << text;
    EXPECT_EQ(host->to_string(), text);
    EXPECT_NE(host->name.empty(), !host->address.has_value()) << text;
  }
  EXPECT_EQ(parse_host("[192.0.2.1]:25")->to_string(), "192.0.2.1:25");
  EXPECT_EQ(parse_host("MX.Example.:25")->name, "mx.example");
}

TEST(HostForm, RefusesWhatIsNoHost) {
  for (const char* text : {"", ":25", "mx.example:", "mx.example:0", "mx.example:65536",
                           "2001:db8::1", "[2001:db8::1", "[2001:db8::1]25", "[mx.example]:25",
                           "1.2.3", "256.0.0.1", "mx example", "*.example", "mx..example"}) {
    EXPECT_FALSE(parse_host(text)) << text;
  }
}

TEST(DomainForm, IsLowerCaseWithoutFinalDot) {
  EXPECT_EQ(parse_domain("Example.COM.", false), "example.com");
  EXPECT_EQ(parse_domain("*.Example.com", true), "*.example.com");
  EXPECT_EQ(parse_domain("*.B\xc3\x9c"
                         "CHER.example",
                         true),
            "*.xn--bcher-kva.example");
  EXPECT_EQ(parse_domain("_x.xn--bcher-kva.example", false), "_x.xn--bcher-kva.example");
}

TEST(DomainForm, RefusesWhatIsNoDomain) {
  const std::string long_label(64, 'a');
  std::string long_name;
  while (long_name.size() < 254) {
    long_name += "a.";
  }
  long_name += "a";
  for (const std::string& text :
       {std::string(), std::string("."), std::string(".example"), std::string("a..b"),
        std::string("a b"), std::string("\xe2\x98\x83.example"), std::string("*"),
        std::string("*."), std::string("*example.com"), std::string("a.*.example"), long_label,
        long_name, std::string("a\r\nb")}) {
    EXPECT_FALSE(parse_domain(text, true)) << text;
  }
  EXPECT_FALSE(parse_domain("*.example.com", false));
}

TEST(Suggestion, CountsInsertedRemovedReplacedAndSwappedLetters) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("weight", "wieght"), 1U);
  EXPECT_EQ(edit_distance("runners", "runers"), 1U);
  EXPECT_EQ(edit_distance("timeout", "timeouts"), 1U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

TEST(Suggestion, IsSilentWhenNothingIsNear) {
  const std::string_view known[] = {"connect", "initial"};
  EXPECT_EQ(nearest_name("conect", known), "connect");
  EXPECT_EQ(nearest_name("zebra", known), "");
  EXPECT_EQ(nearest_name(std::string(100'000, 'c'), known), "");
}

TEST(Suggestion, LooksInTheSameTableAndThenInTheOthers) {
  const std::string_view known[] = {"listener.smtp", "identity.hostname", "listener.relay_from"};
  EXPECT_EQ(nearest_key("listener.relay_form", known), "listener.relay_from");
  EXPECT_EQ(nearest_key("listener.hostname", known), "identity.hostname");
  EXPECT_EQ(nearest_key("listner.smtp", known), "listener.smtp");
  EXPECT_EQ(nearest_key("listener.zebra", known), "");
}

}  // namespace
}  // namespace ringpost::config
