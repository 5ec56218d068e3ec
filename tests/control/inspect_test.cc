// What a shard tells of itself: the rooms are real, the queue is filled and moved by the test.
#include "ringpost/control/inspect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "ringpost/delivery/places.h"
#include "ringpost/delivery/routes.h"
#include "ringpost/ring/linux_kernel.h"

namespace ringpost::control {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

constexpr std::string_view configuration = R"(
[delivery]
port = 2526
[timeouts]
hoststatus = "20m"
[[queue_group]]
name = "bulk"
domains = ["gmail.example", "*.big.example"]
shard = 0
runners = 20
rate = "3600/h"
max_messages_per_connection = 0
[[queue_group]]
name = "kept"
domains = ["kept.example"]
shard = 0
delivery = "hold"
[[queue_group]]
name = "far"
domains = ["far.example"]
shard = 1
[[route]]
domain = "*.big.example"
hosts = ["192.0.2.1:26", "mx.big.example"]
)";

class Nobody final : public intake::Neighbours {
 public:
  ring::Task<intake::Verdict> submit(std::uint32_t /*shard*/, intake::Parcel /*parcel*/) override {
    co_return intake::Verdict::failed;
  }
  ring::Task<void> confirm(std::uint32_t /*shard*/, spool::PartKey /*key*/) override { co_return; }
  ring::Task<bool> ask_memory(std::uint32_t /*shard*/, std::uint64_t /*held*/,
                              std::uint64_t /*wanted*/) override {
    co_return false;
  }
  ring::Task<void> return_memory(std::uint32_t /*shard*/, std::uint64_t /*held*/) override {
    co_return;
  }
  void tell(const intake::LearntHost& /*learnt*/) override {}
};

config::Loaded load_configuration() {
  const std::vector<std::string> overrides = {"queue_group.default.runners=7"};
  config::LoadResult loaded =
      config::load(configuration, "ringpost.toml", overrides, {"relay.example.net", 2});
  EXPECT_EQ(config::check_text(loaded), "ok\n");
  return *loaded;
}

class InspectTest : public testing::Test {
 protected:
  InspectTest()
      : loaded_(load_configuration()),
        assignment_(loaded_.config, 2),
        kernel_(ring::LinuxKernel::create({.submission_entries = 64, .completion_entries = 256})),
        reactor_(**kernel_, {.receive_buffers = 4, .receive_buffer_size = 512}),
        ids_(0),
        events_(reactor_, ""),
        spool_(reactor_, {.directory = "/nonexistent"}),
        resolver_(reactor_, {.servers = {*Endpoint::parse("127.0.0.1:1")}}),
        cache_(reactor_, 10, 1s),
        ledger_(reactor_, spool_, events_, messages_, ids_, 0),
        memory_(reactor_),
        groups_(assignment_.groups().size()) {
    EXPECT_TRUE(reactor_.start());
    for (std::uint32_t number = 0; number < groups_.size(); ++number) {
      if (assignment_.shard_of(number) == 0) {
        const config::QueueGroup& from = assignment_.groups()[number].settings;
        queue::GroupSettings settings;
        settings.name = from.name;
        settings.runners = from.runners;
        settings.max_connections_per_destination = from.max_connections_per_destination;
        settings.max_messages_per_connection = from.max_messages_per_connection;
        settings.messages_per_second = from.rate_per_second;
        settings.delivery = from.delivery == config::DeliveryMode::hold
                                ? queue::DeliveryMode::hold
                                : queue::DeliveryMode::queue;
        groups_[number].queue = &queues_.emplace_back(settings);
      }
    }
    intake_ = std::make_unique<intake::Intake>(
        intake::Intake::Room{reactor_, assignment_, spool_, events_, messages_, ledger_, nobody_,
                             memory_, 0},
        groups_);
  }

  [[nodiscard]] Answer ask(const Command& command) {
    const ShardView view{0,         reactor_, loaded_.config, loaded_.origins, assignment_, groups_,
                         messages_, cache_,   ledger_,        hosts_,          resolver_,   spool_,
                         *intake_,  holds_,   adopted_,       tracer_};
    return inspect(view, command);
  }
  template <class Kind>
  [[nodiscard]] Kind get(const Command& command) {
    Answer answer = ask(command);
    if (const Refusal* const refusal = std::get_if<Refusal>(&answer)) {
      ADD_FAILURE() << refusal->message;
      return {};
    }
    return std::get<Kind>(std::move(answer));
  }
  [[nodiscard]] Explanation explain(std::string address) {
    return get<Explanation>(ExplainCommand{std::move(address)});
  }
  [[nodiscard]] Refusal refusal(const Command& command) {
    const Answer answer = ask(command);
    EXPECT_TRUE(std::holds_alternative<Refusal>(answer));
    return std::holds_alternative<Refusal>(answer) ? std::get<Refusal>(answer) : Refusal();
  }

