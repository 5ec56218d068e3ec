// The time of a simulated world: one clock, and what is scheduled to happen at which moment. Only
// the world moves it. Equal moments happen in the order in which they were scheduled.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "ringpost/base/random.h"
#include "ringpost/base/time.h"

namespace ringpost::sim {

class SimClock {
 public:
  using Action = std::function<void()>;

  [[nodiscard]] Instant now() const { return now_; }
  // Milliseconds of the calendar at the same moment, before any host steps its own.
  [[nodiscard]] WallTime wall() const;

  void at(Instant when, Action action);
  void after(Duration delay, Action action) { at(now_ + delay, std::move(action)); }

  [[nodiscard]] Instant next() const {
    return scheduled_.empty() ? never : scheduled_.front().when;
  }
  void run_due();
  void move_to(Instant when) { now_ = when > now_ ? when : now_; }

 private:
  struct Scheduled {
    Instant when;
    std::uint64_t order;
    Action action;
  };
  static bool later(const Scheduled& a, const Scheduled& b);

  Instant now_ = Instant(std::chrono::seconds(1000));
  std::uint64_t order_ = 0;
  std::vector<Scheduled> scheduled_;  // a heap
};

inline bool chance(Random& random, double probability) {
  return probability > 0 && random.fraction() < probability;
}
// Uniform between both.
inline Duration between(Random& random, Duration least, Duration most) {
  return least + Duration(static_cast<std::int64_t>(
                     random.below(static_cast<std::uint64_t>((most - least).count()) + 1)));
}

}  // namespace ringpost::sim
