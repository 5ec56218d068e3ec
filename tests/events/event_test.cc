// The event log's lines: whatever a peer or a sender wrote, a line stays one line of valid JSON.
#include "ringpost/events/event.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace ringpost::events {
namespace {

std::string line_of(const Event& event) {
  std::string line;
  append_line(line, event);
  return line;
}

Event sample() {
  Event event;
  event.time = WallTime(1'767'225'599'123ms);
  event.kind = EventKind::delivered;
  event.id = {0x1234'5678'9abc};
  event.sender = "news@sender.test";
  event.recipient = "b@d1.test";
  event.group = "default-1";
  event.reply = "250 2.0.0 ok";
  event.status = {2, 0, 0};
  event.attempt = 1;
  event.queued_ms = 14;
  return event;
}

TEST(EventLine, HasEveryFieldOnceAndNullWhereNothingIsKnown) {
  const nlohmann::json json = nlohmann::json::parse(line_of(sample()));
  const std::vector<std::string> fields{
      "time",      "event",      "id",          "part", "sender",     "recipient",
      "group",     "shard",      "destination", "mx",   "address",    "source",
      "reply",     "status",     "attempt",     "size", "connection", "transaction",
      "queued_ms", "attempt_ms", "tenant",      "job",  "envid",      "tls"};
  EXPECT_EQ(json.size(), fields.size());
  for (const std::string& field : fields) {
    EXPECT_TRUE(json.contains(field)) << field;
  }
  EXPECT_EQ(json["time"], "2025-12-31T23:59:59.123Z");
  EXPECT_EQ(json["event"], "delivered");
  EXPECT_EQ(json["status"], "2.0.0");
  EXPECT_EQ(json["attempt"], 1);
  EXPECT_TRUE(json["mx"].is_null());
  EXPECT_TRUE(json["size"].is_null());
  EXPECT_TRUE(json["tenant"].is_null());
}

TEST(EventLine, BeginsWithTheTimeAndEndsWithOneLineFeed) {
  const std::string line = line_of(sample());
  EXPECT_TRUE(line.starts_with(R"({"time":")"));
  EXPECT_EQ(line.find('\n'), line.size() - 1);
}

TEST(EventLine, NoByteThatAPeerSendsBreaksIt) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string reply = std::string("250 ") + static_cast<char>(byte) + "\"\\ end";
    Event event = sample();
    event.reply = reply;
    const std::string line = line_of(event);
    EXPECT_EQ(line.find('\n'), line.size() - 1) << byte;
    EXPECT_TRUE(nlohmann::json::accept(line)) << byte;
  }
}

TEST(EventLine, TheNullReversePathIsAnEmptyTextNotNull) {
  Event event = sample();
  event.sender = "";
  const nlohmann::json json = nlohmann::json::parse(line_of(event));
  EXPECT_EQ(json["sender"], "");
}

TEST(EventLine, ALineAboutADestinationNamesNoMessage) {
  Event event = sample();
  event.id = {};
  event.recipient = "";
  const nlohmann::json json = nlohmann::json::parse(line_of(event));
  EXPECT_TRUE(json["id"].is_null());
  EXPECT_TRUE(json["part"].is_null());
  EXPECT_TRUE(json["sender"].is_null());
}

}  // namespace
}  // namespace ringpost::events