  [[nodiscard]] queue::Now now() { return {reactor_.now(), reactor_.wall_now()}; }
  queue::QueueGroup& bulk() { return *groups_[0].queue; }
  queue::QueuedMessage& add(std::vector<std::string> recipients, std::uint32_t part = 0) {
    mail::Envelope envelope;
    envelope.sender = "news@sender.example";
    envelope.recipients = std::move(recipients);
    envelope.job = "spring";
    return messages_.add(id_, part, now().wall, envelope, 5000, {});
  }
  queue::QueuedMessage& file(std::vector<std::string> recipients, Duration due_in = 0s) {
    queue::QueuedMessage& message = add(std::move(recipients));
    const auto due = now().wall + std::chrono::duration_cast<std::chrono::milliseconds>(due_in);
    for (std::uint32_t index = 0; index < message.recipients().size(); ++index) {
      const auto address = message.address_of(message.recipients()[index]);
      groups_[assignment_.place(address).group].queue->file(message, std::span(&index, 1), due,
                                                            now());
    }
    id_.value += 1;
    return message;
  }
  static queue::LaneKey lane_of(const std::string& destination) {
    return {.destination = destination,
            .via = queue::RouteVia::dns,
            .hosts = {{"192.0.2.25", 10, 2526}},
            .egress = "",
            .tls = ""};
  }
  // The lane that the domain, which waits for its route, gets.
  queue::Lane& assign_next(const std::string& destination) {
    queue::Domain* const domain = bulk().next_unresolved();
    EXPECT_NE(domain, nullptr);
    bulk().assign(*domain, lane_of(destination), never, now());
    return *domain->lane();
  }
  queue::Entry* take_one() {
    queue::Seat seat = bulk().next_lane(now());
    queue::Entry* const entry = bulk().next_entry(seat, now());
    bulk().release(seat, now());
    return entry;
  }
  static const Explanation::Limit& limit(const Explanation& explanation, std::string_view name) {
    static const Explanation::Limit missing{"missing", {}, 0, ""};
    for (const Explanation::Limit& limit : explanation.limits) {
      if (limit.name == name) {
        return limit;
      }
    }
    return missing;
  }

  config::Loaded loaded_;
  intake::Assignment assignment_;
  Result<std::unique_ptr<ring::LinuxKernel>> kernel_;
  ring::Reactor reactor_;
  mail::IdSequence ids_;
  events::EventWriter events_;
  spool::Spool spool_;
  dns::Resolver resolver_;
  queue::Messages messages_;
  delivery::HostTable hosts_;
  queue::Holds holds_;
  std::vector<AdoptedView> adopted_;
  delivery::Tracer tracer_;
  delivery::ConnectionCache cache_;
  delivery::Ledger ledger_;
  intake::ContentMemory memory_;
  Nobody nobody_;
  std::deque<queue::QueueGroup> queues_;
  std::vector<intake::LocalGroup> groups_;
  std::unique_ptr<intake::Intake> intake_;
  mail::MessageId id_{4711};
};

TEST_F(InspectTest, StatusCountsRecipientsOfAllGroups) {
  file({"a@gmail.example", "b@gmail.example", "c@kept.example"});
  file({"d@gmail.example"}, 1h);
  const ShardStatus status = get<ShardStatus>(StatusCommand());
  EXPECT_EQ(status.shard, 0U);
  EXPECT_EQ(status.messages_queued, 2U);
  EXPECT_EQ(status.ready, 2U);
  EXPECT_EQ(status.deferred, 1U);
  EXPECT_EQ(status.held, 1U);
}

TEST_F(InspectTest, GroupsAreThoseThatLiveHere) {
  bulk().delivered_total = 12;
  const Groups groups = get<Groups>(GroupListCommand());
  std::vector<std::string> names;
  for (const GroupLine& line : groups.groups) {
    names.push_back(line.group);
  }
  EXPECT_THAT(names, ElementsAre("bulk", "kept", "default-0", "default-2"));
  EXPECT_EQ(groups.groups[0].delivered_total, 12U);
  EXPECT_EQ(groups.groups[0].runners, 20U);
  EXPECT_EQ(groups.groups[2].runners, 7U);
}

