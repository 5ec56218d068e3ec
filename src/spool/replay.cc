#include "ringpost/spool/replay.h"

#include <algorithm>

namespace ringpost::spool {
namespace {

template <class T>
bool has(const std::vector<T>& values, const T& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

}  // namespace

void Replay::segment(std::uint64_t number, std::span<const StoredRecord> records) {
  for (std::size_t at = records.size(); at-- > 0;) {
    if (!replay(number, records[at])) {
      ++malformed_;
    }
  }
}

bool Replay::replay(std::uint64_t segment, const StoredRecord& record) {
  switch (record.kind) {
    case RecordKind::message:
      return replay_message(segment, record);
    case RecordKind::outcome:
      return replay_outcome(segment, record);
    case RecordKind::deferral:
      return replay_deferral(segment, record);
    case RecordKind::report_discharged:
      return replay_discharge(segment, record);
    case RecordKind::hand_over:
      return replay_hand_over(segment, record);
    case RecordKind::voided:
      return replay_voids(segment, record);
  }
  return false;
}

Replay::History& Replay::history_of(const PartKey& key, std::uint64_t segment) {
  highest_id_ = std::max(highest_id_, key.message);
  History& history = histories_[key];
  if (history.segments.empty() || history.segments.back() != segment) {
    history.segments.push_back(segment);
  }
  return history;
}

bool Replay::replay_outcome(std::uint64_t segment, const StoredRecord& stored) {
  auto record = decode_outcome(stored.meta);
  if (!record) {
    return false;
  }
  highest_id_ = std::max(highest_id_, record->report);
  History& history = history_of(record->key, segment);
  for (const RecipientOutcome& recipient : record->recipients) {
    RecipientHistory& known = history.recipients[recipient.recipient];
    if (!known.state_known) {
      known.state = RecoveredRecipient::State::done;
      known.state_known = known.attempts_known = true;
    }
  }
  if (record->report.value != 0 && !has(history.discharged, record->report)) {
    const bool listed =
        std::any_of(history.reports.begin(), history.reports.end(),
                    [&](const OwedReport& owed) { return owed.report == record->report; });
    if (!listed) {
      history.reports.push_back(OwedReport{record->report, std::move(record->recipients)});
    }
  }
  return true;
}

bool Replay::replay_deferral(std::uint64_t segment, const StoredRecord& stored) {
  auto record = decode_deferral(stored.meta);
  if (!record) {
    return false;
  }
  History& history = history_of(record->key, segment);
  for (RecipientDeferral& recipient : record->recipients) {
    RecipientHistory& known = history.recipients[recipient.recipient];
    known.state_known = true;  // queued, unless a newer record said otherwise
    if (!known.attempts_known) {
      known.attempts_known = true;
      known.attempts = recipient.attempts;
      known.due = recipient.due;
      known.last = std::move(recipient.last);
    }
  }
  return true;
}

bool Replay::replay_discharge(std::uint64_t segment, const StoredRecord& stored) {
  const auto record = decode_report_discharged(stored.meta);
  if (!record) {
    return false;
  }
  history_of(record->key, segment).discharged.push_back(record->report);
  return true;
}

bool Replay::replay_hand_over(std::uint64_t segment, const StoredRecord& stored) {
  const auto record = decode_hand_over(stored.meta);
  if (!record) {
    return false;
  }
  History& history = history_of(record->key, segment);
  if (record->state != HandOverRecord::State::confirmed) {
    history.highest_part = std::max(history.highest_part, record->part);
  }
  switch (record->state) {
    case HandOverRecord::State::given:
      for (const std::uint32_t recipient : record->recipients) {
        RecipientHistory& known = history.recipients[recipient];
        if (!known.state_known) {
          known.state = RecoveredRecipient::State::given;
          known.part = record->part;
          known.state_known = true;
        }
      }
      break;
    case HandOverRecord::State::moved:
      history.moved.push_back(record->part);
      break;
    case HandOverRecord::State::confirmed:
      history.confirmed = true;
      break;
  }
  return true;
}

// The voids themselves were heeded before the first segment was read; they must stay until the
// segments that they speak of are gone.
bool Replay::replay_voids(std::uint64_t segment, const StoredRecord& stored) {
  const auto record = decode_voided(stored.meta);
  if (!record) {
    return false;
  }
  for (const Void& voided : record->voids) {
    table_.add_reference(segment, voided.segment);
  }
  return true;
}

bool Replay::replay_message(std::uint64_t segment, const StoredRecord& stored) {
  const auto key = key_of(stored.meta);
  if (!key) {
    return false;
  }
  highest_id_ = std::max(highest_id_, key->message);
  const auto found = histories_.find(*key);
  History* history = found == histories_.end() ? nullptr : &found->second;
  if (history != nullptr) {
    for (const std::uint64_t holder : history->segments) {
      table_.add_reference(holder, segment);
    }
    if (history->generation > 0 && history->generation >= stored.generation) {
      return true;  // an older copy
    }
  }
  auto record = decode_message(stored.meta);
  if (!record) {
    return false;
  }
  emit(segment, stored, std::move(*record), history);
  if (stored.generation > 0) {
    // The copy stays as long as what it was made of is there: that must not come back.
    history_of(*key, segment).generation = stored.generation;
  } else if (history != nullptr) {
    histories_.erase(found);  // there is no older copy
  }
  return true;
}

bool Replay::merge(MessageRecord& record, History* history, RecoveredMessage& message) {
  using State = RecoveredRecipient::State;
  const std::size_t count = record.envelope.recipients.size();
  std::map<std::uint32_t, RecipientHistory> merged;
  if (history != nullptr) {
    merged = std::move(history->recipients);
    message.reports = std::move(history->reports);
    message.confirmed = history->confirmed;
    message.highest_part = history->highest_part;
  }
  for (std::uint32_t at = 0; at < record.parts.size(); ++at) {
    message.highest_part = std::max(message.highest_part, record.parts[at]);
    if (record.parts[at] != record.key.part && !merged[at].state_known) {
      merged[at].state = State::given;
      merged[at].part = record.parts[at];
    }
  }
  for (OwedReport& owed : message.reports) {
    malformed_ += std::erase_if(owed.recipients, [count](const RecipientOutcome& failed) {
      return failed.recipient >= count;
    });
  }
  std::size_t done = 0;
  message.recipients.reserve(merged.size());
  for (auto& [at, known] : merged) {
    if (at >= count) {
      ++malformed_;
      continue;
    }
    known.recipient = at;
    if (known.state == State::given && history != nullptr && has(history->moved, known.part)) {
      known.state = State::done;
    }
    done += known.state == State::done ? 1 : 0;
    message.recipients.push_back(std::move(known));
  }
  const bool awaits_confirmation = record.key.hop > 0 && !message.confirmed;
  return done < count || !message.reports.empty() || awaits_confirmation;
}

void Replay::emit(std::uint64_t segment, const StoredRecord& stored, MessageRecord&& record,
                  History* history) {
  RecoveredMessage message;
  if (!merge(record, history, message)) {
    return;
  }
  message.key = record.key;
  message.arrived = record.arrived;
  message.envelope = std::move(record.envelope);
  message.location =
      Location{static_cast<std::uint32_t>(segment),
               static_cast<std::uint32_t>(stored.content_offset), stored.content_length};
  table_.message_added(segment, stored.content_length);
  ++messages_;
  sink_(std::move(message));
}

}  // namespace ringpost::spool
