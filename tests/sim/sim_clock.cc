#include "sim/sim_clock.h"

#include <algorithm>
#include <utility>

namespace ringpost::sim {
namespace {

constexpr WallTime wall_at_start = WallTime(std::chrono::days(20'000));

}  // namespace

bool SimClock::later(const Scheduled& a, const Scheduled& b) {
  return a.when != b.when ? a.when > b.when : a.order > b.order;
}

WallTime SimClock::wall() const {
  return wall_at_start + std::chrono::duration_cast<std::chrono::milliseconds>(
                             now_ - Instant(std::chrono::seconds(1000)));
}

void SimClock::at(Instant when, Action action) {
  scheduled_.push_back({when, order_++, std::move(action)});
  std::ranges::push_heap(scheduled_, later);
}

void SimClock::run_due() {
  while (!scheduled_.empty() && scheduled_.front().when <= now_) {
    std::ranges::pop_heap(scheduled_, later);
    const Action action = std::move(scheduled_.back().action);
    scheduled_.pop_back();
    action();
  }
}

}  // namespace ringpost::sim
