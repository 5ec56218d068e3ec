// A hash table whose links live in its elements and which grows by one bucket at a time (linear
// hashing), so that no insertion among millions ever pays for all the others. It owns nothing; its
// order depends only on hashes and history, never on addresses. It does not shrink.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "ringpost/base/check.h"
#include "ringpost/base/text.h"

namespace ringpost::queue {

template <class T>
class TableHook {
  template <class U, class Traits>
  friend class GrowingTable;
  T* next_in_table_ = nullptr;
};

// The finaliser of splitmix64: every bit of the result depends on every bit of the number.
[[nodiscard]] constexpr std::uint64_t hash_of(std::uint64_t number) {
  number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9U;
  number = (number ^ (number >> 27)) * 0x94d049bb133111ebU;
  return number ^ (number >> 31);
}
// The same for names that differ in case only.
[[nodiscard]] constexpr std::uint64_t hash_ignoring_case(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(ascii_lower(c))) * 0x100000001b3U;
  }
  return hash_of(hash);
}

// Traits: `Key`, `key_of(const T&)`, `hash(Key)`, `equal(Key, Key)`, all static.
template <class T, class Traits>
class GrowingTable {
 public:
  GrowingTable() { segments_.push_back(std::make_unique<Segment>()); }
  GrowingTable(const GrowingTable&) = delete;
  GrowingTable& operator=(const GrowingTable&) = delete;

  [[nodiscard]] std::size_t size() const { return size_; }

  [[nodiscard]] T* find(const typename Traits::Key& key) const {
    for (T* at = head(bucket_of(Traits::hash(key))); at != nullptr; at = next(*at)) {
      if (Traits::equal(Traits::key_of(*at), key)) {
        return at;
      }
    }
    return nullptr;
  }

  // `element` must not be in the table; its key must not change while it is.
  void insert(T& element) {
    if (size_ >= half_ + split_) {
      grow();
    }
    push(head(bucket_of(Traits::hash(Traits::key_of(element)))), element);
    ++size_;
  }

  void remove(T& element) {
    T** link = &head(bucket_of(Traits::hash(Traits::key_of(element))));
    while (*link != &element) {
      check(*link != nullptr, "removed an element that is not in the table");
      link = &next(**link);
    }
    *link = next(element);
    next(element) = nullptr;
    --size_;
  }

  // `visit` may remove the element that it is given, and no other.
  template <class Visit>
  void for_each(Visit visit) const {
    for (std::size_t bucket = 0; bucket < buckets(); ++bucket) {
      for_each_in(bucket, visit);
    }
  }
  // Those in the bucket of this key, and perhaps others. `visit` must remove none.
  template <class Visit>
  void for_each_like(const typename Traits::Key& key, Visit visit) const {
    for_each_in(bucket_of(Traits::hash(key)), visit);
  }
  // The same in portions: whoever visits bucket after bucket, however much is inserted and removed
  // in between, sees every element that was there all the time. Growing moves elements to higher
  // buckets only.
  template <class Visit>
  void for_each_in(std::size_t bucket, Visit visit) const {
    for (T* at = head(bucket); at != nullptr;) {
      T* following = next(*at);
      visit(*at);
      at = following;
    }
  }
  [[nodiscard]] std::size_t buckets() const { return half_ + split_; }

 private:
  static constexpr std::size_t segment_size = 512;
  using Segment = std::array<T*, segment_size>;

  static T*& next(T& element) { return static_cast<TableHook<T>&>(element).next_in_table_; }
  static void push(T*& head, T& element) {
    next(element) = head;
    head = &element;
  }
  [[nodiscard]] T*& head(std::size_t bucket) const {
    return (*segments_[bucket / segment_size])[bucket % segment_size];
  }
  // Buckets below `split_` were divided already and use one more bit of the hash.
  [[nodiscard]] std::size_t bucket_of(std::uint64_t hash) const {
    const std::size_t bucket = hash & (half_ - 1);
    return bucket < split_ ? hash & (half_ * 2 - 1) : bucket;
  }
  void grow() {
    if (half_ + split_ == segments_.size() * segment_size) {
      segments_.push_back(std::make_unique<Segment>());
    }
    T* moving = head(split_);
    head(split_) = nullptr;
    const std::size_t divided = split_++;
    while (moving != nullptr) {
      T& element = *moving;
      moving = next(element);
      push(head(bucket_of(Traits::hash(Traits::key_of(element)))), element);
    }
    check(divided < half_, "growing table split beyond its half");
    if (split_ == half_) {
      half_ *= 2;
      split_ = 0;
    }
  }

  std::vector<std::unique_ptr<Segment>> segments_;
  std::size_t half_ = segment_size;  // a power of two: buckets before this round of splits
  std::size_t split_ = 0;            // the next bucket to divide
  std::size_t size_ = 0;
};

}  // namespace ringpost::queue
