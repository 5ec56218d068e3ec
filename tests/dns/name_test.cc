#include "ringpost/dns/name.h"

#include <gtest/gtest.h>

#include "packet.h"

namespace ringpost::dns {
namespace {

std::optional<std::string> from_wire(std::string_view wire) {
  return text_of_wire_name({reinterpret_cast<const std::uint8_t*>(wire.data()), wire.size()});
}

TEST(CanonicalName, LowersAndDropsTheTrailingDot) {
  EXPECT_EQ(canonical_name("Mail.EXAMPLE.org."), "mail.example.org");
  EXPECT_EQ(canonical_name("_smtp.a-b.1"), "_smtp.a-b.1");
  EXPECT_EQ(canonical_name("."), "");
}

TEST(CanonicalName, RefusesWhatIsNoName) {
  for (const char* bad : {"", "..", ".a", "a..b", "a b", "a\tb", "b\xc3\xbc.de", "a/b", "a\\b",
                          "[192.0.2.1]", "a@b", "a.b..", "*.a"}) {
    EXPECT_EQ(canonical_name(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(canonical_name(std::string_view("a\0b", 3)), std::nullopt);
}

TEST(CanonicalName, BoundsLabelsAndNames) {
  const std::string label(max_label_length, 'a');
  EXPECT_TRUE(canonical_name(label + ".b"));
  EXPECT_FALSE(canonical_name(label + "a.b"));
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'a');
  ASSERT_EQ(longest.size(), max_name_length);
  EXPECT_TRUE(canonical_name(longest));
  EXPECT_TRUE(canonical_name(longest + "."));
  EXPECT_FALSE(canonical_name("a" + longest));
}

TEST(WireName, GivesCanonicalText) {
  EXPECT_EQ(from_wire(testing::wire_name("Mail.Example.ORG")), "mail.example.org");
  EXPECT_EQ(from_wire(testing::wire_name("")), "");
}

TEST(WireName, EscapesWhatNoHostHas) {
  EXPECT_EQ(from_wire(std::string("\3a.b\0", 5)), "a\\046b");
  EXPECT_EQ(from_wire(std::string("\4a\r\nb\0", 6)), "a\\013\\010b");
  EXPECT_EQ(from_wire(std::string("\2a\\\0", 4)), "a\\092");
  EXPECT_EQ(from_wire(std::string("\2a\0\0", 4)), "a\\000");
}

TEST(WireName, RefusesIncompleteNames) {
  const std::string whole = testing::wire_name("mail.example.org");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(from_wire(whole.substr(0, size)), std::nullopt) << size;
  }
  EXPECT_EQ(from_wire(whole + 'x'), std::nullopt);
  EXPECT_EQ(from_wire("\xc0\x0c"), std::nullopt);
  EXPECT_EQ(from_wire(std::string(65, '\100') + '\0'), std::nullopt);
}

}  // namespace
}  // namespace ringpost::dns
