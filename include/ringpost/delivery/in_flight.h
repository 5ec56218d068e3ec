// The transactions that a shard has in flight, of all its queue groups: bounded, and shared by
// weight when groups want more. Conversations ask for a place before they take a message, and give
// it back with the message's result.
#pragma once

#include <cstdint>
#include <deque>

#include "ringpost/queue/shares.h"
#include "ringpost/ring/event.h"
#include "ringpost/ring/task.h"

namespace ringpost::delivery {

class InFlight {
 public:
  explicit InFlight(std::uint32_t most) : shares_(most) {}

  // A queue group's share.
  class Share {
   public:
    Share(InFlight& all, queue::Shares::Member& member) : all_(all), member_(member) {}

    [[nodiscard]] bool may_begin() const { return all_.shares_.may_begin(member_); }
    void begin();
    void end();
    // Waits until may_begin() should be asked again.
    ring::Task<void> turn();
    // Whoever waits asks again: for the daemon ends, or settings have changed.
    void wake_all() { turn_.notify_all(); }
    void set_weight(std::uint32_t weight) { member_.weight = weight; }

   private:
    friend class InFlight;
    InFlight& all_;
    queue::Shares::Member& member_;
    ring::Event turn_;
  };

  Share& join(std::uint32_t weight);  // valid as long as this
  [[nodiscard]] std::uint32_t transactions() const { return shares_.in_flight(); }

 private:
  // There is room: whoever comes next may look.
  void pass_on();

  queue::Shares shares_;
  std::deque<Share> groups_;
};

}  // namespace ringpost::delivery
