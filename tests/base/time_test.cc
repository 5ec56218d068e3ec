// sendmail's duration syntax and the two ways in which times are shown.
#include "ringpost/base/time.h"

#include <gtest/gtest.h>

#include <chrono>
#include <limits>
#include <string>
#include <string_view>

namespace ringpost {
namespace {

Duration parsed(std::string_view text, TimeUnit bare_unit = TimeUnit::minutes) {
  const Result<Duration> duration = parse_duration(text, bare_unit);
  EXPECT_TRUE(duration.has_value()) << text;
  return duration.value_or(Duration(-1));
}

TEST(Duration, UnitsAddUp) {
  EXPECT_EQ(parsed("2h30m"), 150min);
  EXPECT_EQ(parsed("1w2d3h4m5s"), std::chrono::days(9) + 3h + 4min + 5s);
  EXPECT_EQ(parsed("30m2h"), 150min);
  EXPECT_EQ(parsed("1H1M"), 61min);
  EXPECT_EQ(parsed("0s"), 0s);
}

TEST(Duration, ABareNumberTakesTheGivenUnit) {
  EXPECT_EQ(parsed("5", TimeUnit::seconds), 5s);
  EXPECT_EQ(parsed("5", TimeUnit::minutes), 5min);
  EXPECT_EQ(parsed("5", TimeUnit::hours), 5h);
  EXPECT_EQ(parsed("5", TimeUnit::days), std::chrono::days(5));
  EXPECT_EQ(parsed("1h5", TimeUnit::seconds), 1h + 5s);
}

TEST(Duration, WhatIsNoDurationSaysWhy) {
  for (const std::string_view bad :
       {"", "h", "5x", "-5m", "5m ", " 5m", "1h-", "1.5h", "5ms", "1hh"}) {
    const Result<Duration> duration = parse_duration(bad, TimeUnit::minutes);
    ASSERT_FALSE(duration.has_value()) << bad;
    EXPECT_NE(duration.error().message.find("is not a duration"), std::string::npos);
    EXPECT_FALSE(duration.error().remedy.empty());
  }
}

TEST(Duration, IsBoundedAtAHundredYears) {
  EXPECT_EQ(parsed("36500d"), std::chrono::days(36'500));
  for (const std::string_view bad :
       {"36501d", "36500d1s", "5300w", "18446744073709551615s", "18446744073709551616s",
        "9223372036854775807w", "36500d36500d36500d"}) {
    EXPECT_FALSE(parse_duration(bad, TimeUnit::seconds).has_value()) << bad;
  }
}

TEST(Duration, IsShownShort) {
  EXPECT_EQ(format_duration(0s), "0s");
  EXPECT_EQ(format_duration(150min), "2h30m");
  EXPECT_EQ(format_duration(std::chrono::days(9) + 5s), "9d5s");
  EXPECT_EQ(format_duration(250ms), "250ms");
  EXPECT_EQ(format_duration(1'500ms), "1500ms");
}

TEST(Duration, WhatIsShownIsReadBack) {
  for (const Duration duration :
       {Duration(1s), Duration(59s), Duration(61s), Duration(25h), Duration(10'000h + 7s)}) {
    EXPECT_EQ(parsed(format_duration(duration)), duration);
  }
}

WallTime at(int year, unsigned month, unsigned day, std::chrono::milliseconds time) {
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month),
                                         std::chrono::day(day)};
  return std::chrono::sys_days(date) + time;
}

TEST(WallTime, Rfc3339) {
  EXPECT_EQ(format_rfc3339(WallTime{}), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(format_rfc3339(at(2026, 1, 31, 23h + 59min + 59s + 7ms)), "2026-01-31T23:59:59.007Z");
  EXPECT_EQ(format_rfc3339(at(2024, 2, 29, 0ms)), "2024-02-29T00:00:00.000Z");
  EXPECT_EQ(format_rfc3339(WallTime(-1ms)), "1969-12-31T23:59:59.999Z");
  std::string text = "at ";
  append_rfc3339(text, WallTime(1'500ms));
  EXPECT_EQ(text, "at 1970-01-01T00:00:01.500Z");
}

TEST(WallTime, Rfc5322) {
  EXPECT_EQ(format_rfc5322(at(2026, 1, 31, 23h + 59min + 59s + 999ms)),
            "Sat, 31 Jan 2026 23:59:59 +0000");
  EXPECT_EQ(format_rfc5322(at(2023, 12, 3, 4h)), "Sun, 03 Dec 2023 04:00:00 +0000");
}

}  // namespace
}  // namespace ringpost
