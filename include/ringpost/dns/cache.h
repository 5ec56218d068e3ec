// Answers by name until they expire: bounded, least recently used out first. Owned by the
// resolver, one for each kind of answer. Pure: time is an argument. The table has its full size
// from the start, so that no insertion ever rehashes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "ringpost/base/check.h"
#include "ringpost/base/intrusive_list.h"
#include "ringpost/base/time.h"

namespace ringpost::dns {

// A time to live of 0 would ask again for each recipient of one batch; days outlive a provider's
// move. Also the time for which a failure is remembered, lest a broken domain be asked for once a
// recipient.
inline constexpr Duration min_time_to_live = 5s;
inline constexpr Duration max_time_to_live = 24h;
inline constexpr Duration max_negative_time_to_live = 5min;

enum class Polarity : std::uint8_t { positive, negative };

[[nodiscard]] constexpr Duration clamp_time_to_live(Duration time_to_live, Polarity polarity) {
  return std::clamp(time_to_live, min_time_to_live,
                    polarity == Polarity::positive ? max_time_to_live : max_negative_time_to_live);
}

// `Value` has a member `Instant expires`.
template <class Value>
class Cache {
 public:
  explicit Cache(std::size_t capacity) : capacity_(capacity) {
    check(capacity > 0, "a cache without room");
    entries_.reserve(capacity);
  }

  // The answer if it is there and not expired. Valid until the next call of put().
  [[nodiscard]] const Value* find(std::string_view name, Instant now) {
    const auto found = entries_.find(name);
    if (found == entries_.end()) {
      return nullptr;
    }
    Entry& entry = found->second;
    if (entry.value.expires <= now) {
      by_use_.remove(entry);
      entries_.erase(found);
      return nullptr;
    }
    by_use_.move_to_back(entry);
    return &entry.value;
  }

  void put(std::string_view name, Value value) {
    if (const auto found = entries_.find(name); found != entries_.end()) {
      found->second.value = std::move(value);
      by_use_.move_to_back(found->second);
      return;
    }
    if (entries_.size() == capacity_) {
      Entry& oldest = by_use_.pop_front();
      entries_.erase(entries_.find(*oldest.name));
    }
    const auto [added, is_new] = entries_.try_emplace(std::string(name));
    added->second.name = &added->first;
    added->second.value = std::move(value);
    by_use_.push_back(added->second);
  }

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }

 private:
  struct ByUse {};
  struct Entry : ListHook<ByUse> {
    const std::string* name = nullptr;  // the key, which stays where it is
    Value value;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const {
      return std::hash<std::string_view>{}(name);
    }
  };

  std::size_t capacity_;
  // Never iterated: the order of its buckets must not show.
  std::unordered_map<std::string, Entry, Hash, std::equal_to<>> entries_;
  IntrusiveList<Entry, ByUse> by_use_;
};

}  // namespace ringpost::dns
