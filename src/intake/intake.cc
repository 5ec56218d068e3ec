#include "ringpost/intake/intake.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "ringpost/delivery/places.h"

namespace ringpost::intake {

using delivery::content_location;
using delivery::part_key;

std::uint64_t Intake::hash_of(std::span<const std::string> addresses) {
  std::uint64_t hash = addresses.size();
  for (const std::string& address : addresses) {
    hash = queue::hash_of(hash ^ queue::hash_ignoring_case(address));
  }
  return hash;
}

Intake::Intake(Room room, const std::vector<LocalGroup>& groups)
    : room_(room), groups_(groups), gate_(room.reactor.ready()) {}

std::uint32_t Intake::shard_of(std::string_view address) const {
  return room_.assignment.shard_of(place(address).group);
}

ring::Task<Verdict> Intake::accept(Message message, std::uint32_t forwards) {
  std::vector<std::uint32_t> shards;
  bool one_shard = true;
  for (const std::string& recipient : message->envelope.recipients) {
    shards.push_back(shard_of(recipient));
    one_shard = one_shard && shards.back() == shards.front();
  }
  if (!one_shard) {
    co_return co_await store_and_give(std::move(message), std::move(shards));
  }
  if (shards.front() == room_.shard || forwards >= most_forwards) {
    co_return co_await store(std::move(message), 0);
  }
  Parcel parcel;
  for (const std::string& recipient : message->envelope.recipients) {
    note_learnt(parcel.learnt, recipient);
  }
  parcel.message = std::move(message);
  parcel.forwards = forwards + 1;
  co_return co_await room_.neighbours.submit(shards.front(), std::move(parcel));
}

std::uint32_t Intake::storing_shard(const std::vector<std::string>& recipients) const {
  const std::uint32_t first = recipients.empty() ? room_.shard : shard_of(recipients.front());
  const bool same = std::ranges::all_of(
      recipients, [&](const std::string& recipient) { return shard_of(recipient) == first; });
  return same ? first : room_.shard;
}

ring::Task<bool> Intake::ask_memory(std::uint32_t shard, std::uint64_t held, std::uint64_t wanted) {
  if (shard == room_.shard) {
    co_return co_await room_.memory.ask(held, wanted);
  }
  co_return co_await room_.neighbours.ask_memory(shard, held, wanted);
}

ring::Task<bool> Intake::grow(MemoryGrant& grant, std::uint64_t wanted,
                              const std::vector<std::string>& recipients) {
  if (grant.bytes == 0) {
    grant.shard = storing_shard(recipients);
  }
  const bool granted = co_await ask_memory(grant.shard, grant.bytes, wanted);
  if (granted) {
    grant.bytes = wanted;
  }
  co_return granted;
}

void Intake::give_back(MemoryGrant grant) {
  if (grant.bytes == 0) {
    return;
  }
  if (grant.shard == room_.shard) {
    room_.memory.give_back(grant.bytes);
  } else {
    gate_.spawn(return_memory(grant));
  }
}

ring::Task<void> Intake::return_memory(MemoryGrant grant) {
  co_await room_.neighbours.return_memory(grant.shard, grant.bytes);
}

ring::Task<Verdict> Intake::accept_once(Message report, std::uint32_t forwards) {
  const bool known = room_.messages.find(report->id, 0) != nullptr;
  if (known) {
    co_return Verdict::accepted;
  }
  co_return co_await accept(std::move(report), forwards);
}

ring::Task<Verdict> Intake::take_over(Parcel parcel) {
  const spool::PartKey key = part_key(parcel.message->id, parcel.part);
  believe_all(std::move(parcel.learnt));
  if (key.hop == 0) {  // whole, as it came in
    co_return co_await accept_once(std::move(parcel.message), parcel.forwards);
  }
  // Two givers who each hold a part of the message may choose the same number for what they hand
  // on.
  const std::uint64_t recipients = hash_of(parcel.message->envelope.recipients);
  const auto [known, is_new] = unconfirmed_.try_emplace(key, recipients, std::nullopt);
  if (!is_new && known->second.recipients != recipients) {
    co_return Verdict::number_taken;
  }
  if (!is_new) {
    co_return known->second.location ? Verdict::accepted : Verdict::failed;
  }
  if (room_.messages.find(key.message, key.part) != nullptr) {
    unconfirmed_.erase(known);
    co_return Verdict::number_taken;  // confirmed long ago, so this is another one
  }
  const Verdict verdict = co_await store(std::move(parcel.message), parcel.part);
  if (verdict != Verdict::accepted) {
    unconfirmed_.erase(key);
  }
  co_return verdict;
}

std::optional<Verdict> Intake::obstacle(const mail::Message& message) const {
  if (!room_.spool.accepting() || room_.events.full()) {
    return Verdict::no_space;
  }
  if (!room_.spool.can_hold(message)) {
    return Verdict::failed;
  }
  return std::nullopt;
}

ring::Task<Verdict> Intake::store(Message message, std::uint32_t part) {
  if (const std::optional<Verdict> no = obstacle(*message)) {
    co_return *no;
  }
  while (!room_.spool.has_room()) {  // others who waited may have been first
    co_await room_.spool.room();
  }
  if (const std::optional<Instant> deadline = may_store_by(*message, part)) {
    keep_in_memory(std::move(message), *deadline);
    co_return Verdict::accepted;
  }
  const spool::PartKey key = part_key(message->id, part);
  const spool::Appended appended = room_.spool.append(*message, key.part, key.hop);
  const int error = co_await room_.spool.committed(appended.ticket);
  if (error != 0) {
    co_return Verdict::failed;
  }
  if (key.hop > 0) {
    unconfirmed_.at(key).location = appended.location;
    room_.ledger.hold(key);
  } else {
    ++accepted_;
  }
  queue::QueuedMessage& queued = enqueue(std::move(message), part, appended.location);
  if (key.hop == 0) {
    tell_received(queued);
  }
  file_all(queued);
  co_return Verdict::accepted;
}

// When the message must be on disk, if it may be answered before; nothing: it may not. What has
// several recipients may move in parts, a part was promised to its giver, a report to its sender.
std::optional<Instant> Intake::may_store_by(const mail::Message& message,
                                            std::uint32_t part) const {
  if (room_.assignment.all_committed() || part != 0 || message.envelope.recipients.size() != 1 ||
      message.envelope.sender.empty()) {
    return std::nullopt;
  }
  const GroupPlace place = this->place(message.envelope.recipients.front());
  const std::optional<Duration> delay = room_.assignment.storing_delay(place.group);
  if (!delay || local(place.group).queue == nullptr ||
      !room_.messages.contents().has_room_for(message.content)) {
    return std::nullopt;
  }
  return *delay == Duration::max() ? never : room_.reactor.now() + *delay;
}

void Intake::keep_in_memory(Message message, Instant deadline) {
  ++accepted_;
  queue::QueuedMessage& queued = enqueue(std::move(message), 0, {});
  room_.ledger.store_late(queued, deadline);
  tell_received(queued);
  file_all(queued);
}

void Intake::file_all(queue::QueuedMessage& message) {
  const WallTime due = room_.reactor.wall_now();
  const bool arrived = delivery::hop_of(message.part()) > 0;
  if (message.recipients().size() == 1) {  // nearly every newsletter
    const std::uint32_t only = 0;
    const std::string_view address = message.address_of(message.recipients().front());
    const LocalGroup group = local((arrived ? place_of_arrival(address) : place(address)).group);
    if (group.queue != nullptr) {
      group.queue->file(message, std::span(&only, 1), due, {room_.reactor.now(), due});
      drop_suppressed(message, *group.queue, std::span(&only, 1));
      group.service->notify();
      return;
    }
  }
  // A part that was on its way here since before a restart may have recipients that the new number
  // of shards puts elsewhere.
  std::vector<std::uint32_t> all(message.recipients().size());
  std::iota(all.begin(), all.end(), 0U);
  file_or_give(message, all, due, arrived);
}

// A part's number has eight bits for how often it was handed over: what has moved that often stays.
bool Intake::may_give(const queue::QueuedMessage& message) {
  constexpr std::uint32_t most_hops = 255;
  return std::max<std::uint32_t>(delivery::hop_of(message.part()), message.given_hop) < most_hops;
}

void Intake::refile(queue::QueuedMessage& message, std::span<const std::uint32_t> recipients,
                    WallTime due) {
  file_or_give(message, recipients, due, false);
}

// `arrived`: another shard meant them for this one.
void Intake::file_or_give(queue::QueuedMessage& message, std::span<const std::uint32_t> recipients,
                          WallTime due, bool arrived) {
  Batches batches;
  std::map<std::uint32_t, GivenPart> given;
  std::vector<std::uint32_t> staying;
  const bool on_disk = message.storage == queue::Storage::on_disk;
  const bool giving = (may_give(message) && on_disk) || fallback_.queue == nullptr;
  for (const std::uint32_t recipient : recipients) {
    const std::string_view address = message.address_of(message.recipients()[recipient]);
    const GroupPlace place = arrived ? place_of_arrival(address) : this->place(address);
    const std::uint32_t shard = room_.assignment.shard_of(place.group);
    if (shard == room_.shard) {
      add_to(batches, place, due, recipient);
    } else if (giving) {
      give_on(message, recipient, shard, given);
    } else {
      staying.push_back(recipient);
    }
  }
  for (auto& [shard, part] : given) {
    message.given_hop = static_cast<std::uint8_t>(delivery::hop_of(part.part));
    gate_.spawn(hand_over(std::move(part)));
  }
  if (!staying.empty() && !on_disk) {
    resettle();  // they go on from the disk
  }
  if (!staying.empty()) {
    fallback_.queue->file(message, staying, due, {room_.reactor.now(), room_.reactor.wall_now()});
    fallback_.service->notify();
  }
  file(message, batches);
}

ring::Task<Verdict> Intake::store_and_give(Message message, std::vector<std::uint32_t> shards) {
  if (const std::optional<Verdict> no = obstacle(*message)) {
    co_return *no;
  }
  if (!room_.spool.has_room()) {
    co_await room_.spool.room();
  }
  std::vector<std::uint32_t> parts;
  std::map<std::uint32_t, GivenPart> given;
  for (std::uint32_t recipient = 0; recipient < shards.size(); ++recipient) {
    const std::uint32_t shard = shards[recipient];
    parts.push_back(shard == room_.shard ? 0 : delivery::part_number(1, 0, room_.shard, shard));
    if (shard != room_.shard) {
      given[shard].recipients.push_back(recipient);
      note_learnt(given[shard].learnt, message->envelope.recipients[recipient]);
    }
  }
  const spool::PartKey key = part_key(message->id, 0);
  const spool::Appended appended = room_.spool.append(*message, 0, 0, parts);
  const int error = co_await room_.spool.committed(appended.ticket);
  if (error != 0) {
    co_return Verdict::failed;
  }
  ++accepted_;
  queue::QueuedMessage& queued = enqueue(std::move(message), 0, appended.location);
  queued.given_hop = 1;
  tell_received(queued);
  Batches batches;
  for (const queue::QueuedRecipient& recipient : queued.recipients()) {
    if (parts[queued.index_of(recipient)] == 0) {
      add_to(batches, place(queued.address_of(recipient)), room_.reactor.wall_now(),
             queued.index_of(recipient));
    }
  }
  file(queued, batches);
  for (auto& [shard, part] : given) {
    part.key = key;
    part.location = appended.location;
    part.part = delivery::part_number(1, 0, room_.shard, shard);
    part.shard = shard;
    part.recorded = true;
    gate_.spawn(hand_over(std::move(part)));
  }
  co_return Verdict::accepted;
}

queue::QueuedMessage& Intake::enqueue(Message message, std::uint32_t part,
                                      spool::Location location) {
  queue::QueuedMessage& queued =
      room_.messages.add(message->id, part, message->arrived, message->envelope,
                         message->content.size(), content_location(location));
  room_.messages.contents().offer(queued, std::move(message->content), room_.reactor.now());
  return queued;
}

void Intake::add_to(Batches& batches, const GroupPlace& place, WallTime due,
                    std::uint32_t recipient) {
  batches[{place.group, due}].push_back(recipient);
}

void Intake::file(queue::QueuedMessage& message, const Batches& batches) {
  const queue::Now now{room_.reactor.now(), room_.reactor.wall_now()};
  for (const auto& [key, recipients] : batches) {
    const auto& [number, due] = key;
    // It may have moved while the message was being stored.
    const LocalGroup own = local(number);
    const LocalGroup& group = own.queue != nullptr ? own : fallback_;
    group.queue->file(message, recipients, due, now);
    drop_suppressed(message, *group.queue, recipients);
    group.service->notify();
  }
}

events::Event Intake::event_about(const queue::QueuedMessage& message,
                                  const queue::QueuedRecipient& recipient) const {
  events::Event event;
  event.time = room_.reactor.wall_now();
  event.id = message.id();
  event.part = message.part();
  event.sender = message.sender();
  event.recipient = message.address_of(recipient);
  event.size = message.size();
  event.queued_ms = (event.time - message.arrived()).count();
  event.tenant = message.tenant();
  event.job = message.job_name();
  event.envid = message.envid();
  return event;
}

void Intake::tell_received(const queue::QueuedMessage& message) {
  for (const queue::QueuedRecipient& recipient : message.recipients()) {
    events::Event event = event_about(message, recipient);
    event.kind = events::EventKind::received;
    const GroupPlace place = this->place(event.recipient);
    event.group = room_.assignment.groups()[place.group].settings.name;
    event.shard = room_.assignment.shard_of(place.group);
    room_.events.append(event);
  }
}

// What recovery files is looked at when its turn to be sent comes.
void Intake::drop_suppressed(queue::QueuedMessage& message, queue::QueueGroup& group,
                             std::span<const std::uint32_t> recipients) {
  if (recovering_ || !room_.ledger.suppresses()) {
    return;
  }
  std::vector<queue::Entry*> entries;
  for (const std::uint32_t recipient : recipients) {
    queue::Entry* const entry = message.recipients()[recipient].entry();
    if (std::ranges::find(entries, entry) == entries.end()) {
      entries.push_back(entry);
    }
  }
  for (queue::Entry* const entry : entries) {
    const Instant due = entry->due();
    const bool deferred = entry->state() == queue::EntryState::deferred;
    if (!group.claim(*entry) || room_.ledger.settle_suppressed(group, *entry)) {
      continue;
    }
    const queue::Now now{room_.reactor.now(), room_.reactor.wall_now()};
    group.defer(*entry, deferred ? now.wall_of(due) : now.wall, now);
  }
}

ring::Task<void> Intake::close() {
  closing_ = true;
  stop_.notify_all();
  given_.notify_all();
  co_await gate_.close();
}

}  // namespace ringpost::intake
