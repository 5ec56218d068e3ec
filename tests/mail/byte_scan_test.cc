#include "ringpost/mail/byte_scan.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ringpost/base/random.h"

namespace ringpost::mail {
namespace {

TEST(ByteScan, FindsOneByteAnywhere) {
  for (const std::size_t size : {1U, 15U, 16U, 17U, 40U, 4079U, 4080U, 4081U, 5000U}) {
    for (std::size_t at = 0; at < size; at += size < 50 ? 1 : 37) {
      std::string text(size, 'x');
      EXPECT_FALSE(has_eight_bit(text));
      text[at] = '\x80';
      EXPECT_TRUE(has_eight_bit(text));
      EXPECT_TRUE(summarize_bytes(text).eight_bit);
      EXPECT_FALSE(summarize_bytes(text).nul);
      text[at] = '\0';
      EXPECT_TRUE(summarize_bytes(text).nul);
      EXPECT_FALSE(summarize_bytes(text).eight_bit);
      text[at] = '\r';
      EXPECT_EQ(summarize_bytes(text).carriage_returns, 1U);
      EXPECT_FALSE(summarize_bytes(text).nul);
    }
  }
}

TEST(ByteScan, CountsBeyondWhatALaneHolds) {
  EXPECT_EQ(summarize_bytes(std::string(20'000, '\r')).carriage_returns, 20'000U);
  Random random(Random::seed_from(1));
  std::string text(10'000, ' ');
  for (char& c : text) {
    c = static_cast<char>(random.below(16));
  }
  EXPECT_EQ(summarize_bytes(text).carriage_returns,
            static_cast<std::size_t>(std::ranges::count(text, '\r')));
}

}  // namespace
}  // namespace ringpost::mail
