#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "support.h"

namespace ringpost::queue {
namespace {

using testing::ElementsAre;

class Filing : public QueueTest {
 protected:
  std::vector<std::string> addresses(const Entry& entry) {
    std::vector<std::string> out;
    for (const QueuedRecipient& recipient : entry.recipients()) {
      out.emplace_back(entry.message().address_of(recipient));
    }
    return out;
  }
};

TEST_F(Filing, AMessageKeepsWhatItsEnvelopeSays) {
  mail::Envelope envelope;
  envelope.sender = "bounce+7@news.example";
  envelope.recipients = {"a@x.example", "b@y.example"};
  envelope.tenant = "tenant";
  envelope.job = "job";
  envelope.envid = "QQ314";
  envelope.utf8 = true;
  envelope.reports.recipients = {{1, mail::notify::never, "rfc822;x@y"}};
  envelope.eight_bit = true;
  QueuedMessage& message = messages_.add({42}, 3, now_.wall, envelope, 5120, {1, 2, 3});
  EXPECT_EQ(messages_.find({42}, 3), &message);
  EXPECT_EQ(messages_.find({42}), nullptr);
  EXPECT_EQ(message.sender(), "bounce+7@news.example");
  EXPECT_EQ(message.envid(), "QQ314");
  EXPECT_EQ(message.tenant(), "tenant");
  EXPECT_EQ(message.job_name(), "job");
  EXPECT_EQ(message.address_of(message.recipients()[1]), "b@y.example");
  EXPECT_TRUE(message.eight_bit());
  EXPECT_TRUE(message.utf8());
  EXPECT_EQ(message.request_of(message.recipients()[0]), nullptr);
  ASSERT_NE(message.request_of(message.recipients()[1]), nullptr);
  EXPECT_EQ(message.request_of(message.recipients()[1])->original, "rfc822;x@y");
  EXPECT_EQ(message.content(), nullptr);
  messages_.contents().offer(message, "body", now_.instant);
  ASSERT_NE(message.content(), nullptr);
  EXPECT_EQ(*message.content(), "body");
  EXPECT_GT(messages_.contents().bytes(), 4U);
  messages_.erase(message);
  EXPECT_EQ(messages_.contents().bytes(), 0U);
  EXPECT_EQ(messages_.size(), 0U);
}

TEST_F(Filing, WhatNobodyAskedTakesNoMemory) {
  QueuedMessage& message = file({"a@x.example", "b@x.example"});
  EXPECT_EQ(message.reports(), nullptr);
  EXPECT_EQ(message.request_of(message.recipients()[1]), nullptr);
}

TEST_F(Filing, NeedsNoRouteAndGroupsByDomainInAnyCase) {
  settings_.max_recipients_per_transaction = 2;
  QueuedMessage& message =
      file({"a@X.example", "b@y.example", "c@x.EXAMPLE", "d@x.example", "e@y.example"});
  EXPECT_EQ(group().entries(), 3U);
  EXPECT_EQ(group().counts().ready, 5U);
  EXPECT_EQ(message.recipients()[0].entry(), message.recipients()[2].entry());
  EXPECT_NE(message.recipients()[0].entry(), message.recipients()[3].entry());
  EXPECT_EQ(next(), nullptr);  // nobody can serve what has no route
  Domain* x = group().next_unresolved();
  Domain* y = group().next_unresolved();
  ASSERT_TRUE(x != nullptr && y != nullptr);
  EXPECT_EQ(x->name(), "x.example");
  EXPECT_EQ(y->name(), "y.example");
  EXPECT_EQ(group().next_unresolved(), nullptr);
  group().assign(*x, lane_key("x"), never, now_);
  Entry* entry = next();
  ASSERT_NE(entry, nullptr);
  EXPECT_THAT(addresses(*entry), ElementsAre("a@X.example", "c@x.EXAMPLE"));
}

TEST_F(Filing, DomainsOfOneDestinationShareALaneButNoTransaction) {
  file({"a@x.example", "b@y.example"});
  while (Domain* domain = group().next_unresolved()) {
    group().assign(*domain, lane_key("provider"), never, now_);
  }
  Seat seat = group().next_lane(now_);
  ASSERT_TRUE(seat);
  Entry* first = group().next_entry(seat, now_);
  Entry* second = group().next_entry(seat, now_);
  ASSERT_TRUE(first != nullptr && second != nullptr);
  EXPECT_EQ(first->count(), 1U);
  EXPECT_NE(&first->domain(), &second->domain());
  EXPECT_EQ(group().next_entry(seat, now_), nullptr);
}

TEST_F(Filing, RecoveredRecipientsWaitForTheirTimeAndThoseInDoubtGoAlone) {
  QueuedMessage& message = add({"a@x.example", "b@x.example", "c@x.example", "d@x.example"});
  message.set_done(0);
  message.recipients()[1].alone = true;
  message.recipients()[1].attempts = 3;
  group().file(message, now_.wall + 30min, now_);
  EXPECT_EQ(group().counts().deferred, 3U);
  EXPECT_EQ(group().next_unresolved(), nullptr);  // asked for when there is work
  EXPECT_EQ(group().next_due(), now_.instant + 30min);
  pass_and_advance(30min);
  resolve_all();
  Entry* alone = next();
  ASSERT_NE(alone, nullptr);
  EXPECT_TRUE(alone->alone());
  EXPECT_THAT(addresses(*alone), ElementsAre("b@x.example"));
  Entry* rest = next();
  ASSERT_NE(rest, nullptr);
  EXPECT_FALSE(rest->alone());
  EXPECT_EQ(rest->count(), 2U);
  EXPECT_EQ(message.open_recipients(), 3U);
}

TEST_F(Filing, AnAddressWithoutDomainStillHasAPlace) {
  file("postmaster");
  Domain* domain = group().next_unresolved();
  ASSERT_NE(domain, nullptr);
  EXPECT_EQ(domain->name(), "");
}

TEST_F(Filing, AFailedRouteHoldsItsDomainUpAndNobodyElse) {
  QueuedMessage& message = file("a@dead.example");
  file("b@live.example");
  Domain* dead = group().next_unresolved();
  group().fail_route(*dead, now_.instant + 5min, now_);
  resolve_all();
  Entry* entry = next();
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->domain().name(), "live.example");
  EXPECT_EQ(next(), nullptr);
  file("c@dead.example");
  EXPECT_EQ(group().next_unresolved(), nullptr);  // not before its time
  pass_and_advance(5min);
  EXPECT_EQ(group().next_unresolved(), dead);
  EXPECT_EQ(message.recipients()[0].attempts, 0);  // trouble with DNS is no attempt
}

TEST_F(Filing, ADomainThatTakesNoMailGivesItsEntriesAway) {
  file({"a@null.example", "b@null.example"});
  file("c@null.example", "other job");
  Domain* domain = group().next_unresolved();
  std::uint32_t recipients = 0;
  while (Entry* entry = group().next_entry_of(*domain)) {
    recipients += entry->count();
    finish(*entry);
  }
  EXPECT_EQ(recipients, 3U);
  group().fail_route(*domain, now_.instant + 5min, now_);  // still ours: it was being resolved
  EXPECT_FALSE(group().has_work());
  file("d@null.example");
  EXPECT_EQ(group().next_unresolved(), nullptr);  // remembered
  pass_and_advance(5min);
  EXPECT_EQ(group().next_unresolved(), domain);
}

TEST_F(Filing, AnOldRouteServesOnUntilTheNewOneIsThere) {
  for (int i = 0; i < 3; ++i) {
    file("a@x.example");
  }
  Domain* x = group().next_unresolved();
  group().assign(*x, lane_key("old"), now_.instant + 1min, now_);
  ASSERT_NE(next(), nullptr);
  EXPECT_EQ(group().next_unresolved(), nullptr);
  pass_and_advance(1min);
  Entry* entry = next();
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->domain().lane()->key().destination, "old");
  EXPECT_EQ(group().next_unresolved(), x);
  group().assign(*x, lane_key("new"), never, now_);
  entry = next();
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->domain().lane()->key().destination, "new");
  EXPECT_EQ(entry->domain().lane()->counts().in_flight, 3U);  // they moved with their domain
}

