// Timers: a hierarchical wheel of one-millisecond ticks. Arming, re-arming and disarming are O(1);
// a timer fires at its tick or up to one turn later, never early, in order of ticks. Pure: time
// comes in through advance().
#pragma once

#include <array>
#include <cstdint>

#include "ringpost/base/intrusive_list.h"
#include "ringpost/base/time.h"

namespace ringpost::ring {

struct TimerTag;

// Derive from it and embed it. Destroying an armed timer disarms it.
class Timer : public ListHook<TimerTag> {
 public:
  [[nodiscard]] bool armed() const { return linked(); }
  void disarm() { unlink(); }

 protected:
  ~Timer() = default;

 private:
  friend class TimerWheel;
  virtual void expired() = 0;

  std::uint64_t tick_ = 0;
};

class TimerWheel {
 public:
  explicit TimerWheel(Instant start);

  // Arms or re-arms; an instant in the past fires at the next advance().
  void arm(Timer& timer, Instant when);
  // Fires all that is due. A timer may arm and disarm any timer while it fires.
  void advance(Instant now);
  // No timer fires before this; `never` if none is armed. May be earlier than the first expiry.
  [[nodiscard]] Instant next_deadline();

 private:
  static constexpr unsigned slot_bits = 6;
  static constexpr unsigned slots = 1U << slot_bits;
  static constexpr unsigned levels = 8;
  using List = IntrusiveList<Timer, TimerTag>;
  struct Level {
    std::uint64_t occupied = 0;  // may have bits whose slot has become empty
    std::array<List, slots> lists;
  };
  struct Position {
    unsigned level;
    unsigned slot;
    std::uint64_t tick;  // at which the slot begins
  };

  void place(Timer& timer);
  // The first slot in time that holds a timer; false if there is none.
  bool first_slot(Position& position);
  void fire_due();

  std::uint64_t now_tick_;
  List due_;
  std::array<Level, levels> levels_;
};

}  // namespace ringpost::ring
