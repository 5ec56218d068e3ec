// The coroutines that can go on, in the order in which they became ready. Every resumption of the
// house passes through here: no recursion, one order.
#pragma once

#include <coroutine>
#include <cstddef>
#include <vector>

namespace ringpost::ring {

class ReadyQueue {
 public:
  ReadyQueue() : ring_(1024) {}

  [[nodiscard]] bool empty() const { return head_ == tail_; }

  void push(std::coroutine_handle<> coroutine) {
    if (tail_ - head_ == ring_.size()) [[unlikely]] {
      grow();
    }
    ring_[tail_++ & (ring_.size() - 1)] = coroutine;
  }

  void resume_next() {
    const std::coroutine_handle<> coroutine = ring_[head_++ & (ring_.size() - 1)];
    coroutine.resume();
  }

  // After a simulated crash: nothing will ever be resumed, all that waits may be destroyed.
  void abandon() { abandoned_ = true; }
  [[nodiscard]] bool abandoned() const { return abandoned_; }

 private:
  // Bounded by the number of coroutines, which those who spawn them bound.
  void grow() {
    std::vector<std::coroutine_handle<>> larger(ring_.size() * 2);
    for (std::size_t at = head_; at != tail_; ++at) {
      larger[at & (larger.size() - 1)] = ring_[at & (ring_.size() - 1)];
    }
    ring_ = std::move(larger);
  }

  std::vector<std::coroutine_handle<>> ring_;
  std::size_t head_ = 0;
  std::size_t tail_ = 0;
  bool abandoned_ = false;
};

}  // namespace ringpost::ring
