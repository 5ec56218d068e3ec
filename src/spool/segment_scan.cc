#include "ringpost/spool/segment_scan.h"

#include <algorithm>
#include <optional>

namespace ringpost::spool {
namespace {

struct FoundBatch {
  BatchHeader header;
  std::uint64_t at = 0;  // in the bytes scanned
  std::string_view payload;
};

std::optional<BatchHeader> header_at(std::string_view bytes, std::uint64_t at,
                                     const SegmentName& name) {
  const auto header = read_batch_header(bytes.substr(at));
  if (!header || header->spool != name.spool || header->segment != name.segment) {
    return std::nullopt;
  }
  return header;
}

std::optional<FoundBatch> batch_at(std::string_view bytes, std::uint64_t at,
                                   const SegmentName& name) {
  const auto header = header_at(bytes, at, name);
  if (!header) {
    return std::nullopt;
  }
  const auto payload = verified_payload(*header, bytes.substr(at));
  if (!payload) {
    return std::nullopt;
  }
  return FoundBatch{*header, at, *payload};
}

// The next whole batch behind `at`.
std::optional<FoundBatch> next_batch(std::string_view bytes, std::uint64_t at,
                                     const SegmentName& name) {
  for (at += block_size; at < bytes.size(); at += block_size) {
    if (auto found = batch_at(bytes, at, name)) {
      return found;
    }
  }
  return std::nullopt;
}

// Takes the records at the start of `payload`, which begins at `offset` of the segment. Of a
// damaged batch (`verify_contents`) as many as are whole. False if something was left over.
bool take_records(std::string_view payload, std::uint64_t offset, bool verify_contents,
                  SegmentContents& contents) {
  bool whole = true;
  std::size_t at = 0;
  while (at < payload.size()) {
    const auto header = read_record_header(payload.substr(at));
    if (!header || header->total() > payload.size() - at) {
      return false;
    }
    StoredRecord record;
    record.kind = header->kind;
    record.generation = header->generation;
    record.meta = payload.substr(at + RecordHeader::size, header->meta_length);
    record.content_length = header->content_length;
    const std::size_t content_at = at + RecordHeader::size + header->meta_length;
    record.content_offset = offset + content_at;
    at += header->total();
    if (verify_contents && record.kind == RecordKind::message) {
      const auto message = decode_message(record.meta);
      if (!message || message->content_checksum !=
                          checksum_of(payload.substr(content_at, header->content_length))) {
        whole = false;
        continue;
      }
    }
    contents.records.push_back(record);
  }
  return whole;
}

// What is whole in the batch at `at`, whose checksum does not hold, before the next one at `end`.
void salvage(std::string_view bytes, std::uint64_t at, std::uint64_t end, std::uint64_t offset,
             const SegmentName& name, std::uint64_t first_void, SegmentContents& contents) {
  ++contents.damaged;
  const auto header = header_at(bytes, at, name);
  if (!header || header->kind != BatchHeader::Kind::records || header->batch >= first_void) {
    return;
  }
  const std::uint64_t begin = at + BatchHeader::size;
  const std::uint64_t length = std::min<std::uint64_t>(header->payload_length, end - begin);
  take_records(bytes.substr(begin, length), offset + begin, true, contents);
}

}  // namespace

void scan_batches(std::string_view bytes, std::uint64_t offset, const SegmentName& name,
                  std::uint64_t first_void, SegmentContents& contents) {
  std::uint64_t at = 0;
  while (at < bytes.size()) {
    auto batch = batch_at(bytes, at, name);
    if (!batch) {
      batch = next_batch(bytes, at, name);
      if (!batch) {
        contents.torn_tail |= header_at(bytes, at, name).has_value();
        return;
      }
      salvage(bytes, at, batch->at, offset, name, first_void, contents);
      at = batch->at;
    }
    contents.last_batch = std::max(contents.last_batch, batch->header.batch);
    if (batch->header.kind == BatchHeader::Kind::records && batch->header.batch < first_void) {
      const std::uint64_t payload_at = offset + at + BatchHeader::size;
      if (!take_records(batch->payload, payload_at, false, contents)) {
        ++contents.damaged;
      }
    }
    at += batch->header.stored_length();
    contents.end = offset + at;
  }
}

SegmentName newest_segment_in(std::string_view bytes, std::uint64_t spool) {
  SegmentName newest;
  for (std::uint64_t at = 0; at < bytes.size(); at += block_size) {
    const auto header = read_batch_header(bytes.substr(at));
    if (header && (spool == 0 || header->spool == spool) && header->segment > newest.segment &&
        verified_payload(*header, bytes.substr(at))) {
      newest.spool = header->spool;
      newest.segment = header->segment;
    }
  }
  return newest;
}

}  // namespace ringpost::spool
