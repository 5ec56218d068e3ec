// Queue groups that are named by MX hosts, in a simulated world: learnt, changed, forgotten; on
// several shards, across restarts, and where name servers contradict themselves.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "sim/mail_world.h"

namespace ringpost::intake {
namespace {

using sim::MailWorld;
using Json = nlohmann::json;

constexpr std::uint64_t hosted = 8;     // domains whose MX hosts are a provider's
constexpr std::uint64_t elsewhere = 3;  // others

std::string hosted_domain(std::uint64_t number) {
  return "hosted" + std::to_string(number) + ".example";
}

std::string own_domain(std::uint64_t number) {
  return "own" + std::to_string(number) + ".example";
}

std::string providers_host(std::uint64_t number) {
  return "in" + std::to_string(number) + ".provider.example";
}

std::vector<std::string> provider_on(std::uint32_t shard, const std::string& more = {}) {
  return {R"(queue_group=[{name="provider",mx=["*.provider.example"],shard=)" +
          std::to_string(shard) + more + "}]"};
}

void add_sites(MailWorld& world, const sim::Personality& personality = {}) {
  for (std::uint64_t number = 0; number < hosted; ++number) {
    world.add_site(hosted_domain(number), personality, providers_host(number));
  }
  for (std::uint64_t number = 0; number < elsewhere; ++number) {
    world.add_site(own_domain(number), personality);
  }
}

void write_some(MailWorld& world, int count) {
  Random& random = world.world.random();
  for (int number = 0; number < count; ++number) {
    std::set<std::string> recipients;
    for (std::uint64_t most = 1 + random.below(3); most > 0; --most) {
      const bool of_provider = random.below(4) != 0;
      recipients.insert("reader" + std::to_string(random.below(500)) + "@" +
                        (of_provider ? hosted_domain(random.below(hosted))
                                     : own_domain(random.below(elsewhere))));
    }
    world.write({recipients.begin(), recipients.end()}, 200 + random.below(3'000));
  }
}

std::vector<Json> events(const MailWorld& world, const std::string& kind) {
  std::vector<Json> found;
  std::istringstream lines(world.relay.events());
  for (std::string line; std::getline(lines, line);) {
    Json event = Json::parse(line, nullptr, false);
    if (!event.is_discarded() && event.at("event") == kind) {
      found.push_back(std::move(event));
    }
  }
  return found;
}

bool is_hosted(const Json& event) {
  return event.at("recipient").get<std::string>().find("@hosted") != std::string::npos;
}

// How often any recipient moved at most.
int most_moves(const MailWorld& world) {
  std::map<std::string, int> moves;
  int most = 0;
  for (const Json& event : events(world, "moved")) {
    most = std::max(most, ++moves[event.at("sender").get<std::string>() + " " +
                                  event.at("recipient").get<std::string>()]);
  }
  return most;
}

class MxGroups : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  static void expect_empty_spools(MailWorld& world) {
    for (std::uint32_t number = 0; number < world.relay.shards(); ++number) {
      EXPECT_EQ(world.relay.shard(number).view().spool.counters().live_messages, 0U)
          << "done, and still in the spool";
    }
  }
};

TEST_P(MxGroups, DomainsInOtherScriptsFollowTheirMxHostsToo) {
  MailWorld world(GetParam(), 2, provider_on(static_cast<std::uint32_t>(GetParam() % 2)));
  sim::MailServer& server =
      world.add_site("xn--bcher-kva.example", {.utf8 = true}, providers_host(0));
  ASSERT_TRUE(world.relay.start_and_wait());
  for (int number = 0; number < 20; ++number) {
    sim::SentMessage& message =
        world.write({"reader@b\xc3\xbc"
                     "cher.example"});
    message.mail_parameters = " SMTPUTF8";
  }
  ASSERT_TRUE(world.inject(2));
  ASSERT_TRUE(world.settle(10min)) << world.queued() << " messages do not move";
  EXPECT_EQ(server.taken.size(), 20U);
  EXPECT_LE(most_moves(world), 1);
  EXPECT_TRUE(world.relay.drain());
}

TEST_P(MxGroups, RecipientsFollowTheirMxHostsAndLaterOnesGoThereAtOnce) {
  const auto shards = static_cast<std::uint32_t>(1 + GetParam() % 3);
  const std::uint32_t home = shards - 1;
  MailWorld world(GetParam(), shards, provider_on(home));
  add_sites(world);
  ASSERT_TRUE(world.relay.start_and_wait());
  write_some(world, 100);
  ASSERT_TRUE(world.inject(4));
  ASSERT_TRUE(world.settle(10min)) << world.queued() << " messages do not move";
  EXPECT_EQ(world.what_is_wrong(), "");
  EXPECT_EQ(world.complaints(), "");
  for (const Json& event : events(world, "delivered")) {
    EXPECT_EQ(event.at("group") == "provider", is_hosted(event)) << event;
    EXPECT_TRUE(!is_hosted(event) || event.at("shard") == home) << event;
  }
  const std::vector<Json> moved = events(world, "moved");
  EXPECT_FALSE(moved.empty());
  for (const Json& event : moved) {
    EXPECT_EQ(event.at("group"), "provider") << event;
    EXPECT_EQ(event.at("shard"), home) << event;
    EXPECT_TRUE(event.at("mx").get<std::string>().ends_with(".provider.example")) << event;
  }
  EXPECT_EQ(most_moves(world), 1);
  // Every shard has heard of it by now.
  for (std::uint64_t number = 0; number < hosted; ++number) {
    world.write({"later@" + hosted_domain(number)});
  }
  ASSERT_TRUE(world.inject(3));
  ASSERT_TRUE(world.settle(10min));
  EXPECT_EQ(world.what_is_wrong(), "");
  std::set<std::string> known;
  for (const Json& event : moved) {
    const std::string recipient = event.at("recipient");
    known.insert(recipient.substr(recipient.find('@')));
  }
  for (const Json& event : events(world, "moved")) {
    const std::string recipient = event.at("recipient");
    EXPECT_FALSE(recipient.starts_with("later@") &&
                 known.contains(recipient.substr(recipient.find('@'))))
        << event;
  }
  expect_empty_spools(world);
  EXPECT_TRUE(world.relay.drain());
}

TEST_P(MxGroups, AChangedAnswerCountsWhenTheOldOneHasExpired) {
  bool refusing = true;
  const auto policy = [&refusing](std::string_view command, std::string_view) {
    return command == "RCPT" && refusing ? std::string("451 4.2.0 later") : std::string();
  };
  std::vector<std::string> settings = provider_on(1);
  settings.insert(settings.end(), {"retry.first=10m", "retry.max=10m"});
  MailWorld world(GetParam(), 2, settings);
  add_sites(world, {.reply_delay = 1ms, .policy = policy});
  ASSERT_TRUE(world.relay.start_and_wait());
  for (std::uint64_t number = 0; number < hosted; ++number) {
    world.write({"reader@" + hosted_domain(number), "reader@" + own_domain(number % elsewhere)});
  }
  ASSERT_TRUE(world.inject(2));
  world.world.run_for(1min);
  EXPECT_EQ(events(world, "moved").size(), hosted);
  // Those of the provider leave it, and the others go there.
  for (std::uint64_t number = 0; number < hosted; ++number) {
    world.rename_host(hosted_domain(number), "mx." + hosted_domain(number));
  }
  for (std::uint64_t number = 0; number < elsewhere; ++number) {
    world.rename_host(own_domain(number), providers_host(100 + number));
  }
  world.run_minutes(20);
  refusing = false;
  ASSERT_TRUE(world.settle(1h)) << world.queued() << " messages do not move";
  EXPECT_EQ(world.what_is_wrong(), "");
  const std::vector<Json> delivered = events(world, "delivered");
  EXPECT_EQ(delivered.size(), 2 * hosted);
  for (const Json& event : delivered) {
    EXPECT_EQ(event.at("group") == "provider", !is_hosted(event)) << event;
  }
  EXPECT_EQ(most_moves(world), 2);
  expect_empty_spools(world);
  EXPECT_TRUE(world.relay.drain());
}

TEST_P(MxGroups, AnswersThatContradictEachOtherSendNobodyBackAndForth) {
  MailWorld world(GetParam(), 3, provider_on(1));
  add_sites(world, {.reply_delay = 1ms});
  world.names.time_to_live = static_cast<std::uint32_t>(GetParam() % 2) * 60;
  for (std::uint64_t number = 0; number < hosted; ++number) {
    world.rename_host(hosted_domain(number), providers_host(number));
    world.names.add_address("mx." + hosted_domain(number),
                            world.site_address(hosted_domain(number)));
    world.names.undecided[hosted_domain(number)] = "mx." + hosted_domain(number);
  }
  ASSERT_TRUE(world.relay.start_and_wait());
  for (int round = 0; round < 10; ++round) {
    write_some(world, 20);
    world.begin_inject(3);
    world.world.run_for(20s);
  }
  ASSERT_TRUE(world.settle(10min)) << world.queued() << " messages do not move";
  EXPECT_EQ(world.what_is_wrong(), "");
  EXPECT_EQ(world.complaints(), "");
  EXPECT_LE(most_moves(world), 3);
  expect_empty_spools(world);
  EXPECT_TRUE(world.relay.drain());
}

TEST_P(MxGroups, NothingIsLostInAnyCrash) {
  const auto shards = static_cast<std::uint32_t>(1 + GetParam() % 3);
  MailWorld world(GetParam(), shards, provider_on(shards - 1));
  add_sites(world, {.reply_delay = 1ms, .policy = {}});
  Random& random = world.world.random();
  const int crashes = 2 + static_cast<int>(random.below(4));
  for (int crash = 0; crash < crashes; ++crash) {
    ASSERT_TRUE(world.relay.start_and_wait());
    write_some(world, 40);
    world.begin_inject(4);
    world.world.run_for(sim::between(random, 0us, 300ms));
    world.relay.crash(random.below(3) == 0 ? sim::Crash::killed : sim::Crash::power_cut);
    world.world.run_for(1s);
  }
  ASSERT_TRUE(world.relay.start_and_wait());
  ASSERT_TRUE(world.settle(1h)) << world.queued() << " messages do not move";
  EXPECT_EQ(world.what_is_wrong(true), "");
  EXPECT_EQ(world.complaints(), "");
  for (const auto& [recipient, told] : world.told()) {
    EXPECT_LE(world.copies(recipient.first, recipient.second),
              static_cast<std::size_t>(1 + crashes));
  }
  expect_empty_spools(world);
  EXPECT_TRUE(world.relay.drain());
}

TEST_P(MxGroups, WhatWaitsStaysWithItsGroupOverARestart) {
  bool refusing = true;
  const auto policy = [&refusing](std::string_view command, std::string_view) {
    return command == "RCPT" && refusing ? std::string("451 4.2.0 later") : std::string();
  };
  MailWorld world(GetParam(), 3, provider_on(2));
  add_sites(world, {.reply_delay = 1ms, .policy = policy});
  ASSERT_TRUE(world.relay.start_and_wait());
  for (std::uint64_t number = 0; number < hosted; ++number) {
    world.write({"reader@" + hosted_domain(number)});
  }
  ASSERT_TRUE(world.inject(2));
  world.world.run_for(1min);
  EXPECT_EQ(world.relay.shard(2).view().messages.size(), hosted);
  EXPECT_EQ(world.queued(), hosted);
  world.relay.crash(sim::Crash::killed);
  world.world.run_for(1s);
  refusing = false;
  ASSERT_TRUE(world.relay.start_and_wait());
  EXPECT_EQ(world.relay.shard(2).view().messages.size(), hosted);
  ASSERT_TRUE(world.settle(1h));
  EXPECT_EQ(world.what_is_wrong(), "");
  std::map<std::string, Json> parts;
  for (const Json& event : events(world, "deferred")) {
    if (!event.at("recipient").is_null()) {
      parts[event.at("recipient")] = event.at("part");
    }
  }
  for (const Json& event : events(world, "delivered")) {
    EXPECT_EQ(event.at("part"), parts.at(event.at("recipient"))) << "handed over for nothing";
  }
  EXPECT_TRUE(world.relay.drain());
}

// With mail queued in every state: the pattern comes, the group moves, the pattern goes.
TEST_P(MxGroups, PatternsComeAndGoByReload) {
  bool refusing = true;
  const auto policy = [&refusing](std::string_view command, std::string_view) {
    return command == "RCPT" && refusing ? std::string("451 4.2.0 later") : std::string();
  };
  MailWorld world(GetParam(), 3, {"retry.first=10m", "retry.max=10m"});
  add_sites(world, {.reply_delay = 1ms, .policy = policy});
  ASSERT_TRUE(world.relay.start_and_wait());
  write_some(world, 40);
  ASSERT_TRUE(world.inject(3));
  world.world.run_for(10s);
  const std::vector<std::vector<std::string>> plans{
      provider_on(1), provider_on(2), {}, provider_on(0)};
  for (std::vector<std::string> plan : plans) {
    plan.insert(plan.end(), {"retry.first=10m", "retry.max=10m"});
    world.relay.reload(plan);
    write_some(world, 10);
    world.begin_inject(2);
    world.run_minutes(40);
    EXPECT_EQ(world.what_is_wrong(true).find("content"), std::string::npos);
  }
  // All have been tried again since the last one.
  for (std::uint32_t number = 1; number < 3; ++number) {
    world.relay.shard(number).view().messages.for_each([&](const queue::QueuedMessage& message) {
      for (const queue::QueuedRecipient& recipient : message.recipients()) {
        EXPECT_TRUE(recipient.entry() == nullptr ||
                    message.address_of(recipient).find("@hosted") == std::string_view::npos);
      }
    });
  }
  refusing = false;
  ASSERT_TRUE(world.settle(6h)) << world.queued() << " messages do not move";
  EXPECT_EQ(world.what_is_wrong(), "");
  for (const Json& event : events(world, "delivered")) {
    EXPECT_EQ(event.at("group") == "provider", is_hosted(event)) << event;
  }
  expect_empty_spools(world);
  EXPECT_TRUE(world.relay.drain());
}

INSTANTIATE_TEST_SUITE_P(Seeds, MxGroups, ::testing::Range<std::uint64_t>(0, 8));

}  // namespace
}  // namespace ringpost::intake
