#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ringpost/queue/destination.h"
#include "ringpost/queue/fairness.h"
#include "ringpost/queue/growing_table.h"
#include "ringpost/queue/host_status.h"
#include "ringpost/queue/limits.h"
#include "ringpost/queue/now.h"
#include "ringpost/queue/retry.h"
#include "ringpost/queue/schedule.h"

namespace ringpost::queue {
namespace {

const Instant start{1000s};

// --- the growing table
// ----------------------------------------------------------------------------

struct Item : TableHook<Item> {
  explicit Item(std::uint64_t of) : number(of) {}
  std::uint64_t number;
};
struct ItemTraits {
  using Key = std::uint64_t;
  static Key key_of(const Item& item) { return item.number; }
  static std::uint64_t hash(Key key) { return hash_of(key); }
  static bool equal(Key a, Key b) { return a == b; }
};

TEST(GrowingTable, FindsEverythingWhileItGrowsAndShrinks) {
  GrowingTable<Item, ItemTraits> table;
  std::deque<Item> items;
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    table.insert(items.emplace_back(i * 7));
    if (i % 3 == 0) {
      table.remove(items[i / 3]);
    }
  }
  std::size_t found = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Item* item = table.find(i * 7);
    const bool removed = i <= (items.size() - 1) / 3;
    ASSERT_EQ(item, removed ? nullptr : &items[i]) << i;
    found += removed ? 0U : 1U;
  }
  EXPECT_EQ(found, table.size());
  EXPECT_EQ(table.find(3), nullptr);
  std::size_t visited = 0;
  table.for_each([&](Item& item) {
    ++visited;
    table.remove(item);
  });
  EXPECT_EQ(visited, found);
  EXPECT_EQ(table.size(), 0U);
}

TEST(GrowingTable, NamesThatDifferInCaseHashAlike) {
  EXPECT_EQ(hash_ignoring_case("Example.COM"), hash_ignoring_case("example.com"));
  EXPECT_NE(hash_ignoring_case("example.com"), hash_ignoring_case("example.co"));
}

// --- the schedule
// ---------------------------------------------------------------------------------

struct WaitTag {};
struct Waiter : ListHook<WaitTag> {
  int number = 0;
};

TEST(Schedule, NeverEarlyAtMostASlotLateAndInOrder) {
  Schedule<Waiter, WaitTag> schedule(1s);
  std::deque<Waiter> waiters(4);
  for (int i = 0; i < 4; ++i) {
    waiters[static_cast<std::size_t>(i)].number = i;
  }
  schedule.add(waiters[0], start + 2500ms);
  schedule.add(waiters[1], start + 1000ms);
  schedule.add(waiters[2], start + 2100ms);
  schedule.add(waiters[3], start + 1ms);
  EXPECT_EQ(schedule.next_due(), start + 1s);
  EXPECT_EQ(schedule.pop_due(start + 999ms), nullptr);
  EXPECT_EQ(schedule.pop_due(start + 1s), &waiters[1]);
  EXPECT_EQ(schedule.pop_due(start + 1s), &waiters[3]);
  EXPECT_EQ(schedule.pop_due(start + 2999ms), nullptr);
  EXPECT_EQ(schedule.pop_due(start + 1h), &waiters[0]);
  EXPECT_EQ(schedule.pop_due(start + 1h), &waiters[2]);
  EXPECT_EQ(schedule.next_due(), never);
}

TEST(Schedule, BucketsOfElementsThatLeftDoNotPileUp) {
  Schedule<Waiter, WaitTag> schedule(1s);
  Waiter stays;
  schedule.add(stays, start);  // keeps the front from being dropped
  std::size_t most = 0;
  for (int i = 1; i < 10'000; ++i) {
    Waiter leaves;
    schedule.add(leaves, start + i * 1s);
    most = std::max(most, schedule.buckets());
  }
  EXPECT_LT(most, 10U);
}

TEST(Schedule, AnElementAddedAfterItsBucketWasEmptiedIsNotLost) {
  Schedule<Waiter, WaitTag> schedule(1s);
  Waiter waiter;
  schedule.add(waiter, start);
  EXPECT_EQ(schedule.pop_due(start), &waiter);
  EXPECT_EQ(schedule.next_due(), never);  // drops the bucket
  schedule.add(waiter, start);
  EXPECT_EQ(schedule.next_due(), start);
  EXPECT_EQ(schedule.pop_due(start), &waiter);
}

// --- fair turns
// -----------------------------------------------------------------------------------

struct TurnTag {};
struct Member : FairHook<TurnTag> {
  std::int64_t served = 0;
};

