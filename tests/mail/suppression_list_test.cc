#include "ringpost/mail/suppression_list.h"

#include <gtest/gtest.h>

#include <ctime>
#include <string>

namespace ringpost::mail {
namespace {

SuppressionList list_of(const std::string& text) {
  Result<SuppressionList> list = SuppressionList::parse(text, "suppressed");
  EXPECT_TRUE(list) << list.error().describe();
  return list ? std::move(*list) : SuppressionList();
}

TEST(SuppressionList, HoldsAddressesAndDomains) {
  const SuppressionList list = list_of(
      "# gone\n\nAnn@Example.com\r\n  bob@example.org  \nwhole.example\n@other.example\n"
      "\"a b\"@example.com\nann@example.com\nlast@example.net");
  EXPECT_EQ(list.entries(), 6U) << "one stands twice";
  for (const char* address :
       {"ann@example.com", "ANN@EXAMPLE.COM", "bob@example.org", "x@whole.example",
        "x@OTHER.example", "x@other.example.", "\"a b\"@example.com", "last@example.net"}) {
    EXPECT_TRUE(list.contains(address)) << address;
  }
  for (const char* address : {"anna@example.com", "nn@example.com", "ann@example.co",
                              "x@sub.whole.example", "ole.example", "x@example.com", ""}) {
    EXPECT_FALSE(list.contains(address)) << address;
  }
}

TEST(SuppressionList, ComparesDomainsAsALabels) {
  const SuppressionList list = list_of(
      "# gr\xc3\xbc\xc3\x9f"
      "e\na@b\xc3\xbc"
      "cher.example\r\n  @\xc3\xbc.example\nxn--nda.example\nlast@x.example");
  EXPECT_EQ(list.entries(), 4U);
  for (const char* address : {"a@b\xc3\xbc"
                              "cher.example",
                              "a@B\xc3\x9c"
                              "CHER.example",
                              "A@xn--bcher-kva.example", "x@xn--tda.example", "x@\xc3\x9c.example",
                              "j\xc3\xb6@\xc3\xb6.example", "last@x.example"}) {
    EXPECT_TRUE(list.contains(address)) << address;
  }
  EXPECT_FALSE(
      list.contains("b@b\xc3\xbc"
                    "cher.example"));
}

TEST(SuppressionList, OfNothingHoldsNothing) {
  EXPECT_FALSE(SuppressionList().contains("a@example.com"));
  EXPECT_FALSE(list_of("").contains("a@example.com"));
  EXPECT_FALSE(list_of("#\n").contains("a@example.com"));
}

TEST(SuppressionList, NamesTheFirstBadLine) {
  const auto problem = [](const std::string& text) {
    const Result<SuppressionList> list = SuppressionList::parse(text, "f");
    return list ? std::string("none") : list.error().message;
  };
  EXPECT_TRUE(problem("a@b.example\nnonsense\n").starts_with("f:2: 'nonsense': "));
  EXPECT_TRUE(problem("a b@example.com").starts_with("f:1: "));
  EXPECT_TRUE(problem("a@b@c.example").starts_with("f:1: "));
  EXPECT_TRUE(problem("a@").starts_with("f:1: "));
  EXPECT_TRUE(problem("a@x..example").starts_with("f:1: "));
  EXPECT_TRUE(problem("*.example.com").starts_with("f:1: "));
  EXPECT_TRUE(problem(std::string(65, 'a') + "@b.example").starts_with("f:1: "));
  EXPECT_TRUE(problem(std::string("a@b\0.example", 12)).starts_with("f:1: "));
  EXPECT_TRUE(problem("bad\nbad\nbad\n").ends_with("(and 2 more bad lines)"));
}

TEST(SuppressionList, OfAMillionIsSmallAndQuick) {
  constexpr int lines = 1'000'000;
  std::string text;
  for (int number = 0; number < lines; ++number) {
    text += "reader" + std::to_string(number) + "@domain" + std::to_string(number % 5000) +
            ".example\n";
  }
  const std::clock_t before = std::clock();
  const SuppressionList list = list_of(std::move(text));
  const double took = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
  EXPECT_EQ(list.entries(), std::size_t{lines});
  EXPECT_LT(list.bytes(), 48U << 20);
  EXPECT_LT(took, 10) << "seconds of CPU; it takes half of one";
  RecordProperty("bytes", static_cast<int>(list.bytes()));
  RecordProperty("milliseconds", static_cast<int>(took * 1000));
  for (int number = 0; number < lines; number += 997) {
    const std::string domain = "@domain" + std::to_string(number % 5000) + ".example";
    EXPECT_TRUE(list.contains("Reader" + std::to_string(number) + domain));
    EXPECT_FALSE(list.contains("writer" + std::to_string(number) + domain));
  }
}

}  // namespace
}  // namespace ringpost::mail
