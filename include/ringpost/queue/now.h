// The moment at which a decision is taken, as the reactor read it this turn. The queue waits by the
// instant, so that a step of the wall clock moves no timer; the wall time serves only to translate
// what is stored (arrival, next attempt) and what is shown.
#pragma once

#include "ringpost/base/time.h"

namespace ringpost::queue {

struct Now {
  Instant instant;
  WallTime wall;

  // When `then` will be on this moment's clocks; no earlier than now, at most `longest` ahead.
  [[nodiscard]] Instant instant_of(WallTime then, Duration longest) const {
    const Duration ahead = then - wall;
    return instant +
           (ahead < Duration::zero() ? Duration::zero() : (ahead > longest ? longest : ahead));
  }
  [[nodiscard]] WallTime wall_of(Instant then) const {
    return wall + std::chrono::duration_cast<std::chrono::milliseconds>(then - instant);
  }
};

}  // namespace ringpost::queue
