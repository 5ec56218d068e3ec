// Any bytes as what a disk gives back: reading them neither breaks nor makes up recipients, and
// what is recovered of a message survives being copied forward. The input is read as it stands, and
// as records with sound checksums, so that it also gets past those.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/base/bytes.h"
#include "ringpost/base/check.h"
#include "ringpost/spool/batch_builder.h"
#include "ringpost/spool/message_copy.h"
#include "ringpost/spool/replay.h"
#include "ringpost/spool/segment_header.h"
#include "ringpost/spool/segment_index.h"
#include "ringpost/spool/segment_scan.h"

namespace {

using namespace ringpost;
using namespace ringpost::spool;

constexpr std::uint64_t spool_number = 1;

// Whatever it is, it has been read.
template <class Value>
void touch(const Value&) {}

void read_as_it_stands(std::string_view input) {
  touch(read_segment_header(input));
  touch(read_seal(input));
  touch(read_index(input));
  touch(read_record_header(input));
  touch(decode_message(input));
  touch(decode_outcome(input));
  touch(decode_deferral(input));
  touch(decode_report_discharged(input));
  touch(decode_hand_over(input));
  touch(decode_voided(input));
  touch(newest_segment_in(input, 0));
  SegmentContents contents;
  scan_batches(input, 0, SegmentName{spool_number, 1}, no_void, contents);
}

// The next record of the input, with a sound header.
std::string next_record(ByteReader& reader) {
  const auto kind = static_cast<std::uint16_t>(1 + reader.get<std::uint8_t>() % 6);
  const auto generation = static_cast<std::uint16_t>(reader.get<std::uint8_t>() % 3);
  const std::size_t length =
      std::min<std::size_t>(reader.get<std::uint16_t>(), reader.rest().size());
  std::string covered;
  ByteWriter writer(covered);
  writer.put(static_cast<std::uint32_t>(length));
  writer.put(std::uint32_t{0});
  writer.put(kind);
  writer.put(generation);
  writer.put(std::uint32_t{0});
  for (std::size_t at = 0; at < length; ++at) {
    writer.put(reader.get<std::uint8_t>());
  }
  std::string record;
  ByteWriter(record).put(checksum_of(covered));
  return record + covered;
}

// What a restart finds; `segments` are the oldest first.
std::vector<RecoveredMessage> replayed(const std::vector<std::vector<std::string>>& segments) {
  SegmentTable table;
  std::vector<RecoveredMessage> found;
  std::list<BatchBuilder> batches;
  for (std::size_t number = 1; number <= segments.size(); ++number) {
    table.add(number);
    BatchBuilder& batch = batches.emplace_back(block_size);
    batch.begin(Ticket(), static_cast<std::uint32_t>(number), 0);
    for (const std::string& record : segments[number - 1]) {
      batch.add(record, {}, false);
    }
    batch.seal(spool_number, number);
  }
  Replay replay(table, [&found](RecoveredMessage&& m) { found.push_back(std::move(m)); });
  for (std::size_t number = segments.size(); number > 0; --number) {
    SegmentContents contents;
    const SegmentName name{spool_number, number};
    scan_batches(batches.back().bytes(), 0, name, no_void, contents);
    check(contents.damaged == 0 && contents.records.size() == segments[number - 1].size(),
          "what was written whole is read whole");
    replay.segment(number, contents.records);
    batches.pop_back();
  }
  return found;
}

bool same_state(const RecoveredMessage& a, const RecoveredMessage& b) {
  const auto same = [](const RecoveredRecipient& one, const RecoveredRecipient& other) {
    return one.recipient == other.recipient && one.state == other.state &&
           (one.state != RecoveredRecipient::State::queued ||
            (one.attempts == other.attempts && one.due == other.due)) &&
           (one.state != RecoveredRecipient::State::given || one.part == other.part);
  };
  const auto told = [](const RecoveredRecipient& one) {
    return one.state != RecoveredRecipient::State::queued || one.attempts > 0;
  };
  std::vector<RecoveredRecipient> ours = a.recipients;
  std::vector<RecoveredRecipient> theirs = b.recipients;
  std::erase_if(ours, [&](const auto& one) { return !told(one); });
  std::erase_if(theirs, [&](const auto& one) { return !told(one); });
  return std::ranges::equal(ours, theirs, same) && a.reports.size() == b.reports.size() &&
         a.confirmed == b.confirmed && a.key == b.key && a.highest_part == b.highest_part;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  read_as_it_stands(input);
  ByteReader reader(input);
  std::vector<std::vector<std::string>> segments(3);
  for (std::size_t number = 0; !reader.rest().empty() && number < 60; ++number) {
    segments[number / 20].push_back(next_record(reader));
  }
  for (const RecoveredMessage& message : replayed(segments)) {
    const std::size_t count = message.envelope.recipients.size();
    for (const RecoveredRecipient& recipient : message.recipients) {
      check(recipient.recipient < count, "a recipient that the message does not have");
    }
    for (const OwedReport& owed : message.reports) {
      for (const RecipientOutcome& failed : owed.recipients) {
        check(failed.recipient < count, "a report about one that the message does not have");
      }
    }
    const auto again = replayed({encode_copy(message, {}, 1)});
    check(again.size() == 1 && same_state(message, again.front()), "a copy says something else");
  }
  return 0;
}
