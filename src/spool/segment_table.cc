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
  at(segment).live_bytes += bytes;
  ++live_messages_;
  live_bytes_ += bytes;
}

bool SegmentTable::message_finished(std::uint64_t segment, std::uint64_t bytes) {
  Segment& entry = at(segment);
  check(entry.live > 0 && live_bytes_ >= bytes, "a message was finished twice");
  --entry.live;
  entry.live_bytes -= bytes;
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

std::vector<std::pair<std::uint64_t, std::uint64_t>> SegmentTable::mostly_dead(
    std::uint64_t segment_size, std::uint64_t most_live_percent) const {
  std::map<std::uint64_t, std::uint64_t> kept;  // bytes, by who keeps them
  for (const auto& [number, segment] : segments_) {
    if (segment.live > 0 || segment.busy) {
      continue;
    }
    std::vector<std::uint64_t> keepers;
    for (const std::uint64_t other : segment.references) {
      if (live_in(other) > 0) {
        keepers.push_back(other);
      }
    }
    for (const std::uint64_t keeper : keepers) {
      kept[keeper] += segment_size / keepers.size();
    }
  }
  std::vector<std::pair<std::uint64_t, std::uint64_t>> found;
  for (const auto& [number, segment] : segments_) {
    if (segment.live == 0 || segment.busy) {
      continue;
    }
    const auto others = kept.find(number);
    const std::uint64_t space = segment_size + (others == kept.end() ? 0 : others->second);
    if (segment.live_bytes <= space / 100 * most_live_percent) {
      found.emplace_back(number, segment.live_bytes);
    }
  }
  return found;
}

std::vector<std::uint64_t> SegmentTable::referring_to(std::uint64_t segment) const {
  std::vector<std::uint64_t> found;
  for (const auto& [number, other] : segments_) {
    if (std::ranges::binary_search(other.references, segment)) {
      found.push_back(number);
    }
  }
  return found;
}

std::uint64_t SegmentTable::live_in(std::uint64_t segment) const {
  const auto found = segments_.find(segment);
  return found == segments_.end() ? 0 : found->second.live;
}

std::optional<std::uint64_t> SegmentTable::next_to_retire() {
  for (auto& [number, segment] : segments_) {
    if (segment.live != 0 || segment.busy || segment.retiring || segment.pins != 0) {
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
