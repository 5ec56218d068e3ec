// One request to the kernel, from its submission to its final completion. The record of it is a
// slot of a slab, named by index and generation, so that a late completion can never touch a dead
// coroutine; a buffer to be sent belongs to the slot until the kernel is done with it. A slot is
// freed by its final completion only.
#pragma once

#include <sys/socket.h>

#include <coroutine>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "ringpost/ring/ready_queue.h"
#include "ringpost/ring/timer_wheel.h"

struct io_uring_cqe;

namespace ringpost::ring {

class Reactor;

// For operations that no coroutine awaits.
class Completion {
 public:
  virtual void completed(int result) = 0;

 protected:
  ~Completion() = default;
};

struct OperationSlot final : Timer {
  enum class State : std::uint8_t { free, in_flight, starved, finished };

  Reactor* reactor = nullptr;
  std::uint32_t index = 0;
  std::uint32_t generation = 0;
  State state = State::free;
  bool cancel_sent = false;
  bool timed_out = false;
  bool abandoned = false;  // nobody will ask for the result
  int fd = -1;
  int result = 0;
  std::uint32_t flags = 0;  // of the completion
  std::coroutine_handle<> waiter;
  ReadyQueue* ready = nullptr;
  Completion* completion = nullptr;
  std::string owned;         // what is sent, or a path
  sockaddr_storage address;  // whom to connect to
  socklen_t address_length = 0;

 private:
  void expired() override;  // the deadline: cancels
};

// Awaitable once: `int result = co_await operation;`, as io_uring gives it (negative errno on
// failure, -ETIMEDOUT when its deadline came first, -ECANCELED when it was cancelled). Dropping it
// unawaited cancels the operation and forgets its result.
class [[nodiscard]] Operation {
 public:
  explicit Operation(OperationSlot& slot) noexcept : slot_(&slot) {}
  Operation(Operation&& other) noexcept : slot_(std::exchange(other.slot_, nullptr)) {}
  Operation& operator=(Operation&&) = delete;
  ~Operation();

  [[nodiscard]] bool await_ready() const noexcept {
    return slot_->state == OperationSlot::State::finished;
  }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> caller) noexcept {
    slot_->waiter = caller;
    slot_->ready = &caller.promise().ready();
  }
  int await_resume();

  void cancel();
  // Replaces the deadline; `never` takes it away.
  void set_deadline(Instant deadline);

 protected:
  // Gives the slot back.
  void finish();

  OperationSlot* slot_;
};

// The slab. Slots never move and are reused in last-in-first-out order.
class OperationSlots {
 public:
  OperationSlot& take(Reactor& reactor);
  void give_back(OperationSlot& slot);
  // Null when the generation has moved on.
  OperationSlot* find(std::uint32_t index, std::uint32_t generation);
  [[nodiscard]] std::size_t in_use() const { return slots_.size() - free_.size(); }

 private:
  std::deque<OperationSlot> slots_;
  std::vector<OperationSlot*> free_;
};

}  // namespace ringpost::ring
