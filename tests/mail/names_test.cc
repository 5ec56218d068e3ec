// Message ids as text, enhanced status codes, names of outcomes.
#include <gtest/gtest.h>

#include "ringpost/mail/enhanced_status.h"
#include "ringpost/mail/message.h"
#include "ringpost/mail/outcome.h"

namespace ringpost::mail {
namespace {

TEST(MessageId, SurvivesItsText) {
  std::string last;
  for (const std::uint64_t value :
       {std::uint64_t{1}, std::uint64_t{0xfff}, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    const std::string text = MessageId{value}.to_string();
    EXPECT_EQ(text.size(), 13U);
    EXPECT_EQ(parse_message_id(text).value, value);
    EXPECT_LT(last, text);  // ids sort as they were made
    last = text;
  }
  EXPECT_EQ(parse_message_id("FVVVVVVVVVVVV").value, ~std::uint64_t{0});
}

TEST(MessageId, RefusesOtherText) {
  for (const auto* text : {"", "0", "000000000000", "00000000000000", "g000000000000",
                           "000000000000w", "00000 0000000", "-000000000001"}) {
    EXPECT_EQ(parse_message_id(text).value, 0U) << text;
  }
}

TEST(EnhancedStatus, ReadsOnlyWholeCodes) {
  EXPECT_EQ(parse_enhanced_status("5.1.1 no such user"), (EnhancedStatus{5, 1, 1}));
  EXPECT_EQ(parse_enhanced_status("4.999.999"), (EnhancedStatus{4, 999, 999}));
  EXPECT_EQ((EnhancedStatus{2, 0, 10}).to_string(), "2.0.10");
  for (const auto* text : {"", "5", "5.1", "5.1.", "3.1.1", "55.1.1", "5.1.1x", "5.1.1000", "5..1",
                           " 5.1.1", "5.1.1.1", "5.1111.1"}) {
    EXPECT_FALSE(parse_enhanced_status(text)) << text;
  }
}

TEST(Outcome, KindsHaveTheNamesOfTheEventLog) {
  EXPECT_EQ(name_of(OutcomeKind::delivered), "delivered");
  EXPECT_EQ(name_of(OutcomeKind::deferred), "deferred");
  EXPECT_EQ(name_of(OutcomeKind::bounced), "bounced");
  EXPECT_EQ(name_of(OutcomeKind::expired), "expired");
  EXPECT_EQ(name_of(OutcomeKind::deleted), "deleted");
  EXPECT_EQ(name_of(OutcomeKind::suppressed), "suppressed");
}

}  // namespace
}  // namespace ringpost::mail
