// The assignment has changed while mail is queued: recipients are filed where they belong now, and
// those whose group lives on another shard are handed over.
#include <algorithm>

#include "ringpost/delivery/places.h"
#include "ringpost/intake/intake.h"

namespace ringpost::intake {
namespace {

// Messages that are looked at before everybody else gets a turn.
constexpr std::size_t portion = 2000;
constexpr Duration pause = 1ms;
// How long recipients in flight are left alone before they are looked at again.
constexpr Duration pause_for_flights = 1s;

}  // namespace

void Intake::resettle() {
  gate_.spawn(resettle_all(++resettling_));
}

ring::Task<void> Intake::resettle_all(std::uint64_t round) {
  bool again = true;
  while (again) {
    again = false;
    std::size_t looked_at = 0;
    for (std::size_t bucket = 0; bucket < room_.messages.buckets(); ++bucket) {
      std::vector<queue::MessageKey> keys;
      room_.messages.for_each_in(bucket, [&](const queue::QueuedMessage& message) {
        keys.push_back({message.id(), message.part()});
      });
      for (const queue::MessageKey& key : keys) {
        again |= resettle(*room_.messages.find(key.id, key.part));
      }
      if (room_.events.full()) {
        co_await room_.events.room();
      }
      looked_at += keys.size() + 1;
      if (looked_at >= portion) {
        looked_at = 0;
        co_await room_.reactor.sleep(pause);
      }
      if (closing_ || round != resettling_) {
        co_return;  // the next one begins from the start
      }
    }
    if (again) {
      co_await stop_.wait_until(room_.reactor.timers(), room_.reactor.now() + pause_for_flights);
    }
    if (closing_ || round != resettling_) {
      co_return;
    }
  }
}

bool Intake::resettle(queue::QueuedMessage& message) {
  std::vector<queue::Entry*> entries;
  for (const queue::QueuedRecipient& recipient : message.recipients()) {
    queue::Entry* const entry = recipient.entry();
    if (entry != nullptr && std::ranges::find(entries, entry) == entries.end()) {
      entries.push_back(entry);
    }
  }
  const queue::Now now{room_.reactor.now(), room_.reactor.wall_now()};
  std::vector<std::uint32_t> leaving;  // together: a message is handed over once
  bool in_flight = false;
  for (queue::Entry* const entry : entries) {
    queue::QueueGroup& group = entry->domain().group();
    // All recipients of an entry have one domain, and so one group.
    const GroupPlace place = place_of_queued(entry->domain());
    const LocalGroup own = local(place.group);
    if (own.queue == &group || (own.queue == nullptr && !may_give(message))) {
      continue;
    }
    if (entry->state() == queue::EntryState::in_flight) {
      in_flight = true;
      continue;
    }
    if (own.queue == nullptr && message.storage != queue::Storage::on_disk) {
      room_.ledger.store_now(message);  // what is handed over is on disk here first
      in_flight = true;
      continue;
    }
    std::vector<std::uint32_t> recipients;
    for (const queue::QueuedRecipient& recipient : entry->recipients()) {
      recipients.push_back(message.index_of(recipient));
    }
    const bool deferred = entry->state() == queue::EntryState::deferred;
    const WallTime due = deferred ? now.wall_of(entry->due()) : now.wall;
    group.unfile(*entry);
    tell_moved(message, recipients, place.group);
    if (own.queue == nullptr) {
      leaving.insert(leaving.end(), recipients.begin(), recipients.end());
    } else {
      own.queue->file(message, recipients, due, now);
      own.service->notify();
    }
  }
  if (!leaving.empty()) {
    refile(message, leaving, now.wall);
  }
  return in_flight;
}

}  // namespace ringpost::intake
