// The JSON to the letter: scripts read it.
#include "ringpost/control/answers.h"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>

namespace ringpost::control {
namespace {

constexpr WallTime noon{std::chrono::milliseconds(1'769'860'800'500)};  // 2026-01-31T12:00:00.500Z

TEST(Answers, StatusSumsItsShards) {
  Status status{"0.1.0", 7, false, 1500, {}};
  ShardStatus first;
  first.shard = 0;
  first.messages_queued = 3;
  first.delivered_total = 40;
  first.spool_free_bytes = 1ULL << 40;
  ShardStatus second = first;
  second.shard = 1;
  status.shards = {first, second};
  const auto json = nlohmann::ordered_json::parse(to_json(status));
  EXPECT_EQ(json["state"], "ready");
  EXPECT_EQ(json["shards"].size(), 2U);
  EXPECT_EQ(json["shards"][1]["shard"], 1);
  EXPECT_EQ(json["totals"]["shard"], nullptr);
  EXPECT_EQ(json["totals"]["messages_queued"], 6);
  EXPECT_EQ(json["totals"]["delivered_total"], 80);
  EXPECT_EQ(json["totals"]["spool_free_bytes"], 2ULL << 40);
  status.draining = true;
  EXPECT_EQ(nlohmann::ordered_json::parse(to_json(status))["state"], "draining");
}

TEST(Answers, TotalsAddEveryField) {
  // All numbers of a shard are in its JSON; each must be twice as large in a sum of two.
  ShardStatus shard;
  std::uint64_t value = 1;
  for (std::uint64_t* field : {&shard.messages_queued,  &shard.ready,
                               &shard.deferred,         &shard.held,
                               &shard.in_flight,        &shard.connections_open,
                               &shard.connections_idle, &shard.accepted_total,
                               &shard.delivered_total,  &shard.deferred_total,
                               &shard.bounced_total,    &shard.expired_total,
                               &shard.in_doubt_total,   &shard.quarantined_total,
                               &shard.spool_live_bytes, &shard.spool_free_bytes,
                               &shard.deleted_total,    &shard.suppressed_total,
                               &shard.reports_owed,     &shard.only_in_memory}) {
    *field = value++;
  }
  const auto json =
      nlohmann::ordered_json::parse(to_json(Status{"", 0, false, 0, "", {shard, shard}}));
  EXPECT_EQ(json["totals"].size(), value);
  for (const auto& [name, number] : json["totals"].items()) {
    if (name != "shard") {
      EXPECT_EQ(number.get<std::uint64_t>(), 2 * json["shards"][0][name].get<std::uint64_t>());
      EXPECT_NE(number, 0) << name;
    }
  }
}

TEST(Answers, QueueSaysNullWhereNothingIsKnown) {
  QueueLine line;
  line.destination = "google";
  line.group = "bulk";
  line.shard = 1;
  line.ready = 2;
  Queue queue{{line}, true};
  EXPECT_EQ(to_json(queue),
            R"({"destinations":[{"destination":"google","group":"bulk","shard":1,"ready":2,)"
            R"("deferred":0,"held":0,"in_flight":0,"oldest":null,"next_attempt":null,)"
            R"("connections_open":0,"connections_idle":0,"last_error":null}],"truncated":true})");
  queue.destinations[0].oldest = noon;
  queue.destinations[0].last_error = LastError{noon, "", "421 busy"};
  const auto json = nlohmann::ordered_json::parse(to_json(queue));
  EXPECT_EQ(json["destinations"][0]["oldest"], "2026-01-31T12:00:00.500Z");
  EXPECT_EQ(json["destinations"][0]["last_error"].dump(),
            R"({"time":"2026-01-31T12:00:00.500Z","status":null,"reply":"421 busy"})");
  EXPECT_EQ(to_json(Queue{}), R"({"destinations":[],"truncated":false})");
}

TEST(Answers, Groups) {
  EXPECT_EQ(
      to_json(Groups{{GroupLine{"bulk", 1, 100, 7, 1, 2, 3, 4, 5, 6, "", "commit", "nothing"}}}),
      R"({"groups":[{"group":"bulk","shard":1,"runners":100,"runners_busy":7,"ready":1,)"
      R"("deferred":2,"held":3,"in_flight":4,"delivered_total":5,)"
      R"("connections_opened_total":6,"held_by":null,"durability":"commit",)"
      R"("possible_loss":"nothing"}]})");
  EXPECT_EQ(to_json(Groups{}), R"({"groups":[]})");
}

TEST(Answers, Explanation) {
  Explanation explanation;
  explanation.address = "a@b.example";
  explanation.matched_kind = "suffix";
  explanation.matched_pattern = "*.example";
  explanation.matched_set_at = "ringpost.toml:7";
  explanation.group = "bulk";
  explanation.mx = {{"mx.b.example", 10, {"192.0.2.1"}, "up", std::nullopt},
                    {"static.example", std::nullopt, {}, "", noon}};
  explanation.limits = {{"rate", 2.5, 1.0, "default"}, {"runners", std::nullopt, 3, "x:1"}};
  EXPECT_EQ(to_json(explanation),
            R"({"address":"a@b.example","matched":{"kind":"suffix","pattern":"*.example",)"
            R"("set_at":"ringpost.toml:7"},"group":"bulk","shard":0,"destination":null,"via":null,)"
            R"("tls":{"policy":null,"set_at":null},)"
            R"("mx":[{"host":"mx.b.example","preference":10,"addresses":["192.0.2.1"],)"
            R"("state":"up","until":null},{"host":"static.example","preference":null,)"
            R"("addresses":[],"state":null,"until":"2026-01-31T12:00:00.500Z"}],)"
            R"("limits":[{"name":"rate","value":2.5,"used":1,"set_at":"default"},)"
            R"({"name":"runners","value":null,"used":3,"set_at":"x:1"}],"binding":null})");
  explanation.binding = Explanation::Binding{"rate", noon, std::nullopt};
  EXPECT_TRUE(to_json(explanation)
                  .ends_with(R"("binding":{"limit":"rate","since":"2026-01-31T12:00:00.500Z",)"
                             R"("lifts_at":null}})"));
}

TEST(Answers, AMessageWithItsRecipients) {
  MessageView message;
  message.id = "0001o3g2s0000";
  message.arrived = noon;
  message.size = 5120;
  message.recipients.push_back({"a@b.example", 1, "bulk", 0, "", "deferred", 2, noon, {}});
  EXPECT_EQ(to_json(message),
            R"({"id":"0001o3g2s0000","arrived":"2026-01-31T12:00:00.500Z","sender":"","size":5120,)"
            R"("tenant":null,"job":null,"envid":null,"recipients":[{"recipient":"a@b.example",)"
            R"("part":1,"group":"bulk","shard":0,"destination":null,"state":"deferred",)"
            R"("attempts":2,"next_attempt":"2026-01-31T12:00:00.500Z","last_error":null}]})");
}

TEST(Answers, Refusals) {
  EXPECT_EQ(to_json(Refusal{404, "not_found", "no \"x\"", ""}),
            R"({"error":{"code":"not_found","message":"no \"x\"","remedy":null}})");
}

TEST(Answers, StayOneLineOfJsonWhateverPeersSay) {
  QueueLine line;
  line.last_error = LastError{noon, "", "550 \xff\xc3\r\n\x1b[2J\x80"};
  const std::string text = to_json(Queue{{line}, false});
  EXPECT_EQ(text.find_first_of("\r\n\x1b"), std::string::npos);
  EXPECT_TRUE(nlohmann::ordered_json::accept(text));
}

}  // namespace
}  // namespace ringpost::control