TEST(FairRound, SharesBytesAndNotPieces) {
  FairRound<Member, TurnTag> round;
  Member small;
  Member large;
  round.join(small);
  round.join(large);
  for (int i = 0; i < 20'000; ++i) {
    Member& member = round.turn();
    const std::int64_t cost = &member == &small ? 1000 : 90'000;
    member.served += cost;
    round.charge(member, cost);
  }
  const double ratio = static_cast<double>(small.served) / static_cast<double>(large.served);
  EXPECT_GT(ratio, 0.95);
  EXPECT_LT(ratio, 1.05);
}

TEST(FairRound, AHugePieceIsPaidBackInBoundedTurns) {
  constexpr std::int64_t highest = FairRound<Member, TurnTag>::highest_cost;
  FairRound<Member, TurnTag> round;
  Member huge;
  Member other;
  round.join(huge);
  round.join(other);
  Member* first = &round.turn();
  EXPECT_EQ(first, &huge);
  round.charge(huge, std::int64_t{1} << 40);
  std::int64_t until_back = 0;
  while (&round.turn() == &other) {
    round.charge(other, 1024);
    until_back += 1024;
    ASSERT_LT(until_back, 2 * highest);
  }
  EXPECT_GT(until_back, highest / 2);
}

TEST(FairRound, WhoWasAloneOwesNothingToWhoComesLater) {
  FairRound<Member, TurnTag> round;
  Member old;
  Member late;
  round.join(old);
  for (int i = 0; i < 1000; ++i) {
    round.charge(round.turn(), 50'000);
  }
  round.join(late);
  int late_in_a_row = 0;
  while (&round.turn() == &late) {
    round.charge(late, 5000);
    ASSERT_LT(++late_in_a_row, 20);
  }
}

// --- retry
// ----------------------------------------------------------------------------------------

TEST(Retry, DoublesUpToTheLongestWithinItsJitter) {
  Random random(Random::seed_from(1));
  const RetrySettings settings;
  for (std::uint32_t attempts = 1; attempts < 40; ++attempts) {
    const Duration plain =
        attempts < 6 ? settings.first * (1 << (attempts - 1)) : Duration(settings.longest);
    Duration least = Duration::max();
    Duration most{0};
    for (int i = 0; i < 500; ++i) {
      const Duration delay = retry_delay(attempts, settings, random);
      least = std::min(least, delay);
      most = std::max(most, delay);
    }
    const double nominal = static_cast<double>(std::min(plain, Duration(settings.longest)).count());
    EXPECT_GE(static_cast<double>(least.count()), 0.8 * nominal) << attempts;
    EXPECT_LT(static_cast<double>(least.count()), 0.85 * nominal) << attempts;
    EXPECT_LE(static_cast<double>(most.count()), 1.2 * nominal) << attempts;
    EXPECT_GT(static_cast<double>(most.count()), 1.15 * nominal) << attempts;
  }
}

TEST(Retry, NeverAfterExpiry) {
  Random random(Random::seed_from(2));
  const RetrySettings settings;
  const WallTime arrived(1'700'000'000s);
  const WallTime expires = arrived + 5 * 24h;
  EXPECT_EQ(next_attempt(30, arrived, expires - 1h, settings, random), expires);
  EXPECT_LT(next_attempt(1, arrived, expires - 1h, settings, random), expires);
}

TEST(Now, TranslatesWallTimesWithinBounds) {
  const Now now{start, WallTime(1'700'000'000s)};
  EXPECT_EQ(now.instant_of(now.wall + 90s, 4h), start + 90s);
  EXPECT_EQ(now.instant_of(now.wall - 90s, 4h), start);
  EXPECT_EQ(now.instant_of(now.wall + 24h * 400, 4h), start + 4h);
  EXPECT_EQ(now.instant_of(WallTime(0s), 4h), start);
  EXPECT_EQ(now.wall_of(start + 90s), now.wall + 90s);
}

// --- host status
// ----------------------------------------------------------------------------------

TEST(HostStatus, IsProbedByOneAndThenDoubles) {
  HostStatus status;
  const HostStatusSettings settings;
  EXPECT_EQ(status.allowed_connections(start, 10), 10U);
  const Instant probe = status.mark_down("no route", start, settings);
  EXPECT_EQ(probe, start + 60s);
  EXPECT_EQ(status.allowed_connections(probe - 1ns, 10), 0U);
  EXPECT_EQ(status.allowed_connections(probe, 10), 1U);
  std::vector<std::uint32_t> allowed;
  for (int i = 0; i < 8; ++i) {
    status.mark_success(10);
    allowed.push_back(status.allowed_connections(probe, 10));
  }
  EXPECT_THAT(allowed, testing::ElementsAre(2, 2, 4, 4, 4, 4, 8, 8));
  for (int i = 0; i < 7; ++i) {
    status.mark_success(10);
  }
  EXPECT_EQ(status.state(), HostStatus::State::up);
  EXPECT_EQ(status.allowed_connections(probe, 10), 10U);
}

TEST(HostStatus, ProbesGrowRareUpToWhatIsBelieved) {
  HostStatus status;
  const HostStatusSettings settings;
  Instant now = start;
  std::vector<Duration> delays;
  for (int i = 0; i < 8; ++i) {
    const Instant probe = status.mark_down("refused", now, settings);
    delays.push_back(probe - now);
    now = probe;
  }
  EXPECT_THAT(delays, testing::ElementsAre(1min, 2min, 4min, 8min, 16min, 30min, 30min, 30min));
}

TEST(HostStatus, FailuresOfTheSameOutageCountOnce) {
  HostStatus status;
  const HostStatusSettings settings;
  const Instant probe = status.mark_down("refused", start, settings);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(status.mark_down("refused", start + i * 1s, settings), probe);
  }
  EXPECT_EQ(status.mark_down("refused", probe, settings), probe + 2min);
}

TEST(HostStatus, AFailureWhileRecoveringStartsOverWithALongerWait) {
  HostStatus status;
  const HostStatusSettings settings;
  Instant now = status.mark_down("refused", start, settings);
  status.mark_success(10);
  EXPECT_EQ(status.mark_down("again", now, settings), now + 2min);
  EXPECT_EQ(status.allowed_connections(now + 2min, 10), 1U);
}

// --- rates
// ----------------------------------------------------------------------------------------

TEST(TokenBucket, KeepsTheRateOverAnyWhile) {
  for (const double rate : {0.5, 10.0, 100.0, 5000.0}) {
    TokenBucket bucket(rate);
    Instant now = start;
    int taken = 0;
    const Duration step = 3ms;
    for (; now < start + 20s; now += step) {
      while (bucket.next(now) <= now) {
        bucket.take(now);
        ++taken;
      }
    }
    EXPECT_LE(taken, 20 * rate + rate / 10 + 1) << rate;
    EXPECT_GE(taken, 20 * rate * 0.95 - 1) << rate;
  }
}

TEST(TokenBucket, SavesNothingUpButATenthOfASecond) {
  TokenBucket bucket(100);
  bucket.take(start);
  const Instant later = start + 1h;
  int at_once = 0;
  while (bucket.next(later) <= later) {
    bucket.take(later);
    ++at_once;
  }
  EXPECT_EQ(at_once, 10);
  EXPECT_FALSE(TokenBucket().limited());
}

// --- destinations
// ---------------------------------------------------------------------------------

TEST(Destination, NameComesFromProviderElseHostsElseDomain) {
  const auto shipped = shipped_destinations();
  const std::vector<RouteHost> google = {{"ALT1.aspmx.l.google.com.", 5},
                                         {"aspmx.l.google.com", 1}};
  EXPECT_EQ(destination_name("shop.example", google, shipped), "google");
  const std::vector<RouteHost> tenant = {{"shop-example.mail.protection.outlook.com", 0}};
  EXPECT_EQ(destination_name("shop.example", tenant, shipped), "microsoft");
  const std::vector<RouteHost> own = {{"MX2.shop.example", 10}, {"mx1.shop.example.", 10}};
  EXPECT_EQ(destination_name("shop.example", own, shipped), "mx1.shop.example,mx2.shop.example");
  EXPECT_EQ(destination_name("Shop.Example", {}, shipped), "shop.example");
  // A backup host at the provider does not make the destination the provider's.
  const std::vector<RouteHost> backup = {{"mx1.shop.example", 10}, {"aspmx.l.google.com", 20}};
  EXPECT_EQ(destination_name("shop.example", backup, shipped),
            "aspmx.l.google.com,mx1.shop.example");
}

TEST(Destination, PatternsMatchWholeLabels) {
  EXPECT_TRUE(matches_host_pattern("*.google.com", "mx.Google.com"));
  EXPECT_FALSE(matches_host_pattern("*.google.com", "google.com"));
  EXPECT_FALSE(matches_host_pattern("*.google.com", "mx.notgoogle.com"));
  EXPECT_TRUE(matches_host_pattern("mx.shop.example", "MX.shop.example."));
}

TEST(Destination, AnEndlessHostSetGetsABoundedNameOfItsOwn) {
  std::vector<RouteHost> hosts;
  for (int i = 0; i < 50; ++i) {
    hosts.push_back({"mx" + std::to_string(i) + ".some.long.name.example", 10});
  }
  const std::string name = destination_name("a.example", hosts, {});
  EXPECT_EQ(name.size(), 255U);
  hosts.pop_back();
  EXPECT_NE(destination_name("a.example", hosts, {}), name);
}

}  // namespace
}  // namespace ringpost::queue
