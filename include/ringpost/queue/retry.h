// When a deferred recipient is tried again: after `first`, doubling up to `longest`, each time a
// random fifth more or less, and never after the message has expired. Values in, values out.
#pragma once

#include <cstdint>

#include "ringpost/base/random.h"
#include "ringpost/base/time.h"

namespace ringpost::queue {

struct RetrySettings {
  Duration first = 10min;     // `retry.first`
  Duration longest = 4h;      // `retry.max`, before jitter
  Duration expiry = 5 * 24h;  // `timeouts.queuereturn`, counted from arrival
};

inline constexpr double retry_jitter = 0.2;

// `attempts` counts the one that just failed: at least 1.
[[nodiscard]] Duration retry_delay(std::uint32_t attempts, const RetrySettings& settings,
                                   Random& random);
[[nodiscard]] WallTime next_attempt(std::uint32_t attempts, WallTime arrived, WallTime now,
                                    const RetrySettings& settings, Random& random);

}  // namespace ringpost::queue
