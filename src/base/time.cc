#include "ringpost/base/time.h"

#include <fmt/format.h>

#include <array>
#include <optional>

#include "ringpost/base/text.h"

namespace ringpost {
namespace {

constexpr std::int64_t longest_s = 100LL * 365 * 86'400;

constexpr std::int64_t seconds_of(TimeUnit unit) {
  switch (unit) {
    case TimeUnit::seconds:
      return 1;
    case TimeUnit::minutes:
      return 60;
    case TimeUnit::hours:
      return 3'600;
    case TimeUnit::days:
      return 86'400;
  }
  return 1;
}

std::optional<std::int64_t> seconds_of(char unit) {
  switch (ascii_lower(unit)) {
    case 'w':
      return 7 * 86'400;
    case 'd':
      return 86'400;
    case 'h':
      return 3'600;
    case 'm':
      return 60;
    case 's':
      return 1;
    default:
      return std::nullopt;
  }
}

void put_digits(char* at, int count, unsigned number) {
  while (count-- > 0) {
    at[count] = static_cast<char>('0' + number % 10);
    number /= 10;
  }
}

Failure bad_duration(std::string_view text, std::string_view why) {
  return fail(fmt::format("'{}' is not a duration: {}", text, why),
              "write numbers with the units w, d, h, m, s, for example 2h30m");
}

}  // namespace

Result<Duration> parse_duration(std::string_view text, TimeUnit bare_unit) {
  if (text.empty()) {
    return bad_duration(text, "it is empty");
  }
  std::int64_t total_s = 0;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;
    while (end < text.size() && is_digit(text[end])) {
      ++end;
    }
    const std::optional<std::uint64_t> number = parse_number(text.substr(at, end - at));
    if (!number) {
      return bad_duration(text, fmt::format("a number is missing at character {}", at + 1));
    }
    std::int64_t unit_s = seconds_of(bare_unit);
    if (end < text.size()) {
      const std::optional<std::int64_t> named = seconds_of(text[end]);
      if (!named) {
        return bad_duration(text, fmt::format("unknown unit '{}'", text[end]));
      }
      unit_s = *named;
      ++end;
    }
    if (*number > static_cast<std::uint64_t>(longest_s / unit_s)) {
      return bad_duration(text, "it is longer than 100 years");
    }
    total_s += static_cast<std::int64_t>(*number) * unit_s;
    if (total_s > longest_s) {
      return bad_duration(text, "it is longer than 100 years");
    }
    at = end;
  }
  return std::chrono::seconds(total_s);
}

std::string format_duration(Duration duration) {
  const auto total_ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  if (total_ms % 1000 != 0) {
    return fmt::format("{}ms", total_ms);
  }
  struct Unit {
    std::int64_t seconds;
    char name;
  };
  static constexpr std::array units{Unit{86'400, 'd'}, Unit{3'600, 'h'}, Unit{60, 'm'},
                                    Unit{1, 's'}};
  std::int64_t rest_s = total_ms / 1000;
  std::string text;
  for (const Unit& unit : units) {
    if (rest_s >= unit.seconds) {
      text += fmt::format("{}{}", rest_s / unit.seconds, unit.name);
      rest_s %= unit.seconds;
    }
  }
  return text.empty() ? "0s" : text;
}

// Without fmt: every line of the event log has one.
void append_rfc3339(std::string& out, WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const auto ms = static_cast<unsigned>((time - day).count());
  const auto year = static_cast<unsigned>(static_cast<int>(date.year()));
  char text[] = "0000-00-00T00:00:00.000Z";
  put_digits(text, 4, year);
  put_digits(text + 5, 2, static_cast<unsigned>(date.month()));
  put_digits(text + 8, 2, static_cast<unsigned>(date.day()));
  put_digits(text + 11, 2, ms / 3'600'000);
  put_digits(text + 14, 2, ms / 60'000 % 60);
  put_digits(text + 17, 2, ms / 1'000 % 60);
  put_digits(text + 20, 3, ms % 1'000);
  out.append(text, sizeof(text) - 1);
}

std::string format_rfc3339(WallTime time) {
  std::string text;
  append_rfc3339(text, time);
  return text;
}

std::string format_rfc5322(WallTime time) {
  static constexpr std::array days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} +0000",
                     days[std::chrono::weekday(day).c_encoding()],
                     static_cast<unsigned>(date.day()),
                     months[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

}  // namespace ringpost
