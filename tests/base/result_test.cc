// What an operator reads of an error: what is wrong, the system's reason, the remedy.
#include "ringpost/base/result.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "ringpost/base/check.h"

namespace ringpost {
namespace {

Result<int> half(int number) {
  if (number % 2 != 0) {
    return fail("the number is odd", "give an even one");
  }
  return number / 2;
}

TEST(Result, CarriesTheValueOrTheError) {
  EXPECT_EQ(half(4).value(), 2);
  const Result<int> odd = half(3);
  ASSERT_FALSE(odd.has_value());
  EXPECT_EQ(odd.error().describe(), "the number is odd; give an even one");
}

TEST(Result, ErrnoMayComeWithEitherSign) {
  for (const int given : {ENOENT, -ENOENT}) {
    const Result<> result = fail_errno(given, "cannot open /spool");
    EXPECT_EQ(result.error().system_errno, ENOENT);
    EXPECT_EQ(result.error().describe(), "cannot open /spool: No such file or directory (errno 2)");
  }
}

TEST(Result, AMessageStandsAlone) {
  const Result<> result = fail("it is full");
  EXPECT_EQ(result.error().describe(), "it is full");
}

TEST(CheckDeathTest, SaysWhatAndWhereAndStops) {
  check(true, "never seen");
  EXPECT_DEATH(check(false, "the sky is down"), "the sky is down.*result_test.cc");
}

}  // namespace
}  // namespace ringpost
