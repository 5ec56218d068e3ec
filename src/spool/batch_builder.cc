#include "ringpost/spool/batch_builder.h"

#include <algorithm>

#include "ringpost/base/check.h"
#include "ringpost/spool/record.h"

namespace ringpost::spool {

void BatchBuilder::begin(Ticket ticket, std::uint32_t segment, std::uint32_t offset) {
  check(waiters_.empty(), "a batch was reused while somebody waits for it");
  ticket_ = ticket;
  segment_ = segment;
  offset_ = offset;
  bytes_.clear();
  bytes_.append_zeros(BatchHeader::size);
  used_ = BatchHeader::size;
  heads_.clear();
  heads_length_ = 0;
  has_content_ = false;
  references_.clear();
  finished_.clear();
}

Location BatchBuilder::add(std::string_view head, std::string_view content, bool is_message) {
  check(bytes_.size() == used_, "a record was added to a sealed batch");
  const auto position = static_cast<std::uint32_t>(used_);
  bytes_.append(head);
  bytes_.append(content);
  used_ = bytes_.size();
  const auto content_length = static_cast<std::uint32_t>(content.size());
  heads_.push_back({position, static_cast<std::uint32_t>(head.size()), content_length, is_message});
  heads_length_ += head.size();
  has_content_ |= !content.empty();
  return {segment_, static_cast<std::uint32_t>(offset_ + position + head.size()), content_length};
}

void BatchBuilder::add_reference(std::uint32_t segment) {
  if (std::find(references_.begin(), references_.end(), segment) == references_.end()) {
    references_.push_back(segment);
  }
}

void BatchBuilder::follow_reference(std::uint32_t old_segment, std::uint32_t new_segment) {
  if (std::find(references_.begin(), references_.end(), old_segment) != references_.end()) {
    add_reference(new_segment);
  }
}

std::uint64_t BatchBuilder::length_with(std::size_t head, std::size_t content) const {
  return round_up_to_block(used_ + head + content);
}

std::uint64_t BatchBuilder::index_size_with(std::size_t head, std::size_t content) const {
  if (!has_content_ && content == 0) {
    return SegmentIndex::range_size;
  }
  return heads_length_ + head + (heads_.size() + 1) * SegmentIndex::record_overhead;
}

void BatchBuilder::seal(std::uint64_t spool, std::uint64_t number) {
  bytes_.pad_to_block();
  BatchHeader header;
  header.spool = spool;
  header.segment = segment_;
  header.batch = number;
  header.payload_length = static_cast<std::uint32_t>(used_ - BatchHeader::size);
  header.record_count = records();
  header.payload_checksum =
      checksum_of(bytes_.view().substr(BatchHeader::size, header.payload_length));
  encode(header, bytes_.data());
}

void BatchBuilder::move_to(std::uint32_t segment, std::uint32_t offset) {
  segment_ = segment;
  offset_ = offset;
}

void BatchBuilder::describe(SegmentIndex& index) const {
  if (!has_content_) {
    index.add_range(offset_, stored_length());
    return;
  }
  for (const Head& head : heads_) {
    index.add_record(offset_ + head.position, bytes_.view().substr(head.position, head.length));
  }
}

void BatchBuilder::enter(SegmentTable& table) const {
  for (const Head& head : heads_) {
    if (head.is_message) {
      table.message_added(segment_, head.content_length);
    }
  }
  for (const std::uint32_t reference : references_) {
    table.add_reference(segment_, reference);
  }
}

}  // namespace ringpost::spool
