#include "ringpost/queue/shares.h"

#include <gtest/gtest.h>

namespace ringpost::queue {
namespace {

using Member = Shares::Member;

TEST(Shares, NobodyIsHeldBackWhileThereIsRoomAndNobodyWaits) {
  Shares shares(10);
  Member& heavy = shares.join(9);
  Member& light = shares.join(1);
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(shares.may_begin(light)) << "an idle group's share is for the others";
    shares.begin(light);
  }
  EXPECT_FALSE(shares.may_begin(light));
  EXPECT_FALSE(shares.may_begin(heavy)) << "what is in flight is not taken back";
  EXPECT_EQ(shares.next(), nullptr);
}

// All want more than there is: what ends is begun anew by whoever has least for its weight.
TEST(Shares, WhoCompetesGetsByWeight) {
  Shares shares(40);
  Member& three = shares.join(3);
  Member& one = shares.join(1);
  for (int i = 0; i < 40; ++i) {
    shares.begin(one);
  }
  shares.wait(three);
  shares.wait(one);
  for (int i = 0; i < 1000; ++i) {
    shares.end(i % 2 == 0 && three.in_flight > 0 ? three : one);
    Member* const next = shares.next();
    ASSERT_TRUE(shares.may_begin(*next));
    ASSERT_EQ(shares.may_begin(three) && shares.may_begin(one),
              three.in_flight == 3 * one.in_flight);
    shares.begin(*next);
    ASSERT_EQ(shares.in_flight(), 40U);
  }
  EXPECT_EQ(three.in_flight, 30U);
  EXPECT_EQ(one.in_flight, 10U);
}

TEST(Shares, WhoHasMoreDoesNotOvertakeWhoWaits) {
  Shares shares(4);
  Member& here = shares.join(1);
  Member& there = shares.join(1);
  for (int i = 0; i < 4; ++i) {
    shares.begin(here);
  }
  shares.wait(there);
  shares.wait(there);
  shares.end(here);
  EXPECT_FALSE(shares.may_begin(here));
  EXPECT_TRUE(shares.may_begin(there));
  shares.stop_waiting(there);
  EXPECT_FALSE(shares.may_begin(here)) << "another one of that group still waits";
  shares.stop_waiting(there);
  EXPECT_TRUE(shares.may_begin(here));
}

}  // namespace
}  // namespace ringpost::queue
