#include "ringpost/mail/id_sequence.h"

#include <gtest/gtest.h>

namespace ringpost::mail {
namespace {

WallTime at_ms(std::int64_t ms) {
  return WallTime(std::chrono::milliseconds(ms));
}

TEST(IdSequence, LaysOutTimeShardAndNumber) {
  IdSequence ids(7);
  EXPECT_EQ(ids.next(at_ms(5)).value, 5ULL << 20 | 7ULL << 12 | 0);
  EXPECT_EQ(ids.next(at_ms(5)).value, 5ULL << 20 | 7ULL << 12 | 1);
  EXPECT_EQ(ids.next(at_ms(6)).value, 6ULL << 20 | 7ULL << 12 | 0);
}

TEST(IdSequence, RisesThroughOverflowAndClockSteps) {
  IdSequence ids(255);
  MessageId last;
  const auto expect_rise = [&](WallTime now) {
    const MessageId id = ids.next(now);
    ASSERT_GT(id, last);
    ASSERT_EQ(id.value >> 12 & 255, 255U);
    last = id;
  };
  for (int i = 0; i < 10'000; ++i) {  // more than two milliseconds hold
    expect_rise(at_ms(1000));
  }
  expect_rise(at_ms(10));
  expect_rise(at_ms(-10));
  expect_rise(at_ms(1001));
  expect_rise(at_ms(2'000'000'000'000));
}

TEST(IdSequence, StaysAboveWhatRecoveryFound) {
  IdSequence ids(3);
  const MessageId found{9ULL << 20 | 200ULL << 12 | 17};
  ids.never_below(found);
  EXPECT_GT(ids.next(at_ms(9)), found);
  ids.never_below(MessageId{1});  // an older one changes nothing
  EXPECT_GT(ids.next(at_ms(9)), found);
  EXPECT_EQ(ids.next(at_ms(50)).value >> 20, 50U);
}

}  // namespace
}  // namespace ringpost::mail
