#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "support.h"

namespace ringpost::queue {
namespace {

class Lanes : public QueueTest {
 protected:
  void file_many(int count, const char* recipient) {
    for (int i = 0; i < count; ++i) {
      file(recipient);
    }
    resolve_all();
  }
  std::vector<Seat> all_seats() {
    std::vector<Seat> seats;
    while (Seat seat = group().next_lane(now_)) {
      seats.push_back(seat);
    }
    return seats;
  }
  void release(std::vector<Seat>& seats) {
    for (Seat& seat : seats) {
      group().release(seat, now_);
    }
    seats.clear();
  }
};

// What was never greeted by anybody gets few seats, and late.
TEST_F(Lanes, ALaneIsGreetedBeforeItGetsManySeats) {
  for (int i = 0; i < 40; ++i) {
    file("a@new.example");
  }
  Domain& domain = *group().next_unresolved();
  group().assign(domain, lane_key("new.example"), never, now_);
  std::vector<Seat> seats = all_seats();
  EXPECT_EQ(seats.size(), 1U);
  pass_and_advance(settings_.patience);
  seats.push_back(group().next_lane(now_));
  EXPECT_TRUE(seats.back());
  pass_and_advance(1min);
  EXPECT_FALSE(group().next_lane(now_));
  group().lanes().greeted(*domain.lane(), now_);
  const std::vector<Seat> more = all_seats();
  EXPECT_EQ(seats.size() + more.size(), settings_.max_connections_per_destination);
  seats.insert(seats.end(), more.begin(), more.end());
  release(seats);
}

// A long connection attempt has no runner, within its own bound; its connection waits in line.
TEST_F(Lanes, AttemptsPartFromTheirRunnersAndRegainThemInTurn) {
  settings_.runners = 2;
  settings_.most_attempts = 2;
  for (int i = 0; i < 6; ++i) {
    file_many(1, ("a@" + std::to_string(i) + ".example").c_str());
  }
  LaneScheduler& lanes = group().lanes();
  std::vector<Seat> attempts = all_seats();
  ASSERT_EQ(attempts.size(), 2U);
  EXPECT_TRUE(lanes.part_from_runner(attempts[0]));
  EXPECT_TRUE(lanes.part_from_runner(attempts[1]));
  EXPECT_EQ(group().runners_busy(), 0U);
  std::vector<Seat> serving = all_seats();
  ASSERT_EQ(serving.size(), 2U);
  EXPECT_FALSE(lanes.part_from_runner(serving[0])) << "too many attempts";
  EXPECT_FALSE(lanes.regain_runner(attempts[0])) << "no runner is free";
  EXPECT_FALSE(lanes.regain_runner(attempts[0])) << "in line once";
  EXPECT_TRUE(lanes.others_wait(*serving[0].lane));
  group().release(serving[0], now_);
  EXPECT_FALSE(group().next_lane(now_)) << "the runner is for who stands in line";
  EXPECT_FALSE(lanes.regain_runner(attempts[1])) << "it is not first in line";
  EXPECT_TRUE(lanes.regain_runner(attempts[0]));
  EXPECT_EQ(group().runners_busy(), 2U);
  group().release(attempts[1], now_);  // gives up its place in line
  group().release(serving[1], now_);
  EXPECT_EQ(lanes.attempts(), 0U);
  attempts[1] = group().next_lane(now_);
  EXPECT_TRUE(attempts[1]) << "nobody is in line";
  release(attempts);
  EXPECT_EQ(group().runners_busy(), 0U);
}

// Slow lanes hold a quarter of the runners, and a quarter of the attempts without one.
TEST_F(Lanes, SlowLanesHoldAQuarterOfTheAttempts) {
  settings_.runners = 8;
  settings_.most_attempts = 8;
  for (int i = 0; i < 12; ++i) {
    file_many(1, ("a@slow" + std::to_string(i) + ".example").c_str());
  }
  LaneScheduler& lanes = group().lanes();
  lanes.for_each_lane([&](Lane& lane) { group().set_slow(lane, true, now_); });
  std::vector<Seat> attempts = all_seats();
  ASSERT_EQ(attempts.size(), 2U);
  EXPECT_TRUE(lanes.part_from_runner(attempts[0]));
  EXPECT_TRUE(lanes.part_from_runner(attempts[1]));
  std::vector<Seat> more = all_seats();
  ASSERT_EQ(more.size(), 2U);
  EXPECT_FALSE(lanes.part_from_runner(more[0]));
  group().set_slow(*attempts[0].lane, false, now_);
  EXPECT_TRUE(lanes.part_from_runner(more[0]));
  release(attempts);
  release(more);
  EXPECT_EQ(lanes.slow_seats(), 0U);
  EXPECT_EQ(lanes.attempts(), 0U);
}

TEST_F(Lanes, NoMoreRunnersThanTheGroupHas) {
  settings_.runners = 3;
  for (int i = 0; i < 8; ++i) {
    file_many(1, ("a@" + std::to_string(i) + ".example").c_str());
  }
  std::vector<Seat> seats = all_seats();
  EXPECT_EQ(seats.size(), 3U);
  EXPECT_EQ(group().runners_busy(), 3U);
  release(seats);
  EXPECT_EQ(group().runners_busy(), 0U);
}

TEST_F(Lanes, NoMoreConnectionsThanTheDestinationMayHaveOverAllItsLanes) {
  settings_.max_connections_per_destination = 3;
  file_many(100, "a@x.example");
  for (const char* tenant : {"t1", "t2"}) {
    file((std::string("a@") + tenant + ".example").c_str());
    LaneKey key = lane_key("x.example");
    key.hosts = {{tenant, 0, 25}};
    group().assign(*group().next_unresolved(), key, never, now_);
  }
  std::vector<Seat> seats = all_seats();
  EXPECT_EQ(seats.size(), 3U);
  EXPECT_EQ(seats[0].lane->destination().seats(), 3U);
  // Each lane of the destination got its turn.
  EXPECT_NE(seats[0].lane, seats[1].lane);
  EXPECT_NE(seats[1].lane, seats[2].lane);
  EXPECT_NE(seats[0].lane, seats[2].lane);
  group().release(seats[0], now_);
  seats[0] = group().next_lane(now_);
  EXPECT_TRUE(seats[0]);
  EXPECT_FALSE(group().next_lane(now_));
  release(seats);
}

TEST_F(Lanes, ABlockedLaneIsNotForgottenWhenItsSiblingHasNoUseForTheSeat) {
  settings_.max_connections_per_destination = 1;
  QueuedMessage* removed = nullptr;
  for (const char* tenant : {"t1", "t2", "t3"}) {
    QueuedMessage& message = file((std::string("a@") + tenant + ".example").c_str());
    removed = std::string_view(tenant) == "t2" ? &message : removed;
    LaneKey key = lane_key("provider");
    key.hosts = {{tenant, 0, 25}};
    group().assign(*group().next_unresolved(), key, never, now_);
  }
  Seat first = group().next_lane(now_);
  EXPECT_FALSE(group().next_lane(now_));
  finish(*group().next_entry(first, now_));
  group().release(first, now_);                       // calls t2 …
  group().remove(*removed->recipients()[0].entry());  // … which has nothing to do any more
  Seat third = group().next_lane(now_);
  ASSERT_TRUE(third);
  EXPECT_EQ(third.lane->key().hosts[0].name, "t3");
  group().release(third, now_);
}

TEST_F(Lanes, NorWhenItsSiblingIsGoneAltogether) {
  settings_.max_connections_per_destination = 1;
  for (const char* tenant : {"t1", "t2", "t3"}) {
    file((std::string("a@") + tenant + ".example").c_str());
    LaneKey key = lane_key("provider");
    key.hosts = {{tenant, 0, 25}};
    group().assign(*group().next_unresolved(), key, never, now_);
  }
  Seat first = group().next_lane(now_);
  EXPECT_FALSE(group().next_lane(now_));
  finish(*group().next_entry(first, now_));
  group().release(first, now_);  // calls t2 …
  group().fail_route(*group().find_domain("t2.example"), now_.instant + 1h, now_);
  Seat third = group().next_lane(now_);
  ASSERT_TRUE(third);
  EXPECT_EQ(third.lane->key().hosts[0].name, "t3");
  group().release(third, now_);
}

TEST_F(Lanes, MoreConnectionsOnlyForABacklog) {
  file_many(9, "a@x.example");
  std::vector<Seat> seats = all_seats();
  EXPECT_EQ(seats.size(), 3U);  // 1, and one more beyond each 4 ready
  release(seats);
}

TEST_F(Lanes, OrWhenTheConnectionsThereAreDoNotGetOn) {
  file_many(3, "a@x.example");
  Seat stuck = group().next_lane(now_);
  ASSERT_NE(group().next_entry(stuck, now_), nullptr);
  EXPECT_FALSE(group().next_lane(now_));
  pass_and_advance(999ms);
  EXPECT_FALSE(group().next_lane(now_));
  EXPECT_LE(group().next_due(), now_.instant + 2ms);
  pass_and_advance(2ms);
  Seat helper = group().next_lane(now_);
  ASSERT_TRUE(helper);
  EXPECT_FALSE(group().next_lane(now_));
  ASSERT_NE(group().next_entry(helper, now_), nullptr);
  pass_and_advance(500ms);
  ASSERT_NE(group().next_entry(helper, now_), nullptr);  // gets on: nobody else is needed
  group().release(helper, now_);
  group().release(stuck, now_);
}

TEST_F(Lanes, AMessageWhoseRunnerStillConnectsNeedsNoSecondOne) {
  file_many(1, "a@x.example");
  Seat connecting = group().next_lane(now_);
  pass_and_advance(10s);
  EXPECT_FALSE(group().next_lane(now_));
  file_many(1, "a@x.example");
  Seat other = group().next_lane(now_);
  ASSERT_TRUE(other);
  ASSERT_NE(group().next_entry(connecting, now_), nullptr);
  group().release(other, now_);
  pass_and_advance(2s);  // the one that has taken its message does not get on with it
  other = group().next_lane(now_);
  EXPECT_TRUE(other);
  group().release(other, now_);
  group().release(connecting, now_);
}

TEST_F(Lanes, ADeadLaneIsOneDeferralAndNobodyElsesTrouble) {
  QueuedMessage& message = file("a@dead.example");
  file_many(50, "a@dead.example");
  Seat seat = group().next_lane(now_);
  EXPECT_EQ(group().defer_lane(*seat.lane, {4, 4, 1}, "connection refused", {}, now_),
            now_.instant + 60s);
  EXPECT_EQ(group().next_entry(seat, now_), nullptr);
  group().release(seat, now_);
  EXPECT_FALSE(group().next_lane(now_));
  file_many(1, "a@live.example");
  Seat live = group().next_lane(now_);
  ASSERT_TRUE(live);
  EXPECT_EQ(live.lane->key().destination, "live.example");
  group().release(live, now_);
  EXPECT_EQ(message.recipients()[0].attempts, 0);
  finish(*next());

  pass_and_advance(60s);
  std::vector<Seat> probes = all_seats();
  ASSERT_EQ(probes.size(), 1U);  // exactly one connection
  Entry* entry = group().next_entry(probes[0], now_);
  ASSERT_NE(entry, nullptr);
  finish(*entry);
  group().lane_succeeded(*probes[0].lane, now_);
  std::vector<Seat> more = all_seats();
  EXPECT_EQ(more.size(), 1U);  // two in all
  release(more);
  release(probes);
}

TEST_F(Lanes, AProbeThatToldNothingIsFollowedByAnother) {
  file_many(2, "a@x.example");
  Seat seat = group().next_lane(now_);
  group().defer_lane(*seat.lane, {4, 4, 1}, "refused", {}, now_);
  group().release(seat, now_);
  pass_and_advance(60s);
  Seat probe = group().next_lane(now_);
  group().release(probe, now_);
  probe = group().next_lane(now_);
  EXPECT_TRUE(probe);
  group().release(probe, now_);
}

TEST_F(Lanes, SlowLanesHoldAQuarterOfTheRunnersAtMost) {
  settings_.runners = 16;
  for (int i = 0; i < 30; ++i) {
    file_many(1, ("a@slow" + std::to_string(i) + ".example").c_str());
  }
  group().lanes().for_each_lane([&](Lane& lane) { group().set_slow(lane, true, now_); });
  std::vector<Seat> slow = all_seats();
  EXPECT_EQ(slow.size(), 4U);
  for (int i = 0; i < 30; ++i) {
    file_many(1, ("a@fast" + std::to_string(i) + ".example").c_str());
  }
  std::vector<Seat> fast = all_seats();
  EXPECT_EQ(fast.size(), 12U);
  for (const Seat& seat : fast) {
    EXPECT_FALSE(seat.lane->slow());
  }
  // A slow lane that proves fast gives its share of the quarter back.
  group().set_slow(*slow[0].lane, false, now_);
  group().release(fast[0], now_);
  fast[0] = {};
  bool slow_again = false;
  for (int i = 0; i < 5 && !slow_again; ++i) {
    Seat seat = group().next_lane(now_);
    ASSERT_TRUE(seat);
    slow_again = seat.lane->slow();
    group().release(seat, now_);
  }
  EXPECT_TRUE(slow_again);
}

TEST_F(Lanes, ManyDeadLanesDoNotKeepHealthyOnesWaiting) {
  settings_.runners = 8;
  for (int i = 0; i < 200; ++i) {
    file_many(1, ("a@dead" + std::to_string(i) + ".example").c_str());
  }
  while (Seat seat = group().next_lane(now_)) {
    group().defer_lane(*seat.lane, {4, 4, 1}, "timed out", {}, now_);
    group().release(seat, now_);
  }
  pass_and_advance(61s);  // all of them want to be probed
  file_many(3, "a@live.example");
  bool live = false;
  std::uint32_t probes = 0;
  while (Seat seat = group().next_lane(now_)) {
    live = live || seat.lane->key().destination == "live.example";
    probes += seat.lane->key().destination == "live.example" ? 0U : 1U;
  }
  EXPECT_TRUE(live);
  EXPECT_EQ(probes, 2U);
}

TEST_F(Lanes, TheRateOfADestinationIsKeptOverItsLanes) {
  settings_.messages_per_second = 10;
  file_many(60, "a@x.example");
  for (int i = 0; i < 60; ++i) {
    file("a@tenant.example");
  }
  LaneKey key = lane_key("x.example");
  key.hosts = {{"tenant", 0, 25}};
  group().assign(*group().next_unresolved(), key, never, now_);
  int sent = 0;
  for (int turn = 0; turn < 1000; ++turn) {
    while (Entry* entry = next()) {
      finish(*entry);
      ++sent;
    }
    EXPECT_LE(sent, 2 + turn / 20);
    pass_and_advance(5ms);
  }
  EXPECT_GE(sent, 48);
}

TEST_F(Lanes, ATurnEndsOnlyWhenOthersWait) {
  settings_.runners = 1;
  file_many(20, "a@x.example");
  Seat seat = group().next_lane(now_);
  EXPECT_FALSE(group().turn_over(seat, 1000, now_.instant - 1h, now_));
  file_many(1, "a@y.example");
  EXPECT_FALSE(group().turn_over(seat, 99, now_.instant, now_));
  EXPECT_TRUE(group().turn_over(seat, 100, now_.instant, now_));
  EXPECT_TRUE(group().turn_over(seat, 1, now_.instant - 10s, now_));
  group().release(seat, now_);
  seat = group().next_lane(now_);
  EXPECT_EQ(seat.lane->key().destination, "y.example");
  group().release(seat, now_);
}

TEST_F(Lanes, ATurnEndsToo_WhereASiblingLaneWaitsForTheDestination) {
  settings_.max_connections_per_destination = 1;
  file_many(20, "a@x.example");
  Seat seat = group().next_lane(now_);
  file("a@tenant.example");
  LaneKey key = lane_key("x.example");
  key.hosts = {{"tenant", 0, 25}};
  group().assign(*group().next_unresolved(), key, never, now_);
  EXPECT_TRUE(group().turn_over(seat, 100, now_.instant, now_));
  group().release(seat, now_);
  seat = group().next_lane(now_);
  EXPECT_EQ(seat.lane->key().hosts[0].name, "tenant");
  group().release(seat, now_);
}

TEST_F(Lanes, NewLimitsCountAtOnce) {
  settings_.max_connections_per_destination = 1;
  file_many(100, "a@x.example");
  std::vector<Seat> seats = all_seats();
  EXPECT_EQ(seats.size(), 1U);
  GroupSettings more = settings_;
  more.max_connections_per_destination = 4;
  group().change_settings(more, now_);
  std::vector<Seat> others = all_seats();
  EXPECT_EQ(others.size(), 3U);
  release(others);
  release(seats);
}

TEST_F(Lanes, ALaneOutlivesItsDomainsWhileARunnerSitsOnIt) {
  settings_.idle_domains = 0;
  file_many(1, "a@x.example");
  Seat seat = group().next_lane(now_);
  finish(*group().next_entry(seat, now_));
  EXPECT_EQ(group().find_domain("x.example"), nullptr);
  EXPECT_EQ(group().next_entry(seat, now_), nullptr);
  EXPECT_EQ(seat.lane->key().destination, "x.example");
  Destination& destination = seat.lane->destination();
  group().connection_opened(destination);
  group().release(seat, now_);
  EXPECT_EQ(destination.connections_open, 1U);  // still there
  group().connection_closed(destination);
  std::size_t left = 0;
  group().lanes().for_each_destination([&](const Destination&) { ++left; });
  EXPECT_EQ(left, 0U);
}

}  // namespace
}  // namespace ringpost::queue
