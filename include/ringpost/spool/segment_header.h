// The two marks of a segment file: the header at its start, stored twice, says which segment the
// file holds and whether it is in use; the seal in its last block says where the index of a
// finished segment lies. The layout is described in docs/SPOOL_FORMAT.md. (pure)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ringpost/spool/batch.h"

namespace ringpost::spool {

struct SegmentHeader {
  enum class State : std::uint8_t { free = 1, in_use = 2 };

  // Two copies, a block each: a torn or damaged one leaves the other.
  static constexpr std::size_t area = 2 * block_size;

  State state = State::free;
  std::uint64_t spool = 0;
  std::uint64_t segment = 0;  // in use: its number. Free: the number it held last, 0 if none
  std::uint64_t size = 0;     // of the file

  bool operator==(const SegmentHeader&) const = default;
};

// Both copies, SegmentHeader::area bytes.
[[nodiscard]] std::string encode(const SegmentHeader& header);
// The later of the copies that are whole: a header is only ever replaced by a later one, in use
// with a higher number or free with the same one.
[[nodiscard]] std::optional<SegmentHeader> read_segment_header(std::string_view bytes);

struct Seal {
  std::uint64_t spool = 0;
  std::uint64_t segment = 0;
  std::uint64_t index_offset = 0;  // of the index batch
  std::uint64_t index_length = 0;  // as stored
  std::uint64_t last_batch = 0;    // the highest batch number in the segment
};

// One block.
[[nodiscard]] std::string encode(const Seal& seal);
[[nodiscard]] std::optional<Seal> read_seal(std::string_view block);

}  // namespace ringpost::spool
