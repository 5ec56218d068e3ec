#include "ringpost/queue/views.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "support.h"

namespace ringpost::queue {
namespace {

class Views : public QueueTest {
 protected:
  DestinationView view_of(const std::string& name) {
    for (DestinationView& view : destination_views(group(), now_)) {
      if (view.destination == name) {
        return view;
      }
    }
    ADD_FAILURE() << "no view of " << name;
    return {};
  }
};

TEST_F(Views, AShowsWhatWaitsWhereAndForWhat) {
  const WallTime first = now_.wall;
  file("a@x.example");
  pass(10s);
  file({"a@x.example", "b@x.example"});
  file("a@unresolved.example");
  Domain* x = group().next_unresolved();
  group().assign(*x, lane_key("x-hosts"), never, now_);
  finish(*next(), Next::retry, 10min);
  file("a@y.example");
  file("a@y.example");
  while (Domain* domain = group().next_unresolved()) {
    if (domain->name() == "y.example") {
      group().assign(*domain, lane_key("y-hosts"), never, now_);
    } else {
      group().fail_route(*domain, now_.instant + 5min, now_);
    }
  }
  group().lanes().for_each_lane([&](Lane& lane) {
    if (lane.key().destination == "y-hosts") {
      group().defer_lane(lane, {4, 4, 1}, "connection refused", {}, now_);
      group().connection_opened(lane.destination());
    }
  });

  const DestinationView x_view = view_of("x-hosts");
  EXPECT_EQ(x_view.ready, 2U);
  EXPECT_EQ(x_view.deferred, 1U);
  EXPECT_EQ(x_view.oldest, first);
  EXPECT_EQ(x_view.next_attempt, now_.wall);
  EXPECT_EQ(x_view.last_error->reply, "450 later");
  const DestinationView y_view = view_of("y-hosts");
  EXPECT_EQ(y_view.ready, 0U);
  EXPECT_EQ(y_view.deferred, 2U);
  EXPECT_EQ(y_view.next_attempt, now_.wall + 60s);
  EXPECT_EQ(y_view.last_error->status, (mail::EnhancedStatus{4, 4, 1}));
  EXPECT_EQ(y_view.connections_open, 1U);
  const DestinationView failed = view_of("unresolved.example");
  EXPECT_EQ(failed.deferred, 1U);
  EXPECT_EQ(failed.next_attempt, now_.wall + 5min);

  const GroupView total = group_view(group(), now_);
  EXPECT_EQ(total.ready, 2U);
  EXPECT_EQ(total.deferred, 4U);
  EXPECT_EQ(total.in_flight, 0U);
}

TEST_F(Views, TheLimitThatBindsIsNamed) {
  settings_.max_connections_per_destination = 1;
  EXPECT_FALSE(route_view(group(), "x.example", now_));
  for (int i = 0; i < 3; ++i) {
    file("a@x.example");
  }
  resolve_all();
  Seat seat = group().next_lane(now_);
  const auto binding = [&]() -> std::string {
    const std::vector<LimitValue> limits = route_view(group(), "X.example", now_)->limits;
    const auto at = std::ranges::find(limits, true, &LimitValue::binding);
    return at == limits.end() ? "" : at->name;
  };
  EXPECT_EQ(binding(), "max_connections_per_destination");
  Lane& lane = *seat.lane;
  group().release(seat, now_);
  EXPECT_EQ(binding(), "");
  group().defer_lane(lane, {4, 4, 1}, "refused", {}, now_);
  EXPECT_EQ(binding(), "host_status");
  const auto view = route_view(group(), "x.example", now_);
  EXPECT_EQ(view->lane_state, "down");
  EXPECT_EQ(view->lane_until, now_.instant + 60s);
  EXPECT_EQ(view->limits[0].lifts, now_.instant + 60s);
}

}  // namespace
}  // namespace ringpost::queue
