// What one shard leaves for another: a bounded ring with one writing and one reading thread, the
// only memory that two shards share. Items own heap memory, which the receiver frees.
#pragma once

#include <atomic>
#include <cstddef>
#include <utility>
#include <vector>

#include "ringpost/base/check.h"

namespace ringpost::ring {

template <class T>
class Mailbox {
 public:
  // `capacity` must be a power of two.
  explicit Mailbox(std::size_t capacity) : items_(capacity) {
    check(capacity != 0 && (capacity & (capacity - 1)) == 0, "a mailbox holds a power of two");
  }

  // Writer. False, and `item` untouched, when it is full.
  bool try_push(T&& item) {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_.load(std::memory_order_acquire) == items_.size()) {
      return false;
    }
    items_[tail & (items_.size() - 1)] = std::move(item);
    // Sequentially consistent, so that it cannot pass the look at whether the reader sleeps.
    tail_.store(tail + 1, std::memory_order_seq_cst);
    return true;
  }

  // Reader. False when it is empty.
  bool try_pop(T& item) {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_seq_cst)) {
      return false;
    }
    item = std::move(items_[head & (items_.size() - 1)]);
    head_.store(head + 1, std::memory_order_release);
    return true;
  }

 private:
  std::vector<T> items_;
  alignas(64) std::atomic<std::size_t> head_ = 0;
  alignas(64) std::atomic<std::size_t> tail_ = 0;
};

}  // namespace ringpost::ring
