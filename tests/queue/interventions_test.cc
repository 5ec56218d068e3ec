// What the operator may do to a queue group, and that nothing is lost on the way.
#include <gtest/gtest.h>

#include <set>

#include "ringpost/queue/views.h"
#include "support.h"

namespace ringpost::queue {
namespace {

class Interventions : public QueueTest {
 protected:
  void hold(Holds holds) {
    holds_ = std::move(holds);
    messages_.use_holds(holds_);
    group().use_holds(holds_, now_);
  }
  // Everything that can be taken now is delivered.
  int deliver_all() {
    int delivered = 0;
    advance();
    resolve_all();
    while (Entry* entry = next()) {
      delivered += static_cast<int>(entry->count());
      if (QueuedMessage& message = entry->message(); finish(*entry) == 0) {
        messages_.erase(message);
      }
    }
    return delivered;
  }

  Holds holds_;
};

TEST_F(Interventions, AHeldGroupKeepsWhatIsReadyAndWhatComes) {
  file("a@x.example");
  resolve_all();
  hold({.groups = {"bulk"}, .destinations = {}, .jobs = {}});
  const QueuedMessage& late = file("b@x.example");
  EXPECT_TRUE(group().withheld(*late.recipients()[0].entry()));
  EXPECT_EQ(deliver_all(), 0);
  EXPECT_EQ(group_view(group(), now_).held, 2U);
  EXPECT_EQ(group_view(group(), now_).ready, 0U);
  hold({});
  EXPECT_EQ(deliver_all(), 2);
}

TEST_F(Interventions, AHeldDestinationLetsTheOthersPass) {
  file("a@x.example");
  file("a@y.example");
  resolve_all();
  hold({.groups = {}, .destinations = {"x.example", "z.example"}, .jobs = {}});
  file("a@z.example");
  EXPECT_EQ(deliver_all(), 1);
  EXPECT_EQ(group_view(group(), now_).held, 2U);
  EXPECT_GT(group().next_due(), now_.instant + 1h) << "held mail must not keep a runner busy";
  hold({.groups = {}, .destinations = {"z.example"}, .jobs = {}});
  EXPECT_EQ(deliver_all(), 1);
  hold({});
  EXPECT_EQ(deliver_all(), 1);
}

TEST_F(Interventions, AHeldJobLetsItsNeighboursPass) {
  QueuedMessage& ready = file("a@x.example", "spring");
  file("b@x.example", "autumn");
  resolve_all();
  hold({.groups = {}, .destinations = {}, .jobs = {"spring"}});
  EXPECT_TRUE(group().hold_back(*ready.recipients()[0].entry()));
  EXPECT_FALSE(group().hold_back(*ready.recipients()[0].entry())) << "it is held";
  file("c@x.example", "spring");
  EXPECT_EQ(deliver_all(), 1);
  EXPECT_EQ(group().counts().held, 2U);
  hold({.groups = {"bulk"}, .destinations = {}, .jobs = {}});
  EXPECT_EQ(deliver_all(), 0) << "released, but the group is held now";
  hold({});
  EXPECT_EQ(deliver_all(), 2);
}

TEST_F(Interventions, WhatIsHeldExpiresAllTheSame) {
  hold({.groups = {"bulk"}, .destinations = {}, .jobs = {}});
  file("a@x.example");
  pass_and_advance(settings_.retry.expiry + 1min);
  Entry* const expired = group().next_expired();
  ASSERT_NE(expired, nullptr);
  EXPECT_EQ(finish(*expired), 0U);
}

TEST_F(Interventions, FlushMakesDueWhatIsDeferredAndProbesWhatIsDown) {
  file("a@x.example");
  file("a@y.example");
  file("a@z.example");
  Domain* const x = group().next_unresolved();
  group().fail_route(*x, now_.instant + 1h, now_, {4, 4, 3}, "no name server answers");
  resolve_all();
  EXPECT_EQ(destination_views(group(), now_)[0].last_error->reply, "no name server answers");
  finish(*next(), Next::retry, 1h);
  group().lanes().for_each_lane([&](Lane& lane) {
    if (lane.counts().ready > 0) {
      group().defer_lane(lane, {4, 4, 1}, "connection refused", {}, now_);
    }
  });
  EXPECT_EQ(deliver_all(), 0);
  EXPECT_EQ(group().retry_now("nobody.example", now_), 0U);
  EXPECT_EQ(group().retry_now("", now_), 2U);
  int hastened = 0;
  messages_.for_each([&](QueuedMessage& message) {
    Entry* const entry = message.recipients()[0].entry();
    hastened += entry->domain().group().hasten(*entry, now_) ? 1 : 0;
  });
  EXPECT_EQ(hastened, 1);
  EXPECT_EQ(deliver_all(), 3);
}

TEST_F(Interventions, EntriesAreClaimedOrFiledAnewInEveryStateButInFlight) {
  hold({.groups = {}, .destinations = {}, .jobs = {"held"}});
  QueuedMessage& held = file("a@x.example", "held");
  QueuedMessage& ready = file("b@x.example");
  QueuedMessage& deferred = add({"c@x.example", "d@x.example"});
  group().file(deferred, now_.wall + 1h, now_);
  resolve_all();
  for (QueuedMessage* const message : {&held, &ready, &deferred}) {
    group().unfile(*message->recipients()[0].entry());
    EXPECT_EQ(message->recipients()[0].entry(), nullptr);
    EXPECT_EQ(message->recipients()[0].state(), RecipientState::queued);
    group().file(*message, now_.wall + (message == &deferred ? 1h : 0h), now_);
  }
  EXPECT_EQ(group().entries(), 3U);
  for (QueuedMessage* const message : {&held, &ready, &deferred}) {
    Entry& entry = *message->recipients()[0].entry();
    EXPECT_TRUE(group().claim(entry));
    EXPECT_FALSE(group().claim(entry)) << "a flight wins";
    EXPECT_EQ(finish(entry), 0U);
  }
  EXPECT_EQ(group().entries(), 0U);
  EXPECT_EQ(group().counts(), Counts{});
}

TEST(GrowingTableInPortions, SeesEveryElementHoweverMuchItGrows) {
  Messages messages;
  std::uint64_t id = 0;
  const auto add = [&](int count) {
    for (int number = 0; number < count; ++number) {
      messages.add({++id}, 0, {}, {}, 1, {});
    }
  };
  add(3000);
  std::set<std::uint64_t> seen;
  for (std::size_t bucket = 0; bucket < messages.buckets(); ++bucket) {
    messages.for_each_in(bucket,
                         [&](const QueuedMessage& message) { seen.insert(message.id().value); });
    if (bucket < 3000) {
      add(3);
    }
  }
  for (std::uint64_t early = 1; early <= 3000; ++early) {
    EXPECT_TRUE(seen.contains(early)) << early;
  }
}

}  // namespace
}  // namespace ringpost::queue
