// The owner of coroutines that run beside their starter. Whoever owns a gate closes it before it
// dies, and close() returns when the last of its coroutines has ended: nothing outlives its owner.
// After a simulated crash a gate may die with its coroutines, which it then destroys.
#pragma once

#include <cstddef>

#include "ringpost/base/check.h"
#include "ringpost/ring/event.h"
#include "ringpost/ring/task.h"

namespace ringpost::ring {

class Gate {
 public:
  explicit Gate(ReadyQueue& ready) : ready_(ready) {}
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  ~Gate() {
    check(running_ == 0 || ready_.abandoned(), "a gate was destroyed while its coroutines run");
    while (!coroutines_.empty()) {
      Task<void>::Handle::from_promise(coroutines_.front()).destroy();
    }
  }

  // Starts `task`, which the gate owns from now on. Must not be called after close() has ended.
  void spawn(Task<void> task) {
    ++running_;
    const auto handle = task.release();
    coroutines_.push_back(handle.promise());
    handle.promise().start(ready_, handle, nullptr, this);
  }
  [[nodiscard]] std::size_t running() const { return running_; }

  // Waits for all coroutines to end; asking them to is the owner's part.
  Task<void> close() {
    while (running_ > 0) {
      co_await ended_.wait();
    }
  }

 private:
  friend class PromiseBase;
  void leave() {
    --running_;
    if (running_ == 0) {
      ended_.notify_all();
    }
  }

  ReadyQueue& ready_;
  std::size_t running_ = 0;
  Event ended_;
  IntrusiveList<TaskPromise<void>, GateTag> coroutines_;  // a frame leaves when it is destroyed
};

inline void PromiseBase::leave_gate() noexcept {
  gate_->leave();
}

}  // namespace ringpost::ring
