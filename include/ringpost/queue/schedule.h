// What waits for a time: elements in buckets of one slot of time (a second for recipients, less for
// lanes), which leave in order of their slots and, within one, in order of arrival. Never early, at
// most one slot late. Pure: the time is an argument. An element may unlink itself at any time.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>

#include "ringpost/base/intrusive_list.h"
#include "ringpost/base/time.h"

namespace ringpost::queue {

template <class T, class Tag>
class Schedule {
 public:
  explicit Schedule(Duration slot) : slot_(slot) {}

  void add(T& element, Instant due) { bucket(slot_after(due)).push_back(element); }

  // The next element that is due at `now`, taken off; nullptr if none is.
  T* pop_due(Instant now) {
    drop_empty_front();
    if (buckets_.empty() || time_of(buckets_.begin()->first) > now) {
      return nullptr;
    }
    return &buckets_.begin()->second.pop_front();
  }

  // When pop_due() will have something; `never` if nothing waits.
  [[nodiscard]] Instant next_due() {
    drop_empty_front();
    return buckets_.empty() ? never : time_of(buckets_.begin()->first);
  }

  // In order of time; stops when `visit(element, due)` says false.
  template <class Visit>
  void for_each(Visit visit) {
    for (auto& [slot, elements] : buckets_) {
      for (T& element : elements) {
        if (!visit(element, time_of(slot))) {
          return;
        }
      }
    }
  }
  [[nodiscard]] std::size_t buckets() const { return buckets_.size(); }

 private:
  using Elements = IntrusiveList<T, Tag>;
  using Buckets = std::map<std::int64_t, Elements>;

  [[nodiscard]] std::int64_t slot_after(Instant due) const {
    const std::int64_t since = due.time_since_epoch().count();
    const std::int64_t slot = since / slot_.count();
    return slot + (slot * slot_.count() < since ? 1 : 0);
  }
  [[nodiscard]] Instant time_of(std::int64_t slot) const { return Instant(slot_ * slot); }

  Elements& bucket(std::int64_t slot) {
    if (last_ == nullptr || last_slot_ != slot) {
      const auto [at, added] = buckets_.try_emplace(slot);
      last_ = &at->second;
      last_slot_ = slot;
      if (added) {
        sweep();
      }
    }
    return *last_;
  }
  // Elements unlink themselves without telling us. Each new bucket pays for looking at a few
  // old ones, so that those which became empty in the middle do not pile up.
  void sweep() {
    auto at = buckets_.lower_bound(swept_to_);
    for (int looked_at = 0; looked_at < 4; ++looked_at) {
      if (at == buckets_.end()) {
        swept_to_ = buckets_.begin()->first;
        return;
      }
      at = at->second.empty() && &at->second != last_ ? buckets_.erase(at) : std::next(at);
    }
    swept_to_ = at == buckets_.end() ? buckets_.begin()->first : at->first;
  }
  void drop_empty_front() {
    while (!buckets_.empty() && buckets_.begin()->second.empty()) {
      if (&buckets_.begin()->second == last_) {
        last_ = nullptr;
      }
      buckets_.erase(buckets_.begin());
    }
  }

  Duration slot_;
  Buckets buckets_;
  Elements* last_ = nullptr;  // the bucket of the last add(): most follow each other
  std::int64_t last_slot_ = 0;
  std::int64_t swept_to_ = 0;
};

}  // namespace ringpost::queue
