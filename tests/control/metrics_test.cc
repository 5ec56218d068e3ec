#include "ringpost/control/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <sstream>

namespace ringpost::control {
namespace {

using testing::HasSubstr;

ShardMetrics shard_with(std::uint32_t number, std::uint64_t destinations) {
  ShardMetrics shard;
  shard.status.shard = number;
  shard.status.ready = destinations * 10;
  shard.status.delivered_total = 7;
  shard.groups.push_back({.group = "bulk", .shard = number, .runners = 20, .delivered_total = 7});
  for (std::uint64_t at = 0; at < destinations; ++at) {
    QueueLine line;
    line.destination = "d" + std::to_string(at) + ".example";
    line.group = "bulk";
    line.ready = 10;
    shard.destinations.push_back(line);
  }
  return shard;
}

// The grammar of the text exposition format, and promtool's rules for names.
TEST(Metrics, EachFamilyIsTypedAndEachSampleWellFormed) {
  ShardMetrics odd = shard_with(1, 1);
  odd.destinations[0].destination = "a\"b\\c\nd\xff";
  std::istringstream lines(metrics_text({shard_with(0, 2), odd}, "1.0", 1500, false));
  const std::regex sample(
      R"re(([a-z_]+)(\{[a-z_]+="([^"\\]|\\.)*"(,[a-z_]+="([^"\\]|\\.)*")*\})? [0-9.e+]+)re");
  std::string family;
  std::string type;
  std::set<std::string> families;
  std::set<std::string> samples;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# HELP ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(families.insert(family).second) << "twice: " << family;
      continue;
    }
    if (line.starts_with("# TYPE ")) {
      EXPECT_TRUE(line.starts_with("# TYPE " + family + " ")) << line;
      type = line.substr(line.rfind(' ') + 1);
      EXPECT_EQ(type == "counter", family.ends_with("_total")) << family;
      continue;
    }
    std::smatch match;
    EXPECT_TRUE(std::regex_match(line, match, sample)) << line;
    EXPECT_EQ(match[1], family) << line;
    EXPECT_TRUE(samples.insert(line.substr(0, line.rfind(' '))).second) << "twice: " << line;
  }
  EXPECT_GE(families.size(), 20U);
}

TEST(Metrics, WhatIsNotShownByNameIsOther) {
  const std::string text = metrics_text({shard_with(0, 40), shard_with(1, 40)}, "1.0", 0, true);
  EXPECT_THAT(text, HasSubstr("ringpost_draining 1\n"));
  EXPECT_THAT(text, HasSubstr("ringpost_recipients{shard=\"1\",state=\"ready\"} 400\n"));
  EXPECT_THAT(text,
              HasSubstr("ringpost_recipients_ended_total{shard=\"0\",outcome=\"delivered\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("ringpost_group_runners{group=\"bulk\",shard=\"0\"} 20\n"));
  // 80 destinations with 10 each, 50 of them by name.
  EXPECT_THAT(text, HasSubstr("ringpost_destination_recipients{destination=\"other\",group=\"\","
                              "state=\"ready\"} 300\n"));
}

}  // namespace
}  // namespace ringpost::control
