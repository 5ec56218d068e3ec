#include "ringpost/queue/lane_scheduler.h"

#include <algorithm>

#include "ringpost/base/check.h"
#include "ringpost/base/text.h"
#include "ringpost/queue/queue_group.h"

namespace ringpost::queue {
namespace {

// Connections that a lane may open before a server of it has ever greeted us.
constexpr std::uint32_t seats_before_greeting = 2;

}  // namespace

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
    at->second->held_ = is_held(key.destination);
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

bool LaneScheduler::is_held(std::string_view destination) const {
  return holds_ != nullptr && holds_->destinations.contains(to_lower(destination));
}

void LaneScheduler::use_holds(const Holds& holds, Now now) {
  holds_ = &holds;
  for (auto& [key, destination] : destinations_) {
    destination->held_ = is_held(destination->name_);
  }
  for (auto& [key, lane] : lanes_) {
    place(*lane, now);
  }
}

std::uint32_t LaneScheduler::slow_limit() const {
  return std::max(settings_.runners / 4, 1U);
}

LaneScheduler::Decision LaneScheduler::decide(const Lane& lane, Now now) const {
  using enum Lane::Place;
  if (lane.ready_entries_ == 0 || lane.destination_.held_) {
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
  const Instant patient_until = lane.last_taken_ + settings_.patience;
  if (!lane.greeted_ && lane.seats_ > 0) {
    if (lane.seats_ >= seats_before_greeting || lane.ready_entries_ <= lane.fresh_seats_) {
      return {nowhere, {}};
    }
    return {now.instant < patient_until ? patience : ready, patient_until};
  }
  if (lane.seats_ == 0 ||
      lane.ready_entries_ > std::uint64_t{settings_.backlog_per_connection} * lane.seats_) {
    return {ready, {}};
  }
  if (lane.ready_entries_ <= lane.fresh_seats_) {
    return {nowhere, {}};  // each has a runner on its way
  }
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
    const std::uint32_t with_runner = lane.seats_ - lane.attempts_;
    slow_seats_ = slow ? slow_seats_ + with_runner : slow_seats_ - with_runner;
    slow_attempts_ = slow ? slow_attempts_ + lane.attempts_ : slow_attempts_ - lane.attempts_;
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
      if (lane.greeted_ &&
          lane.ready_entries_ > std::uint64_t{settings_.backlog_per_connection} * lane.seats_) {
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
  if (busy_ + in_line_ >= settings_.runners) {
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
    return {.lane = &lane};
  }
}

void LaneScheduler::release(Seat& seat, Now now) {
  check(seat.lane != nullptr, "a seat is released twice");
  Lane& lane = *seat.lane;
  std::uint32_t& all = seat.has_runner ? busy_ : attempts_;
  std::uint32_t& slow = seat.has_runner ? slow_seats_ : slow_attempts_;
  --all;
  slow -= lane.counted_slow_ ? 1 : 0;
  lane.attempts_ -= seat.has_runner ? 0 : 1;
  in_line_ -= seat.in_line ? 1 : 0;
  --lane.seats_;
  lane.fresh_seats_ -= seat.fresh ? 1 : 0;
  --lane.destination_.seats_;
  seat = {};
  unblock_one(lane.destination_, now);
  place(lane, now);
  drop_if_unused(lane);
}

bool LaneScheduler::part_from_runner(Seat& seat) {
  const std::uint32_t most = settings_.most_attempts;
  Lane& lane = *seat.lane;
  if (attempts_ >= most || (lane.counted_slow_ && slow_attempts_ >= std::max(most / 4, 1U))) {
    return false;
  }
  seat.has_runner = false;
  --busy_;
  ++attempts_;
  ++lane.attempts_;
  slow_seats_ -= lane.counted_slow_ ? 1 : 0;
  slow_attempts_ += lane.counted_slow_ ? 1 : 0;
  return true;
}

bool LaneScheduler::regain_runner(Seat& seat) {
  const std::uint32_t before_us = seat.in_line ? 0 : in_line_;
  if (busy_ + before_us >= settings_.runners) {
    in_line_ += seat.in_line ? 0 : 1;
    seat.in_line = true;
    return false;
  }
  Lane& lane = *seat.lane;
  in_line_ -= seat.in_line ? 1 : 0;
  seat.in_line = false;
  seat.has_runner = true;
  ++busy_;
  --attempts_;
  --lane.attempts_;
  slow_seats_ += lane.counted_slow_ ? 1 : 0;
  slow_attempts_ -= lane.counted_slow_ ? 1 : 0;
  return true;
}

void LaneScheduler::greeted(Lane& lane, Now now) {
  if (!lane.greeted_) {
    lane.greeted_ = true;
    place(lane, now);
  }
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
  if (in_line_ > 0) {
    return true;
  }
  const bool slow_possible =
      slow_seats_ < slow_limit() || (lane.counted_slow_ && slow_seats_ == slow_limit());
  return other_in(ready_) || (slow_possible && other_in(slow_ready_));
}

}  // namespace ringpost::queue
