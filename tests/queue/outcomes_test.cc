#include <gmock/gmock.h>

#include <set>
#include <vector>

#include "support.h"

namespace ringpost::queue {
namespace {

class Outcomes : public QueueTest {};

TEST_F(Outcomes, EachRecipientOfATransactionGoesItsOwnWay) {
  QueuedMessage& message = file({"delivered@x.example", "bounced@x.example", "later@x.example",
                                 "too-many@x.example", "doubt@x.example", "doubt2@x.example"});
  resolve_all();
  Entry* entry = next();
  ASSERT_EQ(entry->count(), 6U);
  const std::vector<RecipientResult> results = {
      {Next::done, {2, 0, 0}, "250 ok", false},
      {Next::done, {5, 1, 1}, "550 5.1.1 no such user", true},
      {Next::retry, {4, 2, 2}, "452 4.2.2 full", false},
      {Next::again, {4, 5, 3}, "452 4.5.3 too many recipients", false},
      {Next::retry_alone, {4, 4, 2}, "connection lost", false},
      {Next::retry_alone, {4, 4, 2}, "connection lost", false}};
  EXPECT_EQ(group().finish(*entry, results, now_.wall + 10min, now_), 4U);

  const auto recipients = message.recipients();
  EXPECT_EQ(recipients[0].state(), RecipientState::done);
  EXPECT_FALSE(recipients[0].report_owed);
  EXPECT_EQ(recipients[1].state(), RecipientState::done);
  EXPECT_TRUE(recipients[1].report_owed);
  EXPECT_EQ(recipients[1].last_attempt()->reply, "550 5.1.1 no such user");
  EXPECT_EQ(recipients[2].attempts, 1);
  EXPECT_EQ(recipients[2].last_attempt()->status, (mail::EnhancedStatus{4, 2, 2}));
  EXPECT_EQ(recipients[3].attempts, 0);
  EXPECT_EQ(group().counts().ready, 1U);
  EXPECT_EQ(group().counts().deferred, 3U);
  EXPECT_EQ(group().counts().in_flight, 0U);
  EXPECT_EQ(group().entries(), 4U);
  EXPECT_EQ(recipients[3].entry()->state(), EntryState::ready);
  EXPECT_FALSE(recipients[2].entry()->alone());
  EXPECT_TRUE(recipients[4].entry()->alone());
  EXPECT_NE(recipients[4].entry(), recipients[5].entry());

  pass_and_advance(10min);
  EXPECT_EQ(group().counts().ready, 4U);
  while (Entry* again = next()) {
    finish(*again);
  }
  EXPECT_EQ(message.open_recipients(), 0U);
  EXPECT_FALSE(group().has_work());
  messages_.erase(message);
}

TEST_F(Outcomes, WhoWasAloneStaysAlone) {
  file("a@x.example");
  resolve_all();
  finish(*next(), Next::retry_alone);
  pass_and_advance(10min);
  Entry* entry = next();
  finish(*entry, Next::retry);
  pass_and_advance(10min);
  EXPECT_TRUE(next()->alone());
}

TEST_F(Outcomes, ANullSenderIsOwedNoReport) {
  mail::Envelope envelope;
  envelope.recipients = {"a@x.example"};
  QueuedMessage& message = messages_.add({1}, 0, now_.wall, envelope, 100, {});
  group().file(message, now_.wall, now_);
  resolve_all();
  Entry* entry = next();
  mail::Outcome outcome;
  outcome.kind = mail::OutcomeKind::bounced;
  const std::vector<RecipientResult> results = {result_of(outcome)};
  EXPECT_TRUE(results[0].report_owed);
  group().finish(*entry, results, now_.wall, now_);
  EXPECT_FALSE(message.recipients()[0].report_owed);
}

TEST_F(Outcomes, OutcomesBecomeResults) {
  mail::Outcome outcome;
  outcome.kind = mail::OutcomeKind::delivered;
  EXPECT_EQ(result_of(outcome).next, Next::done);
  EXPECT_FALSE(result_of(outcome).report_owed);
  outcome.kind = mail::OutcomeKind::expired;
  EXPECT_TRUE(result_of(outcome).report_owed);
  outcome.kind = mail::OutcomeKind::deferred;
  EXPECT_EQ(result_of(outcome).next, Next::retry);
  outcome.in_doubt = true;
  EXPECT_EQ(result_of(outcome).next, Next::retry_alone);
}

TEST_F(Outcomes, PutBackGoesToTheFrontAndCostsNoAttempt) {
  QueuedMessage& first = file("a@x.example");
  file("b@x.example");
  resolve_all();
  Entry* entry = next();
  EXPECT_EQ(&entry->message(), &first);
  EXPECT_EQ(first.recipients()[0].state(), RecipientState::in_flight);
  group().put_back(*entry, now_);
  EXPECT_EQ(first.recipients()[0].state(), RecipientState::queued);
  EXPECT_EQ(first.recipients()[0].attempts, 0);
  EXPECT_EQ(next(), entry);
}

TEST_F(Outcomes, DeferringCostsNoAttemptEither) {
  QueuedMessage& message = file("a@x.example");
  resolve_all();
  group().defer(*next(), now_.wall + 1min, now_);
  EXPECT_EQ(next(), nullptr);
  pass_and_advance(1min);
  EXPECT_NE(next(), nullptr);
  EXPECT_EQ(message.recipients()[0].attempts, 0);
}

TEST_F(Outcomes, RetriesFollowTheAttemptsOfTheRecipients) {
  QueuedMessage& message = file("a@x.example");
  resolve_all();
  Random random(Random::seed_from(3));
  Duration before{0};
  for (int attempt = 1; attempt <= 4; ++attempt) {
    Entry* entry = next();
    ASSERT_NE(entry, nullptr) << attempt;
    const WallTime due = group().retry_at(*entry, now_, random);
    const Duration wait = due - now_.wall;
    EXPECT_GT(wait, before);
    before = wait;
    finish(*entry, Next::retry, wait);
    EXPECT_EQ(message.recipients()[0].attempts, attempt);
    pass_and_advance(wait - 2s);
    EXPECT_EQ(next(), nullptr);
    pass_and_advance(3s);
  }
}

TEST_F(Outcomes, RemovingWorksInEveryState) {
  settings_.max_recipients_per_transaction = 1;
  QueuedMessage& message =
      file({"ready@x.example", "deferred@x.example", "flight@x.example", "last@x.example"});
  resolve_all();
  auto recipients = message.recipients();
  ASSERT_TRUE(group().take(*recipients[1].entry()));
  finish(*recipients[1].entry(), Next::retry);
  ASSERT_TRUE(group().take(*recipients[2].entry()));
  EXPECT_FALSE(group().take(*recipients[2].entry()));
  EXPECT_EQ(group().remove(*recipients[0].entry()), 3U);
  EXPECT_EQ(group().remove(*recipients[1].entry()), 2U);
  EXPECT_EQ(group().remove(*recipients[2].entry()), 1U);
  EXPECT_EQ(group().counts(), (Counts{.ready = 1}));
  EXPECT_EQ(group().remove(*recipients[3].entry()), 0U);
  EXPECT_EQ(group().counts(), Counts{});
  EXPECT_FALSE(group().has_work());
  pass_and_advance(10 * 24h);
  EXPECT_EQ(group().next_expired(), nullptr);
}

}  // namespace
}  // namespace ringpost::queue