TEST_F(Filing, IdleDomainsAreRememberedWithinTheirBound) {
  settings_.idle_domains = 2;
  for (const char* address : {"a@1.example", "a@2.example", "a@3.example"}) {
    file(address);
    resolve_all();
    finish(*next());
  }
  EXPECT_EQ(group().find_domain("1.example"), nullptr);
  ASSERT_NE(group().find_domain("2.example"), nullptr);
  EXPECT_EQ(group().find_domain("2.example")->route_state(), RouteState::known);
  std::size_t lanes = 0;
  group().lanes().for_each_lane([&](const Lane&) { ++lanes; });
  EXPECT_EQ(lanes, 2U);
  file("b@2.example");
  EXPECT_EQ(group().next_unresolved(), nullptr);
  EXPECT_NE(next(), nullptr);
}

TEST_F(Filing, HeldMailWaitsUntilTheModeChanges) {
  settings_.delivery = DeliveryMode::hold;
  file("a@x.example");
  EXPECT_EQ(group().counts().held, 1U);
  EXPECT_EQ(group().next_unresolved(), nullptr);
  GroupSettings settings = settings_;
  settings.delivery = DeliveryMode::queue;
  group().change_settings(settings, now_);
  advance();
  EXPECT_EQ(group().counts().ready, 1U);
  resolve_all();
  group().change_settings(settings_, now_);  // held again: what is ready stays where it is
  EXPECT_EQ(next(), nullptr);
  group().change_settings(settings, now_);
  EXPECT_NE(next(), nullptr);
}

}  // namespace
}  // namespace ringpost::queue
