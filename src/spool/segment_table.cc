#include "ringpost/spool/segment_table.h"

#include <algorithm>

#include "ringpost/base/check.h"

namespace ringpost::spool {

SegmentTable::Segment& SegmentTable::at(std::uint64_t segment) {
  const auto found = segments_.find(segment);
  check(found != segments_.end(), "a segment that is not in use was named");
  return found->second;
}

void SegmentTable::add(std::uint64_t segment) {
  const bool added = segments_.try_emplace(segment).second;
  check(added, "a segment number was used twice");
}

void SegmentTable::settled(std::uint64_t segment) {
  at(segment).busy = false;
}

void SegmentTable::message_added(std::uint64_t segment, std::uint64_t bytes) {
  ++at(segment).live;
  ++live_messages_;
  live_bytes_ += bytes;
}

bool SegmentTable::message_finished(std::uint64_t segment, std::uint64_t bytes) {
  Segment& entry = at(segment);
  check(entry.live > 0 && live_bytes_ >= bytes, "a message was finished twice");
  --entry.live;
  --live_messages_;
  live_bytes_ -= bytes;
  return entry.live == 0;
}

void SegmentTable::add_reference(std::uint64_t segment, std::uint64_t other) {
  if (segment == other || !segments_.contains(other)) {
    return;
  }
  std::vector<std::uint64_t>& references = at(segment).references;
  const auto place = std::lower_bound(references.begin(), references.end(), other);
  if (place == references.end() || *place != other) {
    references.insert(place, other);
  }
}

std::optional<std::uint64_t> SegmentTable::next_to_retire() {
  for (auto& [number, segment] : segments_) {
    if (segment.live != 0 || segment.busy || segment.retiring) {
      continue;
    }
    std::erase_if(segment.references,
                  [this](std::uint64_t other) { return !segments_.contains(other); });
    if (segment.references.empty()) {
      segment.retiring = true;
      return number;
    }
  }
  return std::nullopt;
}

void SegmentTable::retired(std::uint64_t segment) {
  check(at(segment).retiring, "a segment was retired that nobody asked for");
  segments_.erase(segment);
}

}  // namespace ringpost::spool
