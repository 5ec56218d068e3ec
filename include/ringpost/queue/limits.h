// Limits of a destination: the token bucket behind `rate`, and limits as values, so that `explain`
// can say which one binds. Changed by the queue group only; knows no clock.
#pragma once

#include <cstdint>
#include <string>

#include "ringpost/base/time.h"

namespace ringpost::queue {

// One limit and how much of it is in use.
struct LimitValue {
  std::string name;  // the configuration key
  double value = 0;
  double used = 0;
  bool binding = false;   // it is what holds ready work up now
  Instant lifts = never;  // when it will lift by itself, where that is known
};

// Messages per second, evenly: a burst holds at most a tenth of a second's worth, at least one.
class TokenBucket {
 public:
  TokenBucket() = default;  // no limit
  explicit TokenBucket(double messages_per_second);

  [[nodiscard]] bool limited() const { return per_message_ != Duration::zero(); }
  // When the next message may go; `now` if at once.
  [[nodiscard]] Instant next(Instant now) const { return earliest_ > now ? earliest_ : now; }
  // A message goes, at a time that next() allows.
  void take(Instant now);

 private:
  Duration per_message_{0};
  Duration burst_{0};
  Instant earliest_ = Instant::min();
};

}  // namespace ringpost::queue
