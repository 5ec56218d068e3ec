#include <gmock/gmock.h>

#include <vector>

#include "support.h"

namespace ringpost::queue {
namespace {

constexpr Duration lifetime = 5 * 24h;

class Expiry : public QueueTest {
 protected:
  // Expires exactly now, and not a moment earlier.
  void expect_on_time(QueuedMessage& message, WallTime arrived) {
    pass_and_advance(arrived + std::chrono::duration_cast<std::chrono::milliseconds>(lifetime) -
                     now_.wall - 1ms);
    EXPECT_EQ(group().next_expired(), nullptr);
    EXPECT_LE(group().next_due(), now_.instant + 1001ms);
    pass_and_advance(1001ms);
    Entry* entry = group().next_expired();
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(&entry->message(), &message);
    EXPECT_EQ(message.recipients()[0].state(), RecipientState::in_flight);
    EXPECT_EQ(finish(*entry), 0U);
    EXPECT_FALSE(group().has_work());
    EXPECT_EQ(group().counts(), Counts{});
  }
};

TEST_F(Expiry, WhileItWaitsForARoute) {
  QueuedMessage& message = file("a@x.example");
  expect_on_time(message, now_.wall);
}

TEST_F(Expiry, WhileItsRouteFails) {
  QueuedMessage& message = file("a@x.example");
  group().fail_route(*group().next_unresolved(), now_.instant + 300 * 24h, now_);
  expect_on_time(message, now_.wall);
}

TEST_F(Expiry, WhileReadyInALane) {
  QueuedMessage& message = file("a@x.example");
  resolve_all();
  expect_on_time(message, now_.wall);
  EXPECT_EQ(next(), nullptr);
}

TEST_F(Expiry, WhileItsLaneIsSuspended) {
  QueuedMessage& message = file("a@x.example");
  resolve_all();
  Seat seat = group().next_lane(now_);
  group().defer_lane(*seat.lane, {4, 4, 1}, "refused", now_.instant + 300 * 24h, now_);
  group().release(seat, now_);
  expect_on_time(message, now_.wall);
}

TEST_F(Expiry, WhileDeferred) {
  QueuedMessage& message = file("a@x.example");
  const WallTime arrived = now_.wall;
  resolve_all();
  for (int i = 0; i < 30; ++i) {
    finish(*next(), Next::retry, 4h);
    pass_and_advance(4h);
    if (i == 28) {
      break;
    }
  }
  finish(*next(), Next::retry, 4h + 1min);
  expect_on_time(message, arrived);
}

TEST_F(Expiry, WhileHeld) {
  settings_.delivery = DeliveryMode::hold;
  QueuedMessage& message = file("a@x.example");
  expect_on_time(message, now_.wall);
}

TEST_F(Expiry, NeverInFlightButWhenItComesBack) {
  for (const bool put_back : {true, false}) {
    QueuedMessage& message = file("a@x.example");
    resolve_all();
    Entry* entry = next();
    pass_and_advance(lifetime + 1h);
    EXPECT_EQ(group().next_expired(), nullptr);
    EXPECT_EQ(message.recipients()[0].state(), RecipientState::in_flight);
    if (put_back) {
      group().put_back(*entry, now_);
    } else {
      finish(*entry, Next::retry_alone);
    }
    EXPECT_EQ(next(), nullptr);
    EXPECT_EQ(group().counts().expired, 1U);
    entry = group().next_expired();
    ASSERT_NE(entry, nullptr);
    group().put_back(*entry, now_);  // no room to record it: it does not go anywhere else
    EXPECT_EQ(next(), nullptr);
    ASSERT_EQ(group().next_expired(), entry);
    finish(*entry);
  }
  EXPECT_FALSE(group().has_work());
}

TEST_F(Expiry, InOrderOfArrival) {
  std::vector<QueuedMessage*> messages;
  for (int i = 0; i < 50; ++i) {
    messages.push_back(&file(i % 2 == 0 ? "a@x.example" : "b@y.example"));
    pass(10s);
  }
  pass_and_advance(lifetime);
  for (QueuedMessage* message : messages) {
    Entry* entry = group().next_expired();
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(&entry->message(), message);
    finish(*entry);
  }
}

TEST_F(Expiry, WhatExpiredWhileWeWereDownIsReportedAtOnce) {
  QueuedMessage& message = add({"a@x.example"});
  pass(lifetime + 1s);
  group().file(message, now_.wall, now_);
  EXPECT_NE(group().next_expired(), nullptr);
}

TEST_F(Expiry, APoliteBoundOnWhatOneAdvanceMoves) {
  for (int i = 0; i < 10'000; ++i) {
    file("a@x.example");
  }
  pass(lifetime + 1s);
  group().advance(now_);
  EXPECT_LT(group().counts().expired, 10'000U);
  EXPECT_LE(group().next_due(), now_.instant);
  advance();
  EXPECT_EQ(group().counts().expired, 10'000U);
}

// --- steps of the wall clock
// ----------------------------------------------------------------------

TEST_F(Expiry, AStepOfTheClockMovesNothingThatWaits) {
  for (const auto step : {WallTime::duration(-24h * 365), WallTime::duration(24h * 365)}) {
    QueuedMessage& message = file("a@x.example");
    resolve_all();
    finish(*next(), Next::retry, 10min);
    now_.wall += step;
    pass_and_advance(9min);
    EXPECT_EQ(next(), nullptr);
    EXPECT_EQ(group().next_expired(), nullptr);
    pass_and_advance(1min);
    Entry* entry = next();
    ASSERT_NE(entry, nullptr);
    finish(*entry);
    messages_.erase(message);
  }
}

TEST_F(Expiry, AfterAStepBackRetriesStillComeWithinTheSchedule) {
  QueuedMessage& message = file("a@x.example");
  now_.wall -= 24h * 365;  // it arrived in the future, says the clock
  resolve_all();
  Random random(Random::seed_from(4));
  Entry* entry = next();
  const WallTime due = group().retry_at(*entry, now_, random);
  EXPECT_LE(due, now_.wall + 12min);
  group().finish(*entry, std::vector<RecipientResult>(1, {Next::retry, {}, "", false}), due, now_);
  pass_and_advance(13min);
  ASSERT_NE(next(), nullptr);
  EXPECT_EQ(message.recipients()[0].attempts, 1);
}

TEST_F(Expiry, ARecoveredTimeFarAheadIsNotWaitedFor) {
  QueuedMessage& message = add({"a@x.example"});
  group().file(message, now_.wall + 24h * 400, now_);
  EXPECT_LE(group().next_due(), now_.instant + 4h + 48min + 1s);
}

}  // namespace
}  // namespace ringpost::queue
