#include "ringpost/spool/record.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>

#include "ringpost/base/bytes.h"
#include "ringpost/base/check.h"

namespace ringpost::spool {
namespace {

constexpr std::uint8_t flag_eight_bit = 1;
constexpr std::uint8_t flag_parts = 2;
constexpr std::uint8_t flag_reports = 4;
constexpr std::uint8_t flag_utf8 = 8;
constexpr std::uint8_t flag_in_doubt = 1;
constexpr std::uint8_t flag_relayed = 2;

void put_time(ByteWriter& writer, WallTime time) {
  writer.put(static_cast<std::uint64_t>(time.time_since_epoch().count()));
}

WallTime get_time(ByteReader& reader) {
  const auto milliseconds = static_cast<std::int64_t>(reader.get<std::uint64_t>());
  return WallTime(std::chrono::milliseconds(milliseconds));
}

void put_key(ByteWriter& writer, const PartKey& key) {
  writer.put(key.message.value);
  writer.put(key.part);
  writer.put(key.hop);
}

PartKey get_key(ByteReader& reader) {
  PartKey key;
  key.message.value = reader.get<std::uint64_t>();
  key.part = reader.get<std::uint32_t>();
  key.hop = reader.get<std::uint32_t>();
  return key;
}

// A delivered recipient is done with: its reply is in the event log and nobody asks here again,
// unless a report is owed that quotes it.
void put_outcome(ByteWriter& writer, const mail::Outcome& outcome) {
  const bool delivered = outcome.kind == mail::OutcomeKind::delivered && !outcome.relayed;
  writer.put(static_cast<std::uint8_t>(outcome.kind));
  const int flags = (outcome.in_doubt ? flag_in_doubt : 0) | (outcome.relayed ? flag_relayed : 0);
  writer.put(static_cast<std::uint8_t>(flags));
  writer.put(outcome.status.status_class);
  writer.put(outcome.status.subject);
  writer.put(outcome.status.detail);
  writer.put_string(delivered ? std::string_view() : outcome.reply);
  writer.put_string(delivered ? std::string_view() : outcome.mx);
  writer.put_string(delivered ? std::string_view() : outcome.address);
}

bool get_outcome(ByteReader& reader, mail::Outcome& outcome) {
  const auto kind = reader.get<std::uint8_t>();
  if (kind > static_cast<std::uint8_t>(mail::OutcomeKind::suppressed)) {
    return false;
  }
  outcome.kind = static_cast<mail::OutcomeKind>(kind);
  const auto flags = reader.get<std::uint8_t>();
  outcome.in_doubt = (flags & flag_in_doubt) != 0;
  outcome.relayed = (flags & flag_relayed) != 0;
  outcome.status.status_class = reader.get<std::uint16_t>();
  outcome.status.subject = reader.get<std::uint16_t>();
  outcome.status.detail = reader.get<std::uint16_t>();
  outcome.reply = reader.get_string();
  outcome.mx = reader.get_string();
  outcome.address = reader.get_string();
  return reader.ok();
}

// A count of elements that take `least` bytes each at least, so that a forged one cannot make us
// allocate more than the record is long.
std::optional<std::size_t> get_count(ByteReader& reader, std::size_t least) {
  const std::size_t count = reader.get<std::uint32_t>();
  if (!reader.ok() || count > most_recipients || count * least > reader.rest().size()) {
    return std::nullopt;
  }
  return count;
}

void put_reports(ByteWriter& writer, const mail::ReportRequest& reports) {
  writer.put(static_cast<std::uint8_t>(reports.returned));
  writer.put(static_cast<std::uint32_t>(reports.recipients.size()));
  for (const mail::RecipientRequest& request : reports.recipients) {
    writer.put(request.recipient);
    writer.put(request.notify);
    writer.put_string(request.original);
  }
}

// `recipients`: how many the message has. They must be listed in order, for they are searched.
bool get_reports(ByteReader& reader, std::size_t recipients, mail::ReportRequest& reports) {
  const auto returned = reader.get<std::uint8_t>();
  const auto count = get_count(reader, 9);
  if (!count || returned > static_cast<std::uint8_t>(mail::Returned::headers)) {
    return false;
  }
  reports.returned = static_cast<mail::Returned>(returned);
  reports.recipients.reserve(*count);
  std::uint64_t next = 0;
  for (std::size_t at = 0; at < *count; ++at) {
    mail::RecipientRequest& request = reports.recipients.emplace_back();
    request.recipient = reader.get<std::uint32_t>();
    request.notify = reader.get<std::uint8_t>();
    request.original = reader.get_string();
    if (!reader.ok() || request.recipient < next || request.recipient >= recipients ||
        request.notify > mail::notify::all) {
      return false;
    }
    next = std::uint64_t{request.recipient} + 1;
  }
  return true;
}

bool complete(const ByteReader& reader) {
  return reader.ok() && reader.rest().empty();
}

std::size_t begin_record(std::string& out) {
  const std::size_t start = out.size();
  out.append(RecordHeader::size, '\0');
  return start;
}

void end_record(std::string& out, std::size_t start, RecordKind kind, std::size_t content_length,
                std::uint16_t generation = 0) {
  const std::size_t meta_length = out.size() - start - RecordHeader::size;
  check(meta_length <= UINT32_MAX && content_length <= UINT32_MAX, "a record is too long to store");
  auto overwrite = [&out, at = start + 8](auto value) mutable {
    std::memcpy(out.data() + at, &value, sizeof(value));
    at += sizeof(value);
  };
  overwrite(static_cast<std::uint32_t>(meta_length));
  overwrite(static_cast<std::uint32_t>(content_length));
  overwrite(static_cast<std::uint16_t>(kind));
  overwrite(generation);
  const std::uint64_t checksum = checksum_of(std::string_view(out).substr(start + 8));
  std::memcpy(out.data() + start, &checksum, sizeof(checksum));
}

}  // namespace

std::uint64_t checksum_of(std::string_view bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

void encode_message(std::string& out, const PartKey& key, WallTime arrived,
                    const mail::Envelope& envelope, const std::vector<std::uint32_t>& parts,
                    std::string_view content, std::uint16_t generation) {
  check(parts.empty() || parts.size() == envelope.recipients.size(), "one part for each recipient");
  const std::size_t start = begin_record(out);
  ByteWriter writer(out);
  put_key(writer, key);
  put_time(writer, arrived);
  const int flags = (envelope.eight_bit ? flag_eight_bit : 0) | (parts.empty() ? 0 : flag_parts) |
                    (envelope.reports.empty() ? 0 : flag_reports) | (envelope.utf8 ? flag_utf8 : 0);
  writer.put(static_cast<std::uint8_t>(flags));
  writer.put_string(envelope.sender);
  writer.put_string(envelope.tenant);
  writer.put_string(envelope.job);
  writer.put_string(envelope.envid);
  writer.put(static_cast<std::uint32_t>(envelope.recipients.size()));
  for (const std::string& recipient : envelope.recipients) {
    writer.put_string(recipient);
  }
  for (const std::uint32_t part : parts) {
    writer.put(part);
  }
  if (!envelope.reports.empty()) {
    put_reports(writer, envelope.reports);
  }
  writer.put(checksum_of(content));
  end_record(out, start, RecordKind::message, content.size(), generation);
}

void encode(std::string& out, const OutcomeRecord& record) {
  const std::size_t start = begin_record(out);
  ByteWriter writer(out);
  put_key(writer, record.key);
  writer.put(record.report.value);
  writer.put(static_cast<std::uint32_t>(record.recipients.size()));
  for (const RecipientOutcome& recipient : record.recipients) {
    writer.put(recipient.recipient);
    put_outcome(writer, recipient.outcome);
  }
  end_record(out, start, RecordKind::outcome, 0);
}

void encode(std::string& out, const DeferralRecord& record) {
  const std::size_t start = begin_record(out);
  ByteWriter writer(out);
  put_key(writer, record.key);
  writer.put(static_cast<std::uint32_t>(record.recipients.size()));
  for (const RecipientDeferral& recipient : record.recipients) {
    writer.put(recipient.recipient);
    writer.put(recipient.attempts);
    put_time(writer, recipient.due);
    put_outcome(writer, recipient.last);
  }
  end_record(out, start, RecordKind::deferral, 0);
}

void encode(std::string& out, const ReportDischarged& record) {
  const std::size_t start = begin_record(out);
  ByteWriter writer(out);
  put_key(writer, record.key);
  writer.put(record.report.value);
  end_record(out, start, RecordKind::report_discharged, 0);
}

void encode(std::string& out, const HandOverRecord& record) {
  const std::size_t start = begin_record(out);
  ByteWriter writer(out);
  put_key(writer, record.key);
  writer.put(static_cast<std::uint8_t>(record.state));
  writer.put(record.part);
  writer.put(static_cast<std::uint32_t>(record.recipients.size()));
  for (const std::uint32_t recipient : record.recipients) {
    writer.put(recipient);
  }
  end_record(out, start, RecordKind::hand_over, 0);
}

void encode(std::string& out, const VoidRecord& record) {
  const std::size_t start = begin_record(out);
  ByteWriter writer(out);
  writer.put(static_cast<std::uint32_t>(record.voids.size()));
  for (const Void& voided : record.voids) {
    writer.put(voided.segment);
    writer.put(voided.first_batch);
  }
  end_record(out, start, RecordKind::voided, 0);
}

std::optional<RecordHeader> read_record_header(std::string_view bytes) {
  if (bytes.size() < RecordHeader::size) {
    return std::nullopt;
  }
  ByteReader reader(bytes);
  RecordHeader header;
  header.checksum = reader.get<std::uint64_t>();
  header.meta_length = reader.get<std::uint32_t>();
  header.content_length = reader.get<std::uint32_t>();
  header.kind = static_cast<RecordKind>(reader.get<std::uint16_t>());
  header.generation = reader.get<std::uint16_t>();
  if (header.meta_length > bytes.size() - RecordHeader::size) {
    return std::nullopt;
  }
  const std::string_view covered = bytes.substr(8, RecordHeader::size - 8 + header.meta_length);
  if (checksum_of(covered) != header.checksum) {
    return std::nullopt;
  }
  return header;
}

std::optional<PartKey> key_of(std::string_view meta) {
  ByteReader reader(meta);
  const PartKey key = get_key(reader);
  return reader.ok() ? std::optional(key) : std::nullopt;
}

std::optional<MessageRecord> decode_message(std::string_view meta) {
  ByteReader reader(meta);
  MessageRecord record;
  record.key = get_key(reader);
  record.arrived = get_time(reader);
  const auto flags = reader.get<std::uint8_t>();
  record.envelope.eight_bit = (flags & flag_eight_bit) != 0;
  record.envelope.utf8 = (flags & flag_utf8) != 0;
  record.envelope.sender = reader.get_string();
  record.envelope.tenant = reader.get_string();
  record.envelope.job = reader.get_string();
  record.envelope.envid = reader.get_string();
  const auto count = get_count(reader, sizeof(std::uint32_t));
  if (!count) {
    return std::nullopt;
  }
  record.envelope.recipients.reserve(*count);
  for (std::size_t at = 0; at < *count; ++at) {
    record.envelope.recipients.emplace_back(reader.get_string());
  }
  if ((flags & flag_parts) != 0) {
    record.parts.reserve(*count);
    for (std::size_t at = 0; at < *count; ++at) {
      record.parts.push_back(reader.get<std::uint32_t>());
    }
  }
  if ((flags & flag_reports) != 0 && !get_reports(reader, *count, record.envelope.reports)) {
    return std::nullopt;
  }
  record.content_checksum = reader.get<std::uint64_t>();
  return complete(reader) ? std::optional(std::move(record)) : std::nullopt;
}

std::optional<OutcomeRecord> decode_outcome(std::string_view meta) {
  ByteReader reader(meta);
  OutcomeRecord record;
  record.key = get_key(reader);
  record.report.value = reader.get<std::uint64_t>();
  const auto count = get_count(reader, 24);
  if (!count) {
    return std::nullopt;
  }
  record.recipients.resize(*count);
  for (RecipientOutcome& recipient : record.recipients) {
    recipient.recipient = reader.get<std::uint32_t>();
    if (!get_outcome(reader, recipient.outcome)) {
      return std::nullopt;
    }
  }
  return complete(reader) ? std::optional(std::move(record)) : std::nullopt;
}

std::optional<DeferralRecord> decode_deferral(std::string_view meta) {
  ByteReader reader(meta);
  DeferralRecord record;
  record.key = get_key(reader);
  const auto count = get_count(reader, 36);
  if (!count) {
    return std::nullopt;
  }
  record.recipients.resize(*count);
  for (RecipientDeferral& recipient : record.recipients) {
    recipient.recipient = reader.get<std::uint32_t>();
    recipient.attempts = reader.get<std::uint32_t>();
    recipient.due = get_time(reader);
    if (!get_outcome(reader, recipient.last)) {
      return std::nullopt;
    }
  }
  return complete(reader) ? std::optional(std::move(record)) : std::nullopt;
}

std::optional<ReportDischarged> decode_report_discharged(std::string_view meta) {
  ByteReader reader(meta);
  ReportDischarged record;
  record.key = get_key(reader);
  record.report.value = reader.get<std::uint64_t>();
  return complete(reader) ? std::optional(record) : std::nullopt;
}

std::optional<HandOverRecord> decode_hand_over(std::string_view meta) {
  ByteReader reader(meta);
  HandOverRecord record;
  record.key = get_key(reader);
  const auto state = reader.get<std::uint8_t>();
  if (state < 1 || state > 3) {
    return std::nullopt;
  }
  record.state = static_cast<HandOverRecord::State>(state);
  record.part = reader.get<std::uint32_t>();
  const auto count = get_count(reader, sizeof(std::uint32_t));
  if (!count) {
    return std::nullopt;
  }
  record.recipients.reserve(*count);
  for (std::size_t at = 0; at < *count; ++at) {
    record.recipients.push_back(reader.get<std::uint32_t>());
  }
  return complete(reader) ? std::optional(std::move(record)) : std::nullopt;
}

std::optional<VoidRecord> decode_voided(std::string_view meta) {
  ByteReader reader(meta);
  VoidRecord record;
  const auto count = get_count(reader, 16);
  if (!count) {
    return std::nullopt;
  }
  record.voids.resize(*count);
  for (Void& voided : record.voids) {
    voided.segment = reader.get<std::uint64_t>();
    voided.first_batch = reader.get<std::uint64_t>();
  }
  return complete(reader) ? std::optional(std::move(record)) : std::nullopt;
}

}  // namespace ringpost::spool
