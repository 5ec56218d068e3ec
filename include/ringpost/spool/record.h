// The records of the spool as values, and their stored form: what a batch is made of. Encoding
// appends to a string; decoding takes untrusted bytes and answers a value or nothing. The layout is
// described in docs/SPOOL_FORMAT.md. Called by group commit and recovery; does no I/O. (pure)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/base/time.h"
#include "ringpost/mail/message.h"
#include "ringpost/mail/outcome.h"

namespace ringpost::spool {

// Names what one shard holds of a message: all of it, or the part that was handed over to it.
// `hop` counts hand-overs; of two shards that claim a part, the one with the higher hop owns it.
struct PartKey {
  mail::MessageId message;
  std::uint32_t part = 0;
  std::uint32_t hop = 0;

  auto operator<=>(const PartKey&) const = default;
};

enum class RecordKind : std::uint16_t {
  message = 1,
  outcome = 2,
  deferral = 3,
  report_discharged = 4,
  hand_over = 5,
  voided = 6,
};

// A bound that stored records keep and readers insist on.
inline constexpr std::size_t most_recipients = 1 << 20;

// A message as it is stored, without its content.
struct MessageRecord {
  PartKey key;
  WallTime arrived;
  mail::Envelope envelope;
  // The part that each recipient belongs to; empty = all belong to key.part. Those of other parts
  // are frozen here from the start and wait to be handed over.
  std::vector<std::uint32_t> parts;
  std::uint64_t content_checksum = 0;
};

struct RecipientOutcome {
  std::uint32_t recipient = 0;  // index in the message record
  mail::Outcome outcome;        // anything but deferred
};

struct OutcomeRecord {
  PartKey key;
  std::vector<RecipientOutcome> recipients;
  mail::MessageId report;  // the id of the report that is owed for them; value 0 = none
};

struct RecipientDeferral {
  std::uint32_t recipient = 0;
  std::uint32_t attempts = 0;
  WallTime due;
  mail::Outcome last;
};

struct DeferralRecord {
  PartKey key;
  std::vector<RecipientDeferral> recipients;
};

// The report was committed as a message (on whichever shard), or given up.
struct ReportDischarged {
  PartKey key;
  mail::MessageId report;
};

// The durable hand-over, in the order of events. That the taker has taken is its message record,
// with the same message and part and the next hop.
struct HandOverRecord {
  enum class State : std::uint8_t {
    given = 1,  // giver: these recipients are frozen and form `part` from now on
    moved = 2,  // giver: the taker has committed `part`, its recipients are no longer ours
    confirmed =
        3,  // taker: the giver has committed `moved`, so this part may be forgotten when done
  };
  PartKey key;  // of the record here
  State state = State::given;
  std::uint32_t part = 0;                 // the part in motion; key.part when confirmed
  std::vector<std::uint32_t> recipients;  // when given
};

// Batches of `segment` from number `first_batch` on were answered with an error, or were written
// again elsewhere: whatever of them is on disk does not count.
struct Void {
  std::uint64_t segment = 0;
  std::uint64_t first_batch = 0;
  bool operator==(const Void&) const = default;
};

struct VoidRecord {
  std::vector<Void> voids;
};

// What stands before every record.
struct RecordHeader {
  static constexpr std::size_t size = 24;

  std::uint64_t checksum = 0;  // of the rest of the header and the meta
  std::uint32_t meta_length = 0;
  std::uint32_t content_length = 0;
  RecordKind kind = RecordKind::message;
  std::uint16_t generation = 0;  // of a copied message: the highest wins

  [[nodiscard]] std::uint64_t total() const {
    return size + std::uint64_t{meta_length} + content_length;
  }
};

[[nodiscard]] std::uint64_t checksum_of(std::string_view bytes);

// Append header and meta. A message's content follows its meta and is appended by the caller.
void encode_message(std::string& out, const PartKey& key, WallTime arrived,
                    const mail::Envelope& envelope, const std::vector<std::uint32_t>& parts,
                    std::string_view content, std::uint16_t generation = 0);
void encode(std::string& out, const OutcomeRecord& record);
void encode(std::string& out, const DeferralRecord& record);
void encode(std::string& out, const ReportDischarged& record);
void encode(std::string& out, const HandOverRecord& record);
void encode(std::string& out, const VoidRecord& record);

// Reads header and meta at the start of `bytes` and verifies their checksum; nothing if they are
// incomplete or damaged. Whether the content follows is the caller's to see.
[[nodiscard]] std::optional<RecordHeader> read_record_header(std::string_view bytes);

// All but voided begin with the key; nothing if `meta` is too short.
[[nodiscard]] std::optional<PartKey> key_of(std::string_view meta);

// From a meta whose checksum was verified; nothing if it is no such record all the same.
[[nodiscard]] std::optional<MessageRecord> decode_message(std::string_view meta);
[[nodiscard]] std::optional<OutcomeRecord> decode_outcome(std::string_view meta);
[[nodiscard]] std::optional<DeferralRecord> decode_deferral(std::string_view meta);
[[nodiscard]] std::optional<ReportDischarged> decode_report_discharged(std::string_view meta);
[[nodiscard]] std::optional<HandOverRecord> decode_hand_over(std::string_view meta);
[[nodiscard]] std::optional<VoidRecord> decode_voided(std::string_view meta);

// A message's meta ends with the checksum of its content, so that it stands right before it.
inline constexpr std::size_t content_checksum_size = 8;

}  // namespace ringpost::spool

template <>
struct std::hash<ringpost::spool::PartKey> {
  std::size_t operator()(const ringpost::spool::PartKey& key) const noexcept {
    std::uint64_t mixed = key.message.value * 0x9e3779b97f4a7c15ULL;
    mixed ^= (std::uint64_t{key.part} << 32 | key.hop) * 0xc2b2ae3d27d4eb4fULL;
    return mixed ^ (mixed >> 29);
  }
};
