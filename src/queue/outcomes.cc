// What becomes of entries in flight: each recipient is done, waits for its next attempt, or goes
// back.
#include <algorithm>

#include "ringpost/base/check.h"
#include "ringpost/queue/queue_group.h"

namespace ringpost::queue {

WallTime QueueGroup::retry_at(const Entry& entry, Now now, Random& random) const {
  std::uint32_t attempts = 0;
  for (const QueuedRecipient& recipient : entry.recipients()) {
    attempts = std::max<std::uint32_t>(attempts, recipient.attempts);
  }
  return next_attempt(attempts + 1, entry.message_->arrived(), now.wall, settings_.retry, random);
}

std::uint32_t QueueGroup::finish(Entry& entry, std::span<const RecipientResult> results,
                                 WallTime retry_due, Now now) {
  check(entry.state_ == EntryState::in_flight, "only an entry in flight can be finished");
  check(results.size() == entry.count_, "a result for each recipient of the entry");
  QueuedMessage& message = *entry.message_;
  const Instant due = now.instant_of(retry_due, longest_wait());
  const bool in_time = static_cast<ListHook<ExpiryTag>&>(entry).linked();
  const bool was_alone = entry.alone_;

  // The chain is taken apart and put together anew: those that go on share the entry as far as
  // they share what comes next, the first of them the one that is there.
  const std::uint32_t left = entry.count_;
  std::uint32_t index = message.recipients()[entry.last_].next_;
  count(entry, EntryState::in_flight, -std::int64_t{left});
  entry.count_ = 0;
  in_flight_.remove(entry);
  Entry* unused = &entry;
  Entry* again = nullptr;
  Entry* retry = nullptr;
  IntrusiveList<Entry, QueueTag> going_on;
  const auto begin_entry = [&](Instant when) {
    Entry& begun = unused != nullptr ? *unused : make_entry(message, *entry.flow_);
    if (unused == nullptr && in_time) {
      watch_expiry(begun, now);
    }
    unused = nullptr;
    begun.alone_ = was_alone;
    begun.due_ = when;
    going_on.push_back(begun);
    return &begun;
  };

  for (std::uint32_t i = 0; i < left; ++i) {
    const RecipientResult& result = results[i];
    QueuedRecipient& recipient = message.recipients()[index];
    const std::uint32_t following = recipient.next_;
    note_result(recipient, entry.flow_->domain, result, now);
    switch (result.next) {
      case Next::done:
        recipient.done_ = true;
        recipient.entry_ = nullptr;
        recipient.report_owed = result.report_owed && !message.sender().empty();
        --message.open_;
        break;
      case Next::retry:
        retry = retry != nullptr ? retry : begin_entry(due);
        append(*retry, index);
        break;
      case Next::retry_alone: {
        Entry& alone = *begin_entry(due);
        recipient.alone = alone.alone_ = true;
        append(alone, index);
        break;
      }
      case Next::again:
        again = again != nullptr ? again : begin_entry(Instant::min());
        append(*again, index);
        break;
    }
    index = following;
  }
  while (!going_on.empty()) {
    enqueue(going_on.pop_front(), now);
  }
  if (unused != nullptr) {
    forget(*unused);
  }
  return message.open_;
}

void QueueGroup::note_result(QueuedRecipient& recipient, Domain& domain,
                             const RecipientResult& result, Now now) {
  if (result.next != Next::again) {
    recipient.attempts = static_cast<std::uint16_t>(std::min(recipient.attempts + 1, 0xffff));
  }
  const bool failed = result.next != Next::done || result.report_owed;
  if (!failed || (result.reply.empty() && !result.status.known())) {
    return;
  }
  recipient.remember(result.status, result.reply, now.wall);
  if (domain.lane_ != nullptr) {
    LastError& last = domain.lane_->destination_.last_error_;
    last.time = now.wall;
    last.status = result.status;
    last.reply.assign(result.reply);
  }
}

void QueueGroup::defer(Entry& entry, WallTime due, Now now) {
  check(entry.state_ == EntryState::in_flight, "only an entry in flight can be deferred");
  entry.due_ = now.instant_of(due, longest_wait());
  enqueue(entry, now);
}

void QueueGroup::put_back(Entry& entry, Now now) {
  check(entry.state_ == EntryState::in_flight, "only an entry in flight can be put back");
  entry.due_ = Instant::min();
  enqueue(entry, now);
}

std::uint32_t QueueGroup::remove(Entry& entry) {
  QueuedMessage& message = *entry.message_;
  start(entry);
  for (QueuedRecipient& recipient : entry.recipients()) {
    recipient.done_ = true;
    recipient.entry_ = nullptr;
    --message.open_;
  }
  count(entry, EntryState::in_flight, -std::int64_t{entry.count_});
  forget(entry);
  return message.open_;
}

}  // namespace ringpost::queue
