#include "ringpost/queue/retry.h"

#include <algorithm>

#include "ringpost/base/check.h"

namespace ringpost::queue {

Duration retry_delay(std::uint32_t attempts, const RetrySettings& settings, Random& random) {
  check(attempts > 0, "a retry follows at least one attempt");
  Duration delay = std::min(settings.first, settings.longest);
  for (std::uint32_t doubled = 1; doubled < attempts && delay < settings.longest; ++doubled) {
    delay = std::min(delay * 2, settings.longest);
  }
  const double factor = 1 - retry_jitter + 2 * retry_jitter * random.fraction();
  return Duration(static_cast<Duration::rep>(static_cast<double>(delay.count()) * factor));
}

WallTime next_attempt(std::uint32_t attempts, WallTime arrived, WallTime now,
                      const RetrySettings& settings, Random& random) {
  using std::chrono::milliseconds;
  const WallTime due =
      now + std::chrono::ceil<milliseconds>(retry_delay(attempts, settings, random));
  const WallTime expires = arrived + std::chrono::floor<milliseconds>(settings.expiry);
  return std::min(due, expires);
}

}  // namespace ringpost::queue
