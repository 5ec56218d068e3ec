// Puts together what became of every stored message from the records of all segments, which are
// given newest first: so whatever became of a message is known when the message itself comes up,
// and nothing is held in memory but what is still open. (pure)
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <unordered_map>
#include <vector>

#include "ringpost/mail/message.h"
#include "ringpost/spool/location.h"
#include "ringpost/spool/record.h"
#include "ringpost/spool/segment_scan.h"
#include "ringpost/spool/segment_table.h"

namespace ringpost::spool {

// A recipient that something was recorded about.
struct RecoveredRecipient {
  enum class State : std::uint8_t { queued, done, given };

  std::uint32_t recipient = 0;  // index in the envelope
  State state = State::queued;
  std::uint32_t attempts = 0;
  std::uint32_t part = 0;  // when given: the part in motion
  WallTime due;            // the next attempt; meaningless without an attempt
  mail::Outcome last;      // of the last attempt; when done: empty
};

struct OwedReport {
  mail::MessageId report;
  std::vector<RecipientOutcome> recipients;
};

// A message that something is still to be done about: recipients are queued or given, a report is
// owed, or it was taken from another shard that has not confirmed.
struct RecoveredMessage {
  PartKey key;
  WallTime arrived;
  mail::Envelope envelope;
  Location location;
  // Sorted by index. Those not listed are queued without an attempt.
  std::vector<RecoveredRecipient> recipients;
  std::vector<OwedReport> reports;
  bool confirmed = false;  // of a taken part (key.hop > 0): the giver has committed "moved"
  // Of all parts that were ever given from here; a new one must be higher, or it would be taken for
  // one that was moved long ago.
  std::uint32_t highest_part = 0;
};

using RecoverySink = std::function<void(RecoveredMessage&&)>;

class Replay {
 public:
  // Marks live messages and references in `table`, in which all segments stand already.
  Replay(SegmentTable& table, RecoverySink sink) : table_(table), sink_(std::move(sink)) {}

  // The records of one segment as they were written. Segments come newest first.
  void segment(std::uint64_t number, std::span<const StoredRecord> records);

  [[nodiscard]] mail::MessageId highest_id() const { return highest_id_; }
  [[nodiscard]] std::uint64_t messages() const { return messages_; }
  // Records whose checksum held but which could not be understood.
  [[nodiscard]] std::uint64_t malformed() const { return malformed_; }

 private:
  struct RecipientHistory : RecoveredRecipient {
    bool state_known = false;
    bool attempts_known = false;
  };
  struct History {
    std::map<std::uint32_t, RecipientHistory> recipients;
    std::vector<OwedReport> reports;
    std::vector<mail::MessageId> discharged;
    std::vector<std::uint32_t> moved;
    std::vector<std::uint64_t> segments;  // that hold records of it
    bool confirmed = false;
    std::uint32_t highest_part = 0;
    std::uint16_t generation = 0;  // of the copy that was seen; 0 = none was
  };

  bool replay(std::uint64_t segment, const StoredRecord& record);
  bool replay_message(std::uint64_t segment, const StoredRecord& stored);
  bool replay_outcome(std::uint64_t segment, const StoredRecord& stored);
  bool replay_deferral(std::uint64_t segment, const StoredRecord& stored);
  bool replay_discharge(std::uint64_t segment, const StoredRecord& stored);
  bool replay_hand_over(std::uint64_t segment, const StoredRecord& stored);
  bool replay_voids(std::uint64_t segment, const StoredRecord& stored);
  History& history_of(const PartKey& key, std::uint64_t segment);
  // Merges what the record says with what became of it; false if nothing is open any more.
  bool merge(MessageRecord& record, History* history, RecoveredMessage& message);
  void emit(std::uint64_t segment, const StoredRecord& stored, MessageRecord&& record,
            History* history);

  SegmentTable& table_;
  RecoverySink sink_;
  std::unordered_map<PartKey, History> histories_;
  mail::MessageId highest_id_;
  std::uint64_t messages_ = 0;
  std::uint64_t malformed_ = 0;
};

}  // namespace ringpost::spool
