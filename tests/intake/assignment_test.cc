// Which group a recipient belongs to, and where groups live.
#include "ringpost/intake/assignment.h"

#include <gtest/gtest.h>

#include <map>

namespace ringpost::intake {
namespace {

config::QueueGroup group(std::string name, std::vector<std::string> domains = {}) {
  config::QueueGroup made;
  made.name = std::move(name);
  made.domains = std::move(domains);
  return made;
}

config::Config sample() {
  config::Config config;
  config.queue_groups.push_back(group("big", {"gmail.test", "*.example"}));
  config.queue_groups.push_back(group("deep", {"*.deep.example", "one.example"}));
  config.queue_groups[1].shard = 1;
  for (int number = 0; number < 4; ++number) {
    config.default_groups.push_back(group("default-" + std::to_string(number)));
  }
  return config;
}

std::string group_of(const Assignment& assignment, std::string_view address) {
  return assignment.groups()[assignment.place(address).group].settings.name;
}

TEST(Assignment, ExactBeatsSuffixAndTheLongestSuffixWins) {
  const Assignment assignment(sample(), 2);
  EXPECT_EQ(group_of(assignment, "a@gmail.test"), "big");
  EXPECT_EQ(group_of(assignment, "a@x.example"), "big");
  EXPECT_EQ(group_of(assignment, "a@one.example"), "deep");
  EXPECT_EQ(group_of(assignment, "a@y.x.deep.example"), "deep");
  EXPECT_EQ(assignment.place("a@y.x.deep.example").kind, MatchKind::suffix);
}

TEST(Assignment, ASuffixDoesNotMatchItsOwnDomainNorALongerWord) {
  const Assignment assignment(sample(), 2);
  EXPECT_EQ(assignment.place("a@example").kind, MatchKind::fallback);
  EXPECT_EQ(assignment.place("a@notgmail.test").kind, MatchKind::fallback);
  EXPECT_EQ(assignment.place("a@myexample").kind, MatchKind::fallback);
}

TEST(Assignment, ULabelsBelongWhereTheirALabelsDo) {
  config::Config config = sample();
  config.queue_groups[0].domains.push_back("xn--bcher-kva.test");
  config.queue_groups[1].domains.push_back("*.xn--tda.test");
  const Assignment assignment(config, 2);
  EXPECT_EQ(group_of(assignment,
                     "a@B\xc3\x9c"
                     "CHER.test"),
            "big");
  EXPECT_EQ(group_of(assignment, "a@x.\xc3\xbc.test"), "deep");
  for (const auto& [written, form] : {std::pair{"a@\xc3\xb6.net", "a@xn--nda.net"},
                                      std::pair{"a@fa\xc3\x9f.net", "a@xn--fa-hia.net"}}) {
    EXPECT_EQ(assignment.place(written).group, assignment.place(form).group) << written;
  }
}

TEST(Assignment, CaseOfADomainDoesNotMatter) {
  const Assignment assignment(sample(), 2);
  EXPECT_EQ(group_of(assignment, "a@GMail.Test"), "big");
  EXPECT_EQ(assignment.place("a@Other.test").group, assignment.place("b@oTHER.TEST").group);
}

TEST(Assignment, DefaultGroupsShareTheRestAndTheShards) {
  const Assignment assignment(sample(), 2);
  std::map<std::uint32_t, int> domains;
  for (int number = 0; number < 4'000; ++number) {
    ++domains[assignment.place("a@d" + std::to_string(number) + ".test").group];
  }
  EXPECT_EQ(domains.size(), 4U);
  for (const auto& [number, count] : domains) {
    EXPECT_NEAR(count, 1'000, 200);
  }
  EXPECT_EQ(assignment.shard_of(2), 0U);
  EXPECT_EQ(assignment.shard_of(3), 1U);
  EXPECT_EQ(assignment.shard_of(1), 1U);
}

TEST(Assignment, AShardBeyondTheirNumberIsFolded) {
  config::Config config = sample();
  config.queue_groups[1].shard = 7;
  const Assignment assignment(config, 2);
  EXPECT_LT(assignment.shard_of(1), 2U);
}

// A change here would hand queued mail to other shards after an upgrade.
TEST(Assignment, TheHashStaysWhatItIs) {
  const Assignment assignment(sample(), 2);
  EXPECT_EQ(assignment.place_domain("gmail.com").group, assignment.place_domain("GMAIL.COM").group);
  std::string groups;
  for (const char* domain : {"gmail.com", "yahoo.com", "web.de", "example.org", "d1.test"}) {
    groups += std::to_string(assignment.place_domain(domain).group);
  }
  EXPECT_EQ(groups, "25543");
}

}  // namespace
}  // namespace ringpost::intake
