#include "ringpost/control/operator.h"

#include <algorithm>
#include <utility>

#include "ringpost/base/check.h"
#include "ringpost/base/text.h"
#include "ringpost/control/hold_file.h"
#include "ringpost/delivery/fates.h"
#include "ringpost/delivery/places.h"

namespace ringpost::control {
namespace {

using What = ChangeCommand::What;

// What is looked at before everybody else gets a turn: well below a millisecond.
constexpr std::size_t portion = 2000;
constexpr Duration pause = 1ms;

bool fits(const queue::QueuedMessage& message, const Selector& selector) {
  const std::string_view sender = selector.sender == "<>" ? std::string_view() : selector.sender;
  return (selector.job.empty() || message.job_name() == selector.job) &&
         (selector.sender.empty() || equals_ignoring_case(message.sender(), sender));
}

const std::string& destination_of(const queue::Entry& entry) {
  const queue::Lane* const lane = entry.domain().lane();
  return lane != nullptr ? lane->destination().name() : entry.domain().name();
}

bool fits(const queue::Entry& entry, const Selector& selector) {
  return (selector.group.empty() || entry.domain().group().settings().name == selector.group) &&
         (selector.destination.empty() ||
          equals_ignoring_case(destination_of(entry), selector.destination));
}

// Ready, but its lane or its route is not.
bool waits_for_probe(const queue::Entry& entry, Instant now) {
  const queue::Lane* const lane = entry.domain().lane();
  return entry.state() == queue::EntryState::ready &&
         (entry.domain().route_state() == queue::RouteState::failed ||
          (lane != nullptr && lane->status().suspended(now)));
}

// Each entry once. Recipients on their way to another shard have none.
std::vector<queue::Entry*> entries_of(const queue::QueuedMessage& message,
                                      std::uint64_t& on_their_way) {
  std::vector<queue::Entry*> entries;
  for (const queue::QueuedRecipient& recipient : message.recipients()) {
    queue::Entry* const entry = recipient.entry();
    if (entry != nullptr && std::ranges::find(entries, entry) == entries.end()) {
      entries.push_back(entry);
    }
    on_their_way +=
        recipient.entry() == nullptr && recipient.state() != queue::RecipientState::done ? 1 : 0;
  }
  return entries;
}

}  // namespace

queue::Now Operator::now() const {
  return {room_.reactor.now(), room_.reactor.wall_now()};
}

void Operator::set_holds(queue::Holds holds) {
  holds_ = std::move(holds);
  use_holds();
}

void Operator::use_holds() {
  room_.messages.use_holds(holds_);
  for (const intake::LocalGroup& group : room_.groups) {
    if (group.queue != nullptr) {
      group.queue->use_holds(holds_, now());
      group.service->notify();
    }
  }
}

std::vector<queue::MessageKey> Operator::parts_of(mail::MessageId id) const {
  std::vector<queue::MessageKey> keys;
  for (const queue::QueuedMessage* const part : room_.messages.parts_of(id)) {
    keys.push_back({id, part->part()});
  }
  return keys;
}

std::vector<queue::MessageKey> Operator::matches_in(std::size_t bucket,
                                                    const Selector& selector) const {
  std::vector<queue::MessageKey> keys;
  room_.messages.for_each_in(bucket, [&](const queue::QueuedMessage& message) {
    if (fits(message, selector)) {
      keys.push_back({message.id(), message.part()});
    }
  });
  return keys;
}

ring::Task<Answer> Operator::carry_out(ChangeCommand command) {
  Change change;
  change.what = name_of(command.what);
  change.dry_run = command.dry_run;
  if (command.what == What::hold || command.what == What::release) {
    holds_ = holds_after(std::move(holds_), command);
    use_holds();
  }
  const mail::MessageId id = mail::parse_message_id(command.selector.id);
  const bool one_message = id.value != 0;
  std::size_t looked_at = 0;
  // The table may grow meanwhile; what is new then is none of our business.
  for (std::size_t bucket = 0; bucket < (one_message ? 1 : room_.messages.buckets()); ++bucket) {
    std::vector<queue::MessageKey> keys =
        one_message ? parts_of(id) : matches_in(bucket, command.selector);
    looked_at += keys.size() + 1;
    for (const queue::MessageKey& key : keys) {
      if (!room_.ledger.has_room()) {
        co_await room_.ledger.room();
      }
      queue::QueuedMessage* const message = room_.messages.find(key.id, key.part);
      if (message != nullptr && fits(*message, command.selector)) {
        treat(*message, command, change);
      }
    }
    if (stopping_) {
      break;
    }
    if (looked_at >= portion) {
      looked_at = 0;
      co_await room_.reactor.sleep(pause);
    }
  }
  after(command);
  if (command.what == What::erase && change.recipients > 0 && !command.dry_run) {
    co_await room_.ledger.recorded();
  }
  co_return change;
}

void Operator::treat(queue::QueuedMessage& message, const ChangeCommand& command, Change& change) {
  std::uint64_t changed = 0;
  std::uint64_t in_flight = 0;
  const bool whole_message = command.selector.group.empty() && command.selector.destination.empty();
  std::uint64_t on_their_way = 0;
  for (queue::Entry* const entry : entries_of(message, on_their_way)) {
    if (!fits(*entry, command.selector)) {
      continue;
    }
    if (entry->state() == queue::EntryState::in_flight) {
      in_flight += entry->count();
    } else {
      changed += treat(*entry, command);
    }
  }
  in_flight += whole_message ? on_their_way : 0;
  change.messages += changed > 0 ? 1 : 0;
  change.recipients += changed;
  change.in_flight += in_flight;
}

std::uint64_t Operator::treat(queue::Entry& entry, const ChangeCommand& command) {
  const std::uint64_t recipients = entry.count();
  queue::QueueGroup& group = entry.domain().group();
  switch (command.what) {
    case What::flush:
      return group.hasten(entry, now()) || waits_for_probe(entry, room_.reactor.now()) ? recipients
                                                                                       : 0;
    case What::hold:
      group.hold_back(entry);
      break;
    case What::release:
      break;
    case What::erase:
      if (!command.dry_run) {
        erase(entry);
      }
      break;
    case What::requeue:
      requeue(entry);
      break;
  }
  return recipients;
}

void Operator::erase(queue::Entry& entry) {
  queue::QueueGroup& group = entry.domain().group();
  const std::string destination = destination_of(entry);
  check(group.claim(entry), "an entry that is not in flight can be claimed");
  // RFC 3463: 5.7.0, other security status: our own policy.
  const mail::Outcome outcome =
      delivery::failed_outcome(mail::OutcomeKind::deleted, {5, 7, 0}, "deleted by the operator");
  room_.ledger.settle(group, entry, delivery::fates_for_all(entry, outcome),
                      delivery::Attempt(destination, room_.reactor.now()));
}

void Operator::requeue(queue::Entry& entry) {
  queue::QueuedMessage& message = entry.message();
  std::vector<std::uint32_t> recipients;
  for (const queue::QueuedRecipient& recipient : entry.recipients()) {
    recipients.push_back(message.index_of(recipient));
  }
  entry.domain().group().unfile(entry);
  room_.intake.refile(message, recipients, room_.reactor.wall_now());
}

void Operator::after(const ChangeCommand& command) {
  const Selector& selector = command.selector;
  if (command.what == What::hold) {
    room_.ledger.tell_held(selector.group, selector.destination, selector.job);
  }
  if (command.what == What::flush) {
    room_.hosts.probe_all(room_.reactor.now());
  }
  for (const intake::LocalGroup& group : room_.groups) {
    if (group.queue == nullptr) {
      continue;
    }
    const bool meant = selector.group.empty() || group.queue->settings().name == selector.group;
    if (command.what == What::flush && meant) {
      group.queue->retry_now(selector.destination, now());
    }
    group.service->notify();
  }
}

}  // namespace ringpost::control
