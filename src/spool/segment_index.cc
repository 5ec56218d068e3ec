#include "ringpost/spool/segment_index.h"

#include "ringpost/base/bytes.h"
#include "ringpost/spool/batch.h"

namespace ringpost::spool {
namespace {

constexpr std::uint8_t item_record = 1;
constexpr std::uint8_t item_range = 2;

}  // namespace

void SegmentIndex::add_record(std::uint64_t position, std::string_view head) {
  close();
  ByteWriter writer(payload_);
  writer.put(item_record);
  writer.put(position);
  writer.put_string(head);
}

void SegmentIndex::add_range(std::uint64_t offset, std::uint64_t length) {
  if (range_length_ != 0 && range_offset_ + range_length_ == offset &&
      range_length_ + length <= longest_merged) {
    range_length_ += length;
    return;
  }
  close();
  range_offset_ = offset;
  range_length_ = length;
}

void SegmentIndex::close() {
  if (range_length_ == 0) {
    return;
  }
  ByteWriter writer(payload_);
  writer.put(item_range);
  writer.put(range_offset_);
  writer.put(range_length_);
  range_length_ = 0;
}

std::optional<std::vector<IndexItem>> read_index(std::string_view payload) {
  std::vector<IndexItem> items;
  ByteReader reader(payload);
  while (!reader.rest().empty()) {
    IndexItem item;
    const auto kind = reader.get<std::uint8_t>();
    item.offset = reader.get<std::uint64_t>();
    if (kind == item_record) {
      item.head = reader.get_string();
    } else if (kind == item_range) {
      item.length = reader.get<std::uint64_t>();
    }
    const bool useful = !item.head.empty() || (item.length != 0 && item.length % block_size == 0 &&
                                               item.offset % block_size == 0);
    if (!reader.ok() || !useful) {
      return std::nullopt;
    }
    items.push_back(item);
  }
  return items;
}

}  // namespace ringpost::spool
