#include "ringpost/intake/content_memory.h"

#include <algorithm>

#include "ringpost/base/check.h"

namespace ringpost::intake {

void ContentMemory::set_budget(std::uint64_t bytes, std::uint64_t largest) {
  largest_ = largest;
  budget_ = std::max(bytes, largest);
  serve();
}

bool ContentMemory::can_grant(std::uint64_t held, std::uint64_t wanted) const {
  const std::uint64_t others = granted_ - held;
  const std::uint64_t after = others + wanted;
  if (others == 0) {
    return true;  // even what a larger limit let in before it was changed
  }
  if (after > budget_) {
    return false;
  }
  std::uint64_t most = wanted;
  if (!holders_.empty()) {
    most = std::max(most, *holders_.rbegin());
  }
  return budget_ - after >= largest_ - std::min(most, largest_);
}

void ContentMemory::grant(std::uint64_t held, std::uint64_t wanted) {
  if (held > 0) {
    holders_.erase(holders_.find(held));
  }
  holders_.insert(wanted);
  granted_ += wanted - held;
}

ring::Task<bool> ContentMemory::ask(std::uint64_t held, std::uint64_t wanted) {
  check(wanted > held, "memory is asked for that is there");
  if (stopped_ || (held > 0 && !holders_.contains(held))) {
    co_return false;
  }
  if ((held > 0 || waiting_.empty()) && can_grant(held, wanted)) {
    grant(held, wanted);
    co_return true;
  }
  Waiter waiter;
  waiter.held = held;
  waiter.wanted = wanted;
  waiting_.push_back(waiter);
  ++waiting_count_;
  co_await waiter.settled.wait_until(reactor_.timers(), reactor_.now() + patience);
  if (waiter.linked()) {
    waiter.unlink();
  }
  --waiting_count_;
  if (!waiter.granted) {
    serve();  // it may have been in others' way
  }
  co_return waiter.granted;
}

void ContentMemory::give_back(std::uint64_t held) {
  const auto found = holders_.find(held);
  check(found != holders_.end(), "memory comes back that was not granted");
  holders_.erase(found);
  granted_ -= held;
  serve();
}

void ContentMemory::serve() {
  while (serve_one(true) || serve_one(false)) {
  }
}

bool ContentMemory::serve_one(bool holders) {
  for (Waiter& waiter : waiting_) {
    if ((waiter.held > 0) != holders) {
      continue;
    }
    if (!stopped_ && can_grant(waiter.held, waiter.wanted)) {
      grant(waiter.held, waiter.wanted);
      waiter.granted = true;
      waiter.unlink();
      waiter.settled.notify_all();
      return true;
    }
    if (!holders) {
      return false;  // smaller ones shall not overtake it for ever
    }
  }
  return false;
}

void ContentMemory::stop() {
  stopped_ = true;
  while (!waiting_.empty()) {
    waiting_.pop_front().settled.notify_all();
  }
}

}  // namespace ringpost::intake
