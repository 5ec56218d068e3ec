#include "ringpost/queue/lane_scheduler.h"

#include <algorithm>

#include "ringpost/base/check.h"
#include "ringpost/queue/queue_group.h"

namespace ringpost::queue {

LaneScheduler::LaneScheduler(const GroupSettings& settings) : settings_(settings), waiting_(1ms) {}

Lane& LaneScheduler::lane_for(const LaneKey& key) {
  check(!key.hosts.empty(), "a lane without a host");
  auto [at, added] = lanes_.try_emplace(key.canonical());
  if (added) {
    Destination& destination = destination_for(key);
    ++destination.lanes_;
    at->second = std::make_unique<Lane>(key, destination);
  }
  return *at->second;
}

Destination& LaneScheduler::destination_for(const LaneKey& key) {
  auto [at, added] = destinations_.try_emplace(key.destination + '\n' + key.egress);
  if (added) {
    at->second = std::make_unique<Destination>();
    at->second->name_ = key.destination;
    at->second->egress_ = key.egress;
    at->second->bucket_ = TokenBucket(settings_.messages_per_second);
  }
  return *at->second;
}

void LaneScheduler::drop_if_unused(Lane& lane) {
  if (lane.domains_ > 0 || lane.seats_ > 0) {
    return;
  }
  Destination& destination = lane.destination_;
  lanes_.erase(lane.key_.canonical());
  --destination.lanes_;
  drop_if_unused(destination);
}

void LaneScheduler::drop_if_unused(Destination& destination) {
  if (destination.lanes_ == 0 && destination.connections_open == 0) {
    destinations_.erase(destination.name_ + '\n' + destination.egress_);
  }
}

void LaneScheduler::connection_closed(Destination& destination) {
  check(destination.connections_open > 0, "a connection closed twice");
  --destination.connections_open;
  drop_if_unused(destination);
}

void LaneScheduler::new_rate() {
  for (auto& [key, destination] : destinations_) {
    destination->bucket_ = TokenBucket(settings_.messages_per_second);
  }
}

std::uint32_t LaneScheduler::slow_limit() const {
  return std::max(settings_.runners / 4, 1U);
}

LaneScheduler::Decision LaneScheduler::decide(const Lane& lane, Now now) const {
  using enum Lane::Place;
  if (lane.ready_entries_ == 0) {
    return {nowhere, {}};
  }
  if (lane.status_.suspended(now.instant)) {
    return {waiting, lane.status_.until()};
  }
  const std::uint32_t limit = settings_.max_connections_per_destination;
  if (lane.seats_ >= lane.status_.allowed_connections(now.instant, limit)) {
    return {nowhere, {}};  // until a seat is released or more are allowed
  }
  if (lane.destination_.seats_ >= limit) {
    return {blocked, {}};
  }
  const Instant next = lane.destination_.bucket_.next(now.instant);
  if (next > now.instant) {
    return {waiting, next};
  }
  if (lane.seats_ == 0 ||
      lane.ready_entries_ > std::uint64_t{settings_.backlog_per_connection} * lane.seats_) {
    return {ready, {}};
  }
  if (lane.ready_entries_ <= lane.fresh_seats_) {
    return {nowhere, {}};  // each has a runner on its way
  }
  const Instant patient_until = lane.last_taken_ + settings_.patience;
  if (now.instant < patient_until) {
    return {patience, patient_until};
  }
  return {ready, {}};
}

void LaneScheduler::place(Lane& lane, Now now) {
  const bool was_offered = lane.place_ == Lane::Place::ready;
  lane.unlink();
  const bool slow = is_slow(lane);
  if (slow != lane.counted_slow_) {
    slow_seats_ = slow ? slow_seats_ + lane.seats_ : slow_seats_ - lane.seats_;
    lane.counted_slow_ = slow;
  }
  const Decision decision = decide(lane, now);
  lane.place_ = decision.place;
  switch (decision.place) {
    case Lane::Place::nowhere:
      break;
    case Lane::Place::ready:
      (slow ? slow_ready_ : ready_).push_back(lane);
      return;
    case Lane::Place::blocked:
      lane.destination_.blocked_.push_back(lane);
      return;
    case Lane::Place::waiting:
    case Lane::Place::patience:
      waiting_.add(lane, decision.until);
      break;
  }
  if (was_offered) {
    // It had been called for a free seat of its destination, and does not take it.
    unblock_one(lane.destination_, now);
  }
}

// While a destination has free seats and lanes blocked for them, one of its lanes is offered.
void LaneScheduler::unblock_one(Destination& destination, Now now) {
  while (destination.seats_ < settings_.max_connections_per_destination &&
         !destination.blocked_.empty()) {
    Lane& lane = destination.blocked_.front();
    place(lane, now);
    if (lane.place_ == Lane::Place::ready) {
      return;
    }
  }
}

void LaneScheduler::work_added(Lane& lane, Now now) {
  switch (lane.place_) {
    case Lane::Place::nowhere:
      break;
    case Lane::Place::patience:
      if (lane.ready_entries_ > std::uint64_t{settings_.backlog_per_connection} * lane.seats_) {
        break;
      }
      return;
    case Lane::Place::ready:
    case Lane::Place::blocked:
    case Lane::Place::waiting:
      return;
  }
  place(lane, now);
}

Seat LaneScheduler::acquire(Now now) {
  if (busy_ >= settings_.runners) {
    return {};
  }
  for (;;) {
    const bool slow_possible = !slow_ready_.empty() && slow_seats_ < slow_limit();
    // Slow lanes take their turns too, where they do not make up for all there is.
    const bool slow = slow_possible && (ready_.empty() || turns_ % 4 == 3);
    if (!slow && ready_.empty()) {
      return {};
    }
    Lane& lane = (slow ? slow_ready_ : ready_).front();
    if (decide(lane, now).place != Lane::Place::ready || is_slow(lane) != slow) {
      place(lane, now);
      continue;
    }
    ++turns_;
    ++busy_;
    ++lane.seats_;
    ++lane.fresh_seats_;
    ++lane.destination_.seats_;
    slow_seats_ += slow ? 1 : 0;
    lane.last_taken_ = now.instant;
    place(lane, now);
    return {&lane, true};
  }
}

void LaneScheduler::release(Seat& seat, Now now) {
  check(seat.lane != nullptr, "a seat is released twice");
  Lane& lane = *seat.lane;
  --busy_;
  --lane.seats_;
  lane.fresh_seats_ -= seat.fresh ? 1 : 0;
  --lane.destination_.seats_;
  slow_seats_ -= lane.counted_slow_ ? 1 : 0;
  seat = {};
  unblock_one(lane.destination_, now);
  place(lane, now);
  drop_if_unused(lane);
}

void LaneScheduler::advance(Now now) {
  while (Lane* lane = waiting_.pop_due(now.instant)) {
    place(*lane, now);
  }
}

bool LaneScheduler::others_wait(const Lane& lane) {
  const auto other_in = [&lane](Lanes& lanes) {
    for (Lane& waiting : lanes) {
      if (&waiting != &lane) {
        return true;
      }
    }
    return false;  // looked at two at most: a lane is on a list once
  };
  if (other_in(lane.destination_.blocked_)) {
    return true;
  }
  if (busy_ < settings_.runners) {
    return false;  // whoever waits gets a runner without ours
  }
  const bool slow_possible =
      slow_seats_ < slow_limit() || (lane.counted_slow_ && slow_seats_ == slow_limit());
  return other_in(ready_) || (slow_possible && other_in(slow_ready_));
}

}  // namespace ringpost::queue
