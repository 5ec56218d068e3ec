#include "ringpost/ring/timer_wheel.h"

#include <algorithm>
#include <bit>

namespace ringpost::ring {
namespace {

constexpr std::int64_t tick_ns = 1'000'000;

std::uint64_t tick_at_or_after(Instant when) {
  const std::int64_t ns = std::max<std::int64_t>(when.time_since_epoch().count(), 0);
  return static_cast<std::uint64_t>(ns / tick_ns + (ns % tick_ns != 0 ? 1 : 0));
}

std::uint64_t tick_before(Instant when) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(when.time_since_epoch().count(), 0) /
                                    tick_ns);
}

}  // namespace

TimerWheel::TimerWheel(Instant start) : now_tick_(tick_before(start)) {}

void TimerWheel::arm(Timer& timer, Instant when) {
  timer.disarm();
  timer.tick_ = tick_at_or_after(when);
  place(timer);
}

// A timer sits on the level of the highest group of six bits in which its tick differs from now.
// So everything on a level expires before everything on the next, within one turn of that level.
void TimerWheel::place(Timer& timer) {
  if (timer.tick_ <= now_tick_) {
    due_.push_back(timer);
    return;
  }
  const auto differing = static_cast<unsigned>(std::bit_width(timer.tick_ ^ now_tick_)) - 1;
  const unsigned level = std::min(differing / slot_bits, levels - 1);
  const auto slot = static_cast<unsigned>(timer.tick_ >> (level * slot_bits)) & (slots - 1);
  levels_[level].lists[slot].push_back(timer);
  levels_[level].occupied |= std::uint64_t{1} << slot;
}

bool TimerWheel::first_slot(Position& position) {
  for (unsigned number = 0; number < levels; ++number) {
    Level& level = levels_[number];
    while (level.occupied != 0) {
      const auto slot = static_cast<unsigned>(std::countr_zero(level.occupied));
      if (level.lists[slot].empty()) {
        level.occupied &= level.occupied - 1;
        continue;
      }
      const unsigned shift = number * slot_bits;
      const std::uint64_t above = now_tick_ >> shift >> slot_bits << slot_bits;
      position = {number, slot, (above | slot) << shift};
      return true;
    }
  }
  return false;
}

void TimerWheel::fire_due() {
  // Timers that are armed for now while others fire wait for the next advance().
  List firing;
  while (!due_.empty()) {
    firing.push_back(due_.pop_front());
  }
  while (!firing.empty()) {
    firing.pop_front().expired();
  }
}

void TimerWheel::advance(Instant now) {
  const std::uint64_t target = std::max(tick_before(now), now_tick_);
  Position position{};
  while (first_slot(position) && position.tick <= target) {
    now_tick_ = position.tick;
    List moving;
    Level& level = levels_[position.level];
    List& list = level.lists[position.slot];
    while (!list.empty()) {
      moving.push_back(list.pop_front());
    }
    level.occupied &= ~(std::uint64_t{1} << position.slot);
    while (!moving.empty()) {
      place(moving.pop_front());
    }
  }
  now_tick_ = target;
  fire_due();
}

Instant TimerWheel::next_deadline() {
  if (!due_.empty()) {
    return Instant(Duration(static_cast<std::int64_t>(now_tick_) * tick_ns));
  }
  Position position{};
  if (!first_slot(position)) {
    return never;
  }
  return Instant(Duration(static_cast<std::int64_t>(position.tick) * tick_ns));
}

}  // namespace ringpost::ring