TEST_F(InspectTest, QueueIsAskedByGroupDestinationAndLimit) {
  file({"a@gmail.example", "b@gmail.example", "c@x.big.example", "d@kept.example"});
  EXPECT_EQ(get<Queue>(QueueCommand()).destinations.size(), 3U);
  EXPECT_EQ(get<Queue>(QueueCommand{.group = "kept"}).destinations.size(), 1U);
  const Queue one = get<Queue>(QueueCommand{.destination = "x.big.example"});
  ASSERT_EQ(one.destinations.size(), 1U);
  EXPECT_EQ(one.destinations[0].group, "bulk");
  EXPECT_EQ(one.destinations[0].ready, 1U);
  EXPECT_TRUE(one.destinations[0].oldest);
  const Queue longest = get<Queue>(QueueCommand{.limit = 1});
  ASSERT_EQ(longest.destinations.size(), 1U);
  EXPECT_EQ(longest.destinations[0].destination, "gmail.example");
  EXPECT_TRUE(longest.truncated);
}

TEST_F(InspectTest, QueueOfAGroupElsewhereIsEmptyAndOfNoGroupRefused) {
  EXPECT_THAT(get<Queue>(QueueCommand{.group = "far"}).destinations, IsEmpty());
  EXPECT_EQ(refusal(QueueCommand{.group = "bluk"}).http_status, 404);
}

TEST_F(InspectTest, QueueForgetsDestinationsWithoutMailAndConnections) {
  file({"a@gmail.example"});
  assign_next("gmail");
  EXPECT_EQ(get<Queue>(QueueCommand()).destinations.size(), 1U);
  queue::Entry* const entry = take_one();
  const std::vector<queue::RecipientResult> done(1);
  bulk().finish(*entry, done, now().wall, now());
  EXPECT_THAT(get<Queue>(QueueCommand()).destinations, IsEmpty());
}

TEST_F(InspectTest, ExplainSaysWhichLineOfTheConfigurationMatched) {
  const Explanation exact = explain("Someone@GMail.example");
  EXPECT_EQ(exact.address, "Someone@GMail.example");
  EXPECT_EQ(exact.matched_kind, "exact");
  EXPECT_EQ(exact.matched_pattern, "gmail.example");
  EXPECT_EQ(exact.matched_set_at, "ringpost.toml:8");
  EXPECT_EQ(exact.group, "bulk");
  EXPECT_EQ(exact.via, "dns");
  EXPECT_EQ(exact.destination, "");
  EXPECT_THAT(exact.mx, IsEmpty());
  EXPECT_FALSE(exact.binding);

  const Explanation suffix = explain("x.big.example.");
  EXPECT_EQ(suffix.matched_kind, "suffix");
  EXPECT_EQ(suffix.matched_pattern, "*.big.example");
  EXPECT_EQ(suffix.matched_set_at, "ringpost.toml:8");
}

TEST_F(InspectTest, ExplainOfTheRestSaysDefault) {
  std::string mine;  // a domain whose hash leads to this shard
  for (int number = 0; mine.empty(); ++number) {
    const std::string domain = "d" + std::to_string(number) + ".example";
    if (assignment_.shard_of(assignment_.place_domain(domain).group) == 0) {
      mine = domain;
    }
  }
  const Explanation rest = explain(mine);
  EXPECT_EQ(rest.matched_kind, "default");
  EXPECT_EQ(rest.matched_pattern, "");
  EXPECT_EQ(rest.matched_set_at, "default");
  EXPECT_THAT(rest.group, StartsWith("default-"));
  EXPECT_EQ(limit(rest, "runners").value, 7);
  EXPECT_EQ(limit(rest, "runners").set_at, "command line");
  EXPECT_EQ(limit(rest, "rate").value, std::nullopt);
}

TEST_F(InspectTest, ExplainTellsTheStaticRoute) {
  const Explanation routed = explain("x.big.example");
  EXPECT_EQ(routed.via, "route");
  EXPECT_EQ(routed.destination, "*.big.example");
  ASSERT_EQ(routed.mx.size(), 2U);
  EXPECT_EQ(routed.mx[0].host, "192.0.2.1");
  EXPECT_EQ(routed.mx[0].preference, std::nullopt);
  EXPECT_THAT(routed.mx[0].addresses, ElementsAre("192.0.2.1:26"));
  EXPECT_EQ(routed.mx[0].state, "");
  EXPECT_EQ(routed.mx[1].host, "mx.big.example");
  EXPECT_THAT(routed.mx[1].addresses, IsEmpty());
}

