// The durable hand-over: how recipients move to another shard without being lost or owned twice.
// The giver has them frozen on disk; the taker commits the part with the next hop; the giver
// commits "moved" and confirms; until then the taker does not forget the part, delivered or not.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ringpost/base/log.h"
#include "ringpost/delivery/places.h"
#include "ringpost/intake/intake.h"

namespace ringpost::intake {
namespace {

constexpr Duration pause_after_refusal = 1s;

}  // namespace

using delivery::part_key;

ring::Task<Intake::Message> Intake::make_part(const GivenPart& given) {
  const queue::QueuedMessage* const here = room_.messages.find(given.key.message, given.key.part);
  check(here != nullptr, "a message was forgotten while a part of it was being handed over");
  auto part = std::make_unique<mail::Message>(delivery::without_content(*here, given.recipients));
  if (here->content() != nullptr) {
    part->content = *here->content();
    co_return part;
  }
  Result<std::string> content = co_await room_.spool.read_content(given.location);
  if (!content) {
    log::error("message {} cannot be handed over to shard {}: {}", given.key.message.to_string(),
               given.shard, content.error().describe());
    co_return Message();
  }
  part->content = std::move(*content);
  co_return part;
}

ring::Task<std::optional<Verdict>> Intake::submit_part(const GivenPart& given) {
  const queue::QueuedMessage* const here = room_.messages.find(given.key.message, given.key.part);
  check(here != nullptr, "a message was forgotten while a part of it was being handed over");
  MemoryGrant grant{given.shard, 0};
  const std::uint64_t size = here->size();
  if (size > ContentMemory::unasked) {
    const bool granted = co_await room_.neighbours.ask_memory(given.shard, 0, size);
    if (!granted) {
      co_return std::nullopt;
    }
    grant.bytes = size;
  }
  Parcel parcel;
  parcel.message = co_await make_part(given);
  parcel.part = given.part;
  parcel.hop = delivery::hop_of(given.part);
  parcel.learnt = given.learnt;
  std::optional<Verdict> verdict;
  if (parcel.message != nullptr) {
    verdict = co_await room_.neighbours.submit(given.shard, std::move(parcel));
  }
  give_back(grant);
  co_return verdict;
}

ring::Task<void> Intake::hand_over(GivenPart given) {
  ++giving_;
  while (!closing_) {
    bool ready = given.recorded;
    bool refused = false;
    if (!ready) {
      ready = co_await record_given(given);
      given.recorded = ready;
    }
    if (ready) {
      if (given.taken) {
        break;
      }
      const std::optional<Verdict> verdict = co_await submit_part(given);
      if (verdict == Verdict::accepted) {
        break;
      }
      if (verdict == Verdict::number_taken) {
        renumber(given);
        continue;
      }
      refused = verdict.has_value();
    }
    // Whoever has refused it has not got it: it is ours, to expire like any other.
    if ((refused || !ready) && expire(given)) {
      --giving_;
      given_.notify_all();
      co_return;
    }
    co_await stop_.wait_until(room_.reactor.timers(), room_.reactor.now() + pause_after_refusal);
  }
  bool moved = false;
  while (!closing_ && !moved) {
    moved = co_await record_moved(given);
    if (!moved) {
      co_await stop_.wait_until(room_.reactor.timers(), room_.reactor.now() + pause_after_refusal);
    }
  }
  if (moved) {
    const spool::PartKey theirs = part_key(given.key.message, given.part);
    co_await room_.neighbours.confirm(given.shard, theirs);
  }
  --giving_;
  given_.notify_all();
}

// True: they are in one of our queue groups again, which reports them as expired. The outcome's
// record is newer than the one that froze them, and counts.
bool Intake::expire(const GivenPart& given) {
  queue::QueuedMessage* const here = room_.messages.find(given.key.message, given.key.part);
  check(here != nullptr, "a message was forgotten while a part of it was being handed over");
  const queue::Now now{room_.reactor.now(), room_.reactor.wall_now()};
  if (fallback_.queue == nullptr ||
      here->arrived() + std::chrono::ceil<std::chrono::milliseconds>(
                            fallback_.queue->settings().retry.expiry) >
          now.wall) {
    return false;
  }
  fallback_.queue->file(*here, given.recipients, now.wall, now);
  fallback_.service->notify();
  return true;
}

// The record of the old number stays on disk: the newer one counts.
void Intake::renumber(GivenPart& given) {
  queue::QueuedMessage* const here = room_.messages.find(given.key.message, given.key.part);
  check(here != nullptr, "a message was forgotten while a part of it was being handed over");
  ++here->given_hop;
  given.part = delivery::part_number(here->given_hop, given.key.part, room_.shard, given.shard);
  given.recorded = false;
}

ring::Task<bool> Intake::record_given(const GivenPart& given) {
  spool::HandOverRecord record;
  record.key = given.key;
  record.state = spool::HandOverRecord::State::given;
  record.part = given.part;
  record.recipients = given.recipients;
  const spool::Ticket ticket = room_.spool.append(record, given.location);
  const int error = co_await room_.spool.committed(ticket);
  co_return error == 0;
}

ring::Task<bool> Intake::record_moved(const GivenPart& given) {
  spool::HandOverRecord record;
  record.key = given.key;
  record.state = spool::HandOverRecord::State::moved;
  record.part = given.part;
  const spool::Ticket ticket = room_.spool.append(record, given.location);
  const int error = co_await room_.spool.committed(ticket);
  if (error != 0) {
    co_return false;
  }
  queue::QueuedMessage* const here = room_.messages.find(given.key.message, given.key.part);
  for (const std::uint32_t recipient : given.recipients) {
    here->set_done(recipient);
  }
  if (here->open_recipients() == 0) {
    room_.messages.erase(*here);
    room_.ledger.finish(given.key, given.location, ticket);
  }
  co_return true;
}

ring::Task<void> Intake::confirmed(spool::PartKey key) {
  const auto taken = unconfirmed_.find(key);
  if (taken == unconfirmed_.end() || !taken->second.location) {
    co_return;
  }
  const spool::Location location = *taken->second.location;
  spool::HandOverRecord record;
  record.key = key;
  record.state = spool::HandOverRecord::State::confirmed;
  record.part = key.part;
  // Should the end come first, the next recovery finds out by asking all shards.
  while (!closing_) {
    const spool::Ticket ticket = room_.spool.append(record, location);
    const int error = co_await room_.spool.committed(ticket);
    if (error == 0) {
      unconfirmed_.erase(key);
      room_.ledger.release(key, location, ticket);
      co_return;
    }
    co_await stop_.wait_until(room_.reactor.timers(), room_.reactor.now() + pause_after_refusal);
  }
}

void Intake::give_on(queue::QueuedMessage& message, std::uint32_t recipient, std::uint32_t shard,
                     std::map<std::uint32_t, GivenPart>& given) {
  GivenPart& part = given[shard];
  if (part.recipients.empty()) {
    part.key = part_key(message);
    part.location = delivery::spool_location(message.location);
    // No two parts of a message that leave here may be numbered alike.
    const std::uint32_t hop = std::max<std::uint32_t>(part.key.hop, message.given_hop) + 1;
    part.part = delivery::part_number(hop, part.key.part, room_.shard, shard);
    part.shard = shard;
  }
  part.recipients.push_back(recipient);
  note_learnt(part.learnt, message.address_of(message.recipients()[recipient]));
}

// --- recovery ------------------------------------------------------------------------------------

void Intake::recover(spool::RecoveredMessage&& recovered) {
  if (room_.messages.find(recovered.key.message, recovered.key.part) != nullptr) {
    log::error("message {} stands in the spool twice; the second one, at {} of segment {}, is left",
               recovered.key.message.to_string(), recovered.location.offset,
               recovered.location.segment);
    return;
  }
  queue::QueuedMessage& message = room_.messages.add(
      recovered.key.message, recovered.key.part, recovered.arrived, recovered.envelope,
      recovered.location.length, delivery::content_location(recovered.location));
  if (recovered.key.hop > 0 && !recovered.confirmed) {
    unconfirmed_.emplace(recovered.key,
                         TakenPart{hash_of(recovered.envelope.recipients), recovered.location});
    room_.ledger.hold(recovered.key);
  }
  restore_reports(recovered);
  restore_recipients(message, recovered);
  if (message.open_recipients() == 0) {
    room_.messages.erase(message);
    room_.ledger.finish(recovered.key, recovered.location, spool::Ticket());
  }
}

void Intake::restore_recipients(queue::QueuedMessage& message,
                                const spool::RecoveredMessage& recovered) {
  using State = spool::RecoveredRecipient::State;
  std::map<std::uint32_t, GivenPart> given;  // by part
  message.given_hop = static_cast<std::uint8_t>(delivery::hop_of(recovered.highest_part));
  const std::uint32_t next_hop =
      std::max(recovered.key.hop, delivery::hop_of(recovered.highest_part)) + 1;
  Batches batches;
  auto known = recovered.recipients.begin();
  for (std::uint32_t index = 0; index < message.recipients().size(); ++index) {
    queue::QueuedRecipient& recipient = message.recipients()[index];
    const bool has_history = known != recovered.recipients.end() && known->recipient == index;
    const spool::RecoveredRecipient history = has_history ? *known : spool::RecoveredRecipient();
    known += has_history ? 1 : 0;
    if (history.state == State::done) {
      message.set_done(index);
      continue;
    }
    const GroupPlace place = place_of_arrival(message.address_of(recipient));
    const std::uint32_t shard = room_.assignment.shard_of(place.group);
    if (history.state == State::given || shard != room_.shard) {
      const bool recorded = history.state == State::given;
      const std::uint32_t part =
          recorded ? history.part
                   : delivery::part_number(next_hop, recovered.key.part, room_.shard, shard);
      GivenPart& frozen = given[part];
      frozen.recipients.push_back(index);
      frozen.recorded = recorded;
      frozen.shard = recorded ? delivery::taker_of(part) : shard;
      continue;
    }
    recipient.attempts = static_cast<std::uint16_t>(history.attempts);
    recipient.alone = history.last.in_doubt;
    if (history.attempts > 0) {
      recipient.remember(history.last.status, history.last.reply);
    }
    add_to(batches, place, history.attempts > 0 ? history.due : room_.reactor.wall_now(), index);
  }
  file(message, batches);
  for (auto& [part, frozen] : given) {
    message.given_hop =
        std::max(message.given_hop, static_cast<std::uint8_t>(delivery::hop_of(part)));
    frozen.key = recovered.key;
    frozen.location = recovered.location;
    frozen.part = part;
    to_give_[frozen.shard].push_back(std::move(frozen));
  }
}

void Intake::restore_reports(const spool::RecoveredMessage& recovered) {
  for (const spool::OwedReport& owed : recovered.reports) {
    delivery::OwedReport report;
    report.id = owed.report;
    report.about = recovered.key;
    report.location = recovered.location;
    report.arrived = recovered.arrived;
    report.sender = recovered.envelope.sender;
    report.envid = recovered.envelope.envid;
    report.tenant = recovered.envelope.tenant;
    report.job = recovered.envelope.job;
    report.utf8 = recovered.envelope.utf8;
    for (const spool::RecipientOutcome& told : owed.recipients) {
      // The others ended in the same transaction.
      const mail::RecipientRequest* const request = recovered.envelope.reports.of(told.recipient);
      if (mail::is_reported(told.outcome, request)) {
        report.add(recovered.envelope.recipients[told.recipient], request, told.outcome);
      }
    }
    report.decide_return(recovered.envelope.reports.returned);
    room_.ledger.still_owed(std::move(report));
  }
}

HandOvers Intake::hand_overs() const {
  HandOvers found;
  for (const auto& [shard, parts] : to_give_) {
    for (const GivenPart& given : parts) {
      if (given.recorded) {
        found.on_their_way.push_back(part_key(given.key.message, given.part));
      }
    }
  }
  if (room_.shard >= room_.assignment.shards()) {
    for (const auto& [key, taken] : unconfirmed_) {
      found.taken.push_back(key);
    }
  }
  return found;
}

void Intake::redirect(const HandOvers& all) {
  std::vector<GivenPart> moving;
  for (auto parts = to_give_.lower_bound(room_.assignment.shards()); parts != to_give_.end();
       ++parts) {
    for (GivenPart& given : std::exchange(parts->second, {})) {
      given.taken = std::ranges::binary_search(all.taken, part_key(given.key.message, given.part));
      if (given.taken) {
        parts->second.push_back(std::move(given));
      } else {
        moving.push_back(std::move(given));
      }
    }
  }
  for (GivenPart& given : moving) {
    const queue::QueuedMessage* const here = room_.messages.find(given.key.message, given.key.part);
    check(here != nullptr, "a message was forgotten although a part of it was never taken");
    // Its other recipients may belong elsewhere: the taker will hand them on.
    given.shard = shard_of(here->address_of(here->recipients()[given.recipients.front()]));
    renumber(given);
    to_give_[given.shard].push_back(std::move(given));
  }
}

void Intake::resume(const HandOvers& all) {
  recovering_ = false;
  redirect(all);
  std::vector<spool::PartKey> settled;
  for (const auto& [key, taken] : unconfirmed_) {
    if (!std::ranges::binary_search(all.on_their_way, key)) {
      settled.push_back(key);
    }
  }
  for (const spool::PartKey& key : settled) {
    gate_.spawn(confirmed(key));
  }
  for (const auto& [shard, parts] : to_give_) {
    const auto at_once = std::min<std::size_t>(parts.size(), most_hand_overs);
    for (std::size_t count = 0; count < at_once; ++count) {
      gate_.spawn(hand_over_all(shard));
    }
  }
}

ring::Task<void> Intake::hand_over_all(std::uint32_t shard) {
  std::deque<GivenPart>& parts = to_give_.at(shard);
  while (!closing_ && !parts.empty()) {
    GivenPart given = std::move(parts.front());
    parts.pop_front();
    co_await hand_over(std::move(given));
  }
}

}  // namespace ringpost::intake
