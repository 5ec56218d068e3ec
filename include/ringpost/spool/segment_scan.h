// Finds what is stored in a segment by reading all of it: used for segments without a seal and for
// the ranges of batches that an index names. Takes every whole batch; tells a torn tail, which was
// never answered, from damage, which was. (pure)
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "ringpost/spool/batch.h"
#include "ringpost/spool/record.h"

namespace ringpost::spool {

struct StoredRecord {
  RecordKind kind = RecordKind::message;
  std::uint16_t generation = 0;
  std::uint32_t content_length = 0;
  std::uint64_t content_offset = 0;  // in the segment
  std::string_view meta;             // in the bytes that were read
};

struct SegmentName {
  std::uint64_t spool = 0;
  std::uint64_t segment = 0;
};

struct SegmentContents {
  std::vector<StoredRecord> records;  // as they were written
  std::uint64_t last_batch = 0;       // the highest batch number seen
  std::uint64_t damaged = 0;          // places where something was lost
  bool torn_tail = false;             // an unfinished batch at the end, never answered
  std::uint64_t end = 0;              // where the last whole batch ends, in the segment
};

inline constexpr std::uint64_t no_void = std::numeric_limits<std::uint64_t>::max();

// `bytes` are those of the segment from `offset` on, which is a block's start. Batches numbered
// `first_void` and higher do not count.
void scan_batches(std::string_view bytes, std::uint64_t offset, const SegmentName& name,
                  std::uint64_t first_void, SegmentContents& contents);

// The highest segment number of any whole batch of `spool` (0 = of any spool), for a file whose
// header is lost; segment 0 if there is no batch.
[[nodiscard]] SegmentName newest_segment_in(std::string_view bytes, std::uint64_t spool);

}  // namespace ringpost::spool
