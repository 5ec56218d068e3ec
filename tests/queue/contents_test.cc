// The contents in memory: what goes when there is no room, and what must never go.
#include <gtest/gtest.h>

#include <string>

#include "support.h"

namespace ringpost::queue {
namespace {

class ContentsTest : public QueueTest {
 protected:
  static constexpr std::size_t size = 10'000;
  static constexpr std::uint64_t room_for_three = 3 * (size + 200);

  ContentsTest() { contents().set_budget(room_for_three); }

  Contents& contents() { return messages_.contents(); }
  QueuedMessage& offered() {
    QueuedMessage& message = add({"reader@domain.example"});
    contents().offer(message, std::string(size, 'x'), now_.instant);
    return message;
  }
  QueuedMessage& ahead() {
    QueuedMessage& message = add({"reader@domain.example"});
    contents().keep_ahead(message, std::string(size, 'x'), now_.instant);
    return message;
  }
  void try_once(QueuedMessage& message) {
    contents().use(message);
    contents().leave(message);
  }
};

TEST_F(ContentsTest, WhatIsNewIsNotKeptAtTheCostOfWhatComesBeforeIt) {
  for (int number = 0; number < 3; ++number) {
    EXPECT_NE(offered().content(), nullptr);
  }
  EXPECT_EQ(offered().content(), nullptr);
  EXPECT_LE(contents().bytes(), room_for_three);
}

TEST_F(ContentsTest, WhatWaitsForAnotherAttemptGoesFirst) {
  QueuedMessage& first = offered();
  QueuedMessage& tried = offered();
  QueuedMessage& third = offered();
  try_once(tried);
  EXPECT_NE(offered().content(), nullptr);
  EXPECT_EQ(tried.content(), nullptr);
  EXPECT_NE(first.content(), nullptr);
  EXPECT_NE(third.content(), nullptr);
}

TEST_F(ContentsTest, WhatNobodyComesForGivesWayToWhatIsNew) {
  QueuedMessage& stuck = offered();
  pass(Contents::patience);
  offered();
  offered();
  EXPECT_NE(offered().content(), nullptr);
  EXPECT_EQ(stuck.content(), nullptr);
}

TEST_F(ContentsTest, ReadAheadTakesThePlaceOfTheNewestThatWaits) {
  QueuedMessage& oldest = offered();
  offered();
  QueuedMessage& newest = offered();
  QueuedMessage& wanted = ahead();
  EXPECT_NE(wanted.content(), nullptr);
  EXPECT_TRUE(Contents::is_ahead(wanted));
  EXPECT_EQ(newest.content(), nullptr);
  EXPECT_NE(oldest.content(), nullptr);
}

TEST_F(ContentsTest, ReadAheadHasItsShareOnly) {
  QueuedMessage& oldest = offered();
  QueuedMessage& first = ahead();
  QueuedMessage& second = ahead();
  EXPECT_EQ(first.content(), nullptr) << "nobody came for it in time";
  EXPECT_NE(second.content(), nullptr);
  EXPECT_NE(oldest.content(), nullptr);
}

TEST_F(ContentsTest, WhatIsInUseStaysWhateverComes) {
  QueuedMessage& used = offered();
  contents().use(used);
  contents().use(used);
  const std::string* const bytes = used.content();
  for (int number = 0; number < 10; ++number) {
    pass(Contents::patience);
    ahead();
    offered();
  }
  contents().leave(used);
  ahead();
  EXPECT_EQ(used.content(), bytes);
  contents().leave(used);
  for (int number = 0; number < 3; ++number) {
    offered();
  }
  EXPECT_EQ(used.content(), nullptr) << "and goes when it is not";
}

TEST_F(ContentsTest, OneLargerThanTheBudgetCanStillBeSent) {
  contents().set_budget(100);
  QueuedMessage& large = ahead();
  EXPECT_NE(large.content(), nullptr);
  EXPECT_EQ(offered().content(), nullptr);
}

TEST_F(ContentsTest, TheNextEntriesOfALaneAreThoseThatItsRunnersWillGet) {
  for (int number = 0; number < 20; ++number) {
    file("reader@domain.example");
  }
  resolve_all();
  Seat seat = group().next_lane(now_);
  ASSERT_TRUE(seat);
  std::vector<const Entry*> announced;
  group().for_each_next(*seat.lane, 7, [&](Entry& entry) { announced.push_back(&entry); });
  ASSERT_EQ(announced.size(), 7U);
  for (const Entry* const entry : announced) {
    EXPECT_EQ(group().next_entry(seat, now_), entry);
  }
  group().release(seat, now_);
}

}  // namespace
}  // namespace ringpost::queue
