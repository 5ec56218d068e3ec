#include "ringpost/delivery/in_flight.h"

#include "ringpost/ring/gate.h"

namespace ringpost::delivery {

InFlight::Share& InFlight::join(std::uint32_t weight) {
  return groups_.emplace_back(*this, shares_.join(weight));
}

void InFlight::pass_on() {
  const queue::Shares::Member* const next = shares_.next();
  if (next == nullptr || !shares_.has_room()) {
    return;
  }
  for (Share& share : groups_) {
    if (&share.member_ == next) {
      share.turn_.notify_one();
      return;
    }
  }
}

void InFlight::Share::begin() {
  all_.shares_.begin(member_);
  all_.pass_on();
}

void InFlight::Share::end() {
  all_.shares_.end(member_);
  all_.pass_on();
}

ring::Task<void> InFlight::Share::turn() {
  // Who was woken and finds that it is another's turn passes the news on before it waits again.
  all_.pass_on();
  all_.shares_.wait(member_);
  co_await turn_.wait();
  all_.shares_.stop_waiting(member_);
}

}  // namespace ringpost::delivery