TEST_F(InspectTest, ExplainTellsHowTheHostIs) {
  delivery::HostRecord& host = hosts_.of(*Endpoint::parse("192.0.2.1:26"), "");
  EXPECT_EQ(explain("x.big.example").mx[0].state, "up");
  host.status.mark_down_until("refused", now().instant + 90s);
  const Explanation down = explain("x.big.example");
  EXPECT_EQ(down.mx[0].state, "down");
  EXPECT_EQ(down.mx[0].until, now().wall + 90s);
  host.status.mark_success(10);
  EXPECT_EQ(explain("x.big.example").mx[0].state, "recovering");
  // The same address on another port is another host.
  EXPECT_EQ(hosts_.find(*Endpoint::parse("192.0.2.1:25"), ""), nullptr);
}

TEST_F(InspectTest, ExplainRefusesWhatIsNoDomain) {
  for (const char* address : {"a b", "x@", "x@a..b", "[192.0.2.1", "x@[1.2.3]"}) {
    EXPECT_EQ(refusal(ExplainCommand{address}).http_status, 400) << address;
  }
}

TEST_F(InspectTest, ExplainLeavesOtherShardsAddressesToThem) {
  const Refusal other = refusal(ExplainCommand{"x@far.example"});
  EXPECT_EQ(other.http_status, 404);
  EXPECT_EQ(other.code, "not_found");
}

TEST_F(InspectTest, ExplainTellsLimitsWithTheirUseAndOrigin) {
  file({"a@gmail.example"});
  file({"b@gmail.example"});
  assign_next("gmail");
  queue::Seat seat = bulk().next_lane(now());
  const Explanation busy = explain("gmail.example");
  EXPECT_EQ(busy.destination, "gmail");
  EXPECT_EQ(limit(busy, "max_connections_per_destination").value, 10);
  EXPECT_EQ(limit(busy, "max_connections_per_destination").used, 1);
  EXPECT_EQ(limit(busy, "max_connections_per_destination").set_at, "default");
  EXPECT_EQ(limit(busy, "runners").value, 20);
  EXPECT_EQ(limit(busy, "runners").set_at, "ringpost.toml:10");
  EXPECT_EQ(limit(busy, "rate").value, 1);
  EXPECT_EQ(limit(busy, "rate").set_at, "ringpost.toml:11");
  EXPECT_EQ(limit(busy, "max_messages_per_connection").value, std::nullopt);
  EXPECT_EQ(limit(busy, "streaming_depth").value, 8);
  EXPECT_EQ(limit(busy, "host_status").set_at, "ringpost.toml:5");
  EXPECT_FALSE(busy.binding);
  bulk().release(seat, now());
}

TEST_F(InspectTest, ExplainSaysThatTheRateBindsAndUntilWhen) {
  file({"a@gmail.example"});
  file({"b@gmail.example"});
  assign_next("gmail");
  queue::Entry* const entry = take_one();
  ASSERT_NE(entry, nullptr);
  const Explanation bound = explain("gmail.example");
  ASSERT_TRUE(bound.binding);
  EXPECT_EQ(bound.binding->limit, "rate");
  EXPECT_EQ(bound.binding->lifts_at, now().wall + 1s);
  bulk().put_back(*entry, now());
}

TEST_F(InspectTest, ExplainSaysThatTheDestinationIsSuspended) {
  file({"a@gmail.example"});
  queue::Lane& lane = assign_next("gmail");
  bulk().defer_lane(lane, {4, 4, 1}, "connection refused", now().instant + 60s, now());
  const Explanation down = explain("gmail.example");
  ASSERT_TRUE(down.binding);
  EXPECT_EQ(down.binding->limit, "host_status");
  EXPECT_EQ(down.binding->since, now().wall);
  EXPECT_EQ(down.binding->lifts_at, now().wall + 60s);
  const MessageView message = get<MessageView>(ShowCommand{mail::MessageId{4711}.to_string()});
  EXPECT_EQ(message.recipients[0].state, "deferred");
  EXPECT_EQ(message.recipients[0].next_attempt, now().wall + 60s);
  // Nothing was tried with it, but this is why.
  ASSERT_TRUE(message.recipients[0].last_error);
  EXPECT_EQ(message.recipients[0].last_error->reply, "connection refused");
  EXPECT_EQ(message.recipients[0].last_error->status, "4.4.1");
}

