#include "ringpost/spool/relocations.h"

#include <algorithm>
#include <utility>

namespace ringpost::spool {

Location Relocations::resolve(Location location) const {
  const auto segment = moved_.find(location.segment);
  if (segment == moved_.end()) {
    return location;
  }
  const auto place = segment->second.find(location.offset);
  return place == segment->second.end() ? location : place->second;
}

void Relocations::begin(const Location& old_place, const Location& new_place) {
  under_way_.push_back({old_place, new_place});
}

std::optional<Location> Relocations::copy_of(const Location& old_place) const {
  const auto copy = std::ranges::find(under_way_, old_place, &Copy::old_place);
  return copy == under_way_.end() ? std::nullopt : std::optional(copy->new_place);
}

void Relocations::finished(const Location& old_place) {
  const auto copy = std::ranges::find(under_way_, old_place, &Copy::old_place);
  if (copy != under_way_.end()) {
    copy->finished = true;
  }
}

std::vector<Relocations::Copy> Relocations::end() {
  return std::exchange(under_way_, {});
}

void Relocations::add(const Location& old_place, const Location& new_place) {
  // So that no place is more than one step away.
  for (auto& [segment, places] : moved_) {
    for (auto& [offset, place] : places) {
      if (place == old_place) {
        place = new_place;
      }
    }
  }
  moved_[old_place.segment].emplace(old_place.offset, new_place);
}

void Relocations::segment_retired(std::uint32_t segment) {
  for (auto& [old_segment, places] : moved_) {
    std::erase_if(places, [segment](const auto& entry) { return entry.second.segment == segment; });
  }
  std::erase_if(moved_, [](const auto& entry) { return entry.second.empty(); });
}

}  // namespace ringpost::spool
