// The whole answer from the shards' parts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ringpost/control/inspect.h"

namespace ringpost::control {
namespace {

using testing::HasSubstr;
using testing::Not;

const DaemonFacts facts{"1.0", 7, true, 5, "/log"};

Refusal elsewhere() {
  return {404, "not_found", "another shard has it", ""};
}

QueueLine line(std::string destination, std::uint64_t ready, std::uint64_t deferred) {
  QueueLine made;
  made.destination = std::move(destination);
  made.group = "bulk";
  made.ready = ready;
  made.deferred = deferred;
  return made;
}

ShardStatus status_of(std::uint32_t shard) {
  ShardStatus status;
  status.shard = shard;
  status.held = 1;
  return status;
}

MessageView message_with(std::vector<MessageView::Recipient> recipients) {
  MessageView message;
  message.id = "00000000000g1";
  message.recipients = std::move(recipients);
  return message;
}

MessageView::Recipient recipient(std::string address, std::string state, std::uint32_t part) {
  MessageView::Recipient made;
  made.recipient = std::move(address);
  made.state = std::move(state);
  made.part = part;
  return made;
}

TEST(Merge, StatusListsShardsInOrderAndSaysWhetherWeDrain) {
  const Response response = merge(StatusCommand(), {status_of(1), status_of(0)}, facts);
  EXPECT_EQ(response.http_status, 200);
  EXPECT_THAT(response.text,
              HasSubstr(R"("pid":7,"state":"draining","uptime_ms":5,"events_log":"/log")"));
  EXPECT_LT(response.text.find(R"("shard":0)"), response.text.find(R"("shard":1)"));
}

TEST(Merge, QueueTellsTheLongestFirstAndSaysWhatItLeftOut) {
  Queue one;
  one.destinations = {line("small.example", 1, 0), line("deferred.example", 0, 90)};
  Queue two;
  two.destinations = {line("ready.example", 50, 1)};
  const Response response = merge(QueueCommand{.limit = 2}, {one, two}, facts);
  EXPECT_LT(response.text.find("deferred.example"), response.text.find("ready.example"));
  EXPECT_THAT(response.text, Not(HasSubstr("small.example")));
  EXPECT_THAT(response.text, HasSubstr(R"("truncated":true)"));
}

TEST(Merge, QueueThatOneShardCutIsTruncated) {
  Queue cut;
  cut.truncated = true;
  EXPECT_THAT(merge(QueueCommand(), {Queue(), cut}, facts).text, HasSubstr(R"("truncated":true)"));
  EXPECT_THAT(merge(QueueCommand(), {Queue(), Queue()}, facts).text,
              HasSubstr(R"("truncated":false)"));
}

TEST(Merge, EqualLinesHaveAnOrder) {
  Queue queue;
  queue.destinations = {line("b", 1, 1), line("a", 2, 0), line("c", 0, 2)};
  keep_longest(queue, 3);
  EXPECT_EQ(queue.destinations[0].destination, "a");
  EXPECT_EQ(queue.destinations[1].destination, "b");
  EXPECT_EQ(queue.destinations[2].destination, "c");
  EXPECT_FALSE(queue.truncated);
}

TEST(Merge, ExplainComesFromTheOneThatKnows) {
  Explanation known;
  known.group = "bulk";
  const Response response = merge(ExplainCommand{"a.example"}, {elsewhere(), known}, facts);
  EXPECT_EQ(response.http_status, 200);
  EXPECT_THAT(response.text, HasSubstr(R"("group":"bulk")"));
}

TEST(Merge, RefusalsOfAllAreOne) {
  const Response response = merge(ExplainCommand{"a"}, {elsewhere(), elsewhere()}, facts);
  EXPECT_EQ(response.http_status, 404);
  EXPECT_THAT(response.text, HasSubstr(R"("code":"not_found")"));
}

TEST(Merge, AnotherRefusalSaysMoreThanNotFound) {
  const Refusal bad{400, "bad_request", "no", ""};
  EXPECT_EQ(merge(ExplainCommand{"a"}, {elsewhere(), bad, elsewhere()}, facts).http_status, 400);
  EXPECT_EQ(merge(ExplainCommand{"a"}, {Explanation(), bad}, facts).http_status, 400);
}

TEST(Merge, AMovedRecipientIsToldByItsNewOwner) {
  const MessageView giver =
      message_with({recipient("a@a.example", "ready", 0), recipient("b@b.example", "moved", 0)});
  const MessageView taker = message_with({recipient("b@b.example", "deferred", 258)});
  for (const auto& parts : {std::vector<Answer>{giver, taker}, std::vector<Answer>{taker, giver}}) {
    const Response response = merge(ShowCommand{"00000000000g1"}, parts, facts);
    EXPECT_THAT(response.text, HasSubstr("a@a.example"));
    EXPECT_THAT(response.text, HasSubstr(R"("state":"deferred")"));
    EXPECT_THAT(response.text, Not(HasSubstr("moved")));
  }
}

TEST(Merge, AMovedRecipientThatNobodyKnowsStaysMoved) {
  const MessageView giver =
      message_with({recipient("a@a.example", "ready", 0), recipient("b@b.example", "moved", 0)});
  EXPECT_THAT(merge(ShowCommand{"00000000000g1"}, {giver, elsewhere()}, facts).text,
              HasSubstr(R"("state":"moved")"));
}

}  // namespace
}  // namespace ringpost::control
