#include "ringpost/dns/cache.h"

#include <gtest/gtest.h>

namespace ringpost::dns {
namespace {

struct Value {
  int number = 0;
  Instant expires{};
};

constexpr Instant start{};

TEST(Cache, ForgetsAtExpiry) {
  Cache<Value> cache(4);
  cache.put("a.example", {1, start + 10s});
  ASSERT_NE(cache.find("a.example", start + 10s - 1ns), nullptr);
  EXPECT_EQ(cache.find("a.example", start + 10s), nullptr);
  EXPECT_EQ(cache.size(), 0U);
  EXPECT_EQ(cache.find("b.example", start), nullptr);
}

TEST(Cache, ReplacesInPlace) {
  Cache<Value> cache(2);
  cache.put("a", {1, start + 10s});
  cache.put("a", {2, start + 20s});
  EXPECT_EQ(cache.size(), 1U);
  ASSERT_NE(cache.find("a", start + 15s), nullptr);
  EXPECT_EQ(cache.find("a", start + 15s)->number, 2);
}

TEST(Cache, DropsTheLeastRecentlyUsed) {
  Cache<Value> cache(3);
  cache.put("a", {1, start + 10s});
  cache.put("b", {2, start + 10s});
  cache.put("c", {3, start + 10s});
  EXPECT_NE(cache.find("a", start), nullptr);
  cache.put("b", {4, start + 10s});
  cache.put("d", {5, start + 10s});
  EXPECT_EQ(cache.size(), 3U);
  EXPECT_EQ(cache.find("c", start), nullptr);
  EXPECT_NE(cache.find("a", start), nullptr);
  EXPECT_NE(cache.find("b", start), nullptr);
  EXPECT_NE(cache.find("d", start), nullptr);
}

TEST(Cache, StaysWithinItsBound) {
  Cache<Value> cache(100);
  for (int i = 0; i < 10'000; ++i) {
    cache.put(std::to_string(i), {i, start + 1s});
    ASSERT_LE(cache.size(), 100U);
  }
  EXPECT_EQ(cache.find("9899", start), nullptr);
  EXPECT_NE(cache.find("9900", start), nullptr);
}

TEST(Cache, ClampsTimesToLive) {
  EXPECT_EQ(clamp_time_to_live(0s, Polarity::positive), 5s);
  EXPECT_EQ(clamp_time_to_live(1h, Polarity::positive), 1h);
  EXPECT_EQ(clamp_time_to_live(48h, Polarity::positive), 24h);
  EXPECT_EQ(clamp_time_to_live(0s, Polarity::negative), 5s);
  EXPECT_EQ(clamp_time_to_live(1h, Polarity::negative), 5min);
}

}  // namespace
}  // namespace ringpost::dns
