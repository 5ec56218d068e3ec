// The index of a sealed segment: every record without its content, so that a restart reads a few
// per cent of what is stored. Batches without contents (outcomes of a drain, say) are not copied:
// the index says where they lie. (pure)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringpost::spool {

class SegmentIndex {
 public:
  // What one entry adds at most to the payload.
  static constexpr std::size_t record_overhead = 1 + 8 + 4;
  static constexpr std::size_t range_size = 1 + 8 + 8;
  // Neighbours merge up to this length, so that whoever reads them can do so a little at once.
  static constexpr std::uint64_t longest_merged = 1 << 20;

  // `head` is the record's header and meta, `position` where it begins in the segment.
  void add_record(std::uint64_t position, std::string_view head);
  // A batch that is to be read in its place.
  void add_range(std::uint64_t offset, std::uint64_t length);

  // The payload of the index batch. Complete after close().
  void close();
  [[nodiscard]] const std::string& payload() const { return payload_; }
  [[nodiscard]] std::size_t size() const {
    return payload_.size() + (range_length_ == 0 ? 0 : range_size);
  }

 private:
  std::string payload_;
  std::uint64_t range_offset_ = 0;
  std::uint64_t range_length_ = 0;
};

struct IndexItem {
  // A record's header and meta; empty = a range of batches.
  std::string_view head;
  std::uint64_t offset = 0;  // of the record or the range, in the segment
  std::uint64_t length = 0;  // of the range
};

// In the order in which they were written; nothing if the payload is malformed.
[[nodiscard]] std::optional<std::vector<IndexItem>> read_index(std::string_view payload);

}  // namespace ringpost::spool
