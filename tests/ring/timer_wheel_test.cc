#include "ringpost/ring/timer_wheel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <vector>

#include "ringpost/base/random.h"

namespace ringpost::ring {
namespace {

Instant at_ms(std::int64_t ms) {
  return Instant(std::chrono::milliseconds(ms));
}

struct Recorder final : Timer {
  Recorder(std::vector<int>& log, int name) : log(log), name(name) {}
  void expired() override { log.push_back(name); }
  std::vector<int>& log;
  int name;
};

TEST(TimerWheel, FiresInOrderNeverEarly) {
  std::vector<int> fired;
  TimerWheel wheel(at_ms(1'000));
  Recorder late(fired, 3);
  Recorder early(fired, 1);
  Recorder middle(fired, 2);
  wheel.arm(late, at_ms(500'000));
  wheel.arm(early, at_ms(1'001));
  wheel.arm(middle, at_ms(1'064));
  wheel.advance(at_ms(1'000));
  EXPECT_TRUE(fired.empty());
  wheel.advance(at_ms(1'063));
  EXPECT_EQ(fired, std::vector{1});
  wheel.advance(at_ms(499'999));
  EXPECT_EQ(fired, (std::vector{1, 2}));
  wheel.advance(at_ms(500'000));
  EXPECT_EQ(fired, (std::vector{1, 2, 3}));
}

TEST(TimerWheel, ADisarmedOrDestroyedTimerDoesNotFire) {
  std::vector<int> fired;
  TimerWheel wheel(at_ms(0));
  Recorder disarmed(fired, 1);
  wheel.arm(disarmed, at_ms(10));
  {
    Recorder destroyed(fired, 2);
    wheel.arm(destroyed, at_ms(10));
  }
  disarmed.disarm();
  wheel.advance(at_ms(20));
  EXPECT_TRUE(fired.empty());
  EXPECT_EQ(wheel.next_deadline(), never);
}

TEST(TimerWheel, RandomTimersFireWithinTheTurnTheyAreDueIn) {
  Random random(Random::seed_from(7));
  TimerWheel wheel(at_ms(0));
  std::vector<int> fired;
  std::deque<Recorder> timers;
  std::vector<std::pair<std::int64_t, int>> due;
  for (int name = 0; name < 2'000; ++name) {
    const auto when = static_cast<std::int64_t>(random.below(1ULL << (1 + random.below(30))));
    wheel.arm(timers.emplace_back(fired, name), at_ms(when));
    due.emplace_back(when, name);
  }
  std::ranges::sort(due);
  std::int64_t now = 0;
  std::size_t expected = 0;
  while (expected < due.size()) {
    const Instant next = wheel.next_deadline();
    ASSERT_LE(next, at_ms(std::max(due[expected].first, now))) << "would oversleep";
    now =
        std::max(now, next.time_since_epoch() / 1ms) + static_cast<std::int64_t>(random.below(50));
    wheel.advance(at_ms(now));
    while (expected < due.size() && due[expected].first <= now) {
      ++expected;
    }
    ASSERT_EQ(fired.size(), expected) << "at " << now;
  }
}

}  // namespace
}  // namespace ringpost::ring
