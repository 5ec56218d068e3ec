#include "ringpost/queue/host_status.h"

#include <algorithm>
#include <utility>

namespace ringpost::queue {
namespace {

// Whatever is believed: nobody is asked again and again without a pause.
constexpr Duration shortest_delay = 1s;

}  // namespace

Instant HostStatus::mark_down(std::string reason, Instant now, const HostStatusSettings& settings) {
  if (suspended(now)) {
    reason_ = std::move(reason);
    return until_;
  }
  Duration delay = std::min(settings.first_probe, settings.believed);
  for (std::uint8_t failed = 0; failed < failures_ && delay < settings.believed; ++failed) {
    delay = std::min(delay * 2, settings.believed);
  }
  delay = std::max(delay, shortest_delay);
  failures_ = static_cast<std::uint8_t>(std::min(failures_ + 1, 100));
  return mark_down_until(std::move(reason), now + delay);
}

Instant HostStatus::mark_down_until(std::string reason, Instant until) {
  until_ = state_ == State::down ? std::max(until_, until) : until;
  state_ = State::down;
  allowed_ = 0;
  successes_ = 0;
  reason_ = std::move(reason);
  return until_;
}

void HostStatus::mark_success(std::uint32_t limit) {
  if (state_ == State::up) {
    return;
  }
  if (state_ == State::down) {
    state_ = State::recovering;
    allowed_ = 1;
    successes_ = 0;
  }
  if (++successes_ < allowed_) {
    return;
  }
  successes_ = 0;
  allowed_ *= 2;
  if (allowed_ >= limit) {
    state_ = State::up;
    failures_ = 0;
    reason_.clear();
  }
}

std::uint32_t HostStatus::allowed_connections(Instant now, std::uint32_t limit) const {
  switch (state_) {
    case State::up:
      return limit;
    case State::recovering:
      return std::min(allowed_, limit);
    case State::down:
      break;
  }
  return now < until_ ? 0 : std::min(limit, 1U);
}

}  // namespace ringpost::queue
