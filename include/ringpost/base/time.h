// Time: a monotonic Instant for timers, a WallTime for what is stored and shown, and sendmail's
// duration syntax. Nothing here reads a clock: the reactor does, once a turn.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "ringpost/base/result.h"

namespace ringpost {

using namespace std::chrono_literals;

using Duration = std::chrono::nanoseconds;

struct MonotonicClock {  // a tag: nanoseconds since an arbitrary start, never stepped
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicClock>;
  static constexpr bool is_steady = true;
};
using Instant = MonotonicClock::time_point;

// Milliseconds since 1970-01-01 UTC. May be stepped by the operator at any moment.
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;

inline constexpr Instant never = Instant::max();

// Unit that a bare number takes in sendmail's time syntax.
enum class TimeUnit : std::uint8_t { seconds, minutes, hours, days };

// sendmail's syntax: `N[wdhms]…`, summed (`2h30m`); a bare (trailing) number takes `bare_unit`.
// Errors: empty text, an unknown unit, a sum over 100 years.
[[nodiscard]] Result<Duration> parse_duration(std::string_view text, TimeUnit bare_unit);
// The shortest text in the same syntax, e.g. `2h30m`, `0s`, `250ms` (the last for display only).
[[nodiscard]] std::string format_duration(Duration duration);

// RFC 3339 in UTC with milliseconds: 2026-01-31T23:59:59.123Z
[[nodiscard]] std::string format_rfc3339(WallTime time);
void append_rfc3339(std::string& out, WallTime time);
// RFC 5322 section 3.3 in UTC: Sat, 31 Jan 2026 23:59:59 +0000
[[nodiscard]] std::string format_rfc5322(WallTime time);

}  // namespace ringpost