TEST_F(InspectTest, ExplainSaysThatTheNextAttemptIsAwaited) {
  file({"a@gmail.example"});
  assign_next("gmail");
  queue::Entry* const entry = take_one();
  const std::vector<queue::RecipientResult> later(
      1, {queue::Next::retry, {4, 2, 1}, "450 4.2.1 later", false});
  bulk().finish(*entry, later, now().wall + 600s, now());
  const Explanation deferred = explain("gmail.example");
  ASSERT_TRUE(deferred.binding);
  EXPECT_EQ(deferred.binding->limit, "retry");
  EXPECT_EQ(deferred.binding->since, now().wall);
  // Schedules have slots of a second.
  EXPECT_GE(*deferred.binding->lifts_at, now().wall + 600s);
  EXPECT_LE(*deferred.binding->lifts_at, now().wall + 601s);
}

TEST_F(InspectTest, ExplainSaysThatTheRouteFailed) {
  file({"a@gmail.example"});
  queue::Domain* const domain = bulk().next_unresolved();
  bulk().fail_route(*domain, now().instant + 30s, now());
  const Explanation failed = explain("gmail.example");
  ASSERT_TRUE(failed.binding);
  EXPECT_EQ(failed.binding->limit, "route");
  EXPECT_EQ(failed.binding->lifts_at, now().wall + 30s);
  const MessageView message = get<MessageView>(ShowCommand{mail::MessageId{4711}.to_string()});
  EXPECT_EQ(message.recipients[0].state, "deferred");
}

TEST_F(InspectTest, ExplainSaysThatTheGroupHolds) {
  const Explanation held = explain("kept.example");
  ASSERT_TRUE(held.binding);
  EXPECT_EQ(held.binding->limit, "delivery");
  EXPECT_FALSE(held.binding->lifts_at);
}

TEST_F(InspectTest, ShowTellsEveryRecipientsState) {
  queue::QueuedMessage& message = file({"a@gmail.example", "b@kept.example"});
  message.recipients()[1].remember({}, "421 gone away");
  const MessageView shown = get<MessageView>(ShowCommand{message.id().to_string()});
  EXPECT_EQ(shown.id, message.id().to_string());
  EXPECT_EQ(shown.sender, "news@sender.example");
  EXPECT_EQ(shown.size, 5000U);
  EXPECT_EQ(shown.job, "spring");
  ASSERT_EQ(shown.recipients.size(), 2U);
  EXPECT_EQ(shown.recipients[0].recipient, "a@gmail.example");
  EXPECT_EQ(shown.recipients[0].group, "bulk");
  EXPECT_EQ(shown.recipients[0].shard, 0U);
  EXPECT_EQ(shown.recipients[0].state, "ready");
  EXPECT_FALSE(shown.recipients[0].last_error);
  EXPECT_EQ(shown.recipients[1].state, "held");
  EXPECT_EQ(shown.recipients[1].last_error->reply, "421 gone away");
  EXPECT_EQ(shown.recipients[1].last_error->status, "");
  EXPECT_FALSE(shown.recipients[1].last_error->time);  // from before a restart
}

TEST_F(InspectTest, ShowTellsWhatLeftForAnotherShardAndWhatIsDone) {
  queue::QueuedMessage& message = add({"a@gmail.example", "b@far.example", "c@far.example"});
  message.set_done(0);
  message.set_done(1);
  const MessageView shown = get<MessageView>(ShowCommand{message.id().to_string()});
  ASSERT_EQ(shown.recipients.size(), 3U);
  EXPECT_EQ(shown.recipients[0].state, "done");
  EXPECT_EQ(shown.recipients[1].state, "moved");
  EXPECT_EQ(shown.recipients[1].shard, 1U);
  EXPECT_EQ(shown.recipients[2].state, "moved");
}

TEST_F(InspectTest, ShowFindsThePartsThatThisShardTook) {
  const std::uint32_t first = delivery::part_number(1, 0, 0, 0);
  const std::uint32_t second = delivery::part_number(3, 0, 0, 0);
  add({"a@gmail.example"}, first);
  add({"b@gmail.example"}, second);
  const MessageView shown = get<MessageView>(ShowCommand{id_.to_string()});
  ASSERT_EQ(shown.recipients.size(), 2U);
  EXPECT_EQ(shown.recipients[0].part, first);
  EXPECT_EQ(shown.recipients[1].part, second);
}

TEST_F(InspectTest, ShowOfAnUnknownMessageIsNotFound) {
  EXPECT_EQ(refusal(ShowCommand{"00000000000g1"}).code, "not_found");
}

}  // namespace
}  // namespace ringpost::control
