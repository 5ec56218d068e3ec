#include "ringpost/spool/relocations.h"

#include <algorithm>

namespace ringpost::spool {

std::optional<Location> Relocations::find(const Location& name) const {
  const auto found = places_.find(key_of(name));
  return found == places_.end() ? std::nullopt : std::optional(found->second);
}

void Relocations::begin(const Location& old_place, const Location& new_place, Ticket ticket) {
  under_way_.push_back({old_place, new_place, ticket});
}

std::optional<Location> Relocations::copy_of(const Location& old_place) const {
  const auto copy = std::ranges::find(under_way_, old_place, &Copy::old_place);
  return copy == under_way_.end() ? std::nullopt : std::optional(copy->new_place);
}

void Relocations::finished(const Location& place) {
  const auto copy = std::ranges::find(under_way_, place, &Copy::old_place);
  if (copy != under_way_.end()) {
    copy->finished = true;
  }
  const auto known = names_.find(key_of(place));
  if (known == names_.end()) {
    return;
  }
  for (const Key& name : known->second) {
    places_.erase(name);
  }
  names_.erase(known);
}

std::vector<Relocations::Copy> Relocations::end() {
  return std::exchange(under_way_, {});
}

void Relocations::add(const Location& old_place, const std::vector<Location>& names,
                      const Location& new_place) {
  std::vector<Key> all;
  if (const auto known = names_.find(key_of(old_place)); known != names_.end()) {
    all = std::move(known->second);
    names_.erase(known);
  }
  all.push_back(key_of(old_place));
  for (const Location& name : names) {
    all.push_back(key_of(name));
  }
  for (const Key& name : all) {
    places_[name] = new_place;
  }
  names_[key_of(new_place)] = std::move(all);
}

}  // namespace ringpost::spool
