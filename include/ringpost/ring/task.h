// Coroutines. A Task is lazy and is awaited once; both its start and its caller's continuation
// pass through the reactor's ready queue, so there is no recursion and the order is the same in
// every run. Frames come from the allocator's size-class free lists (mimalloc). See docs/STYLE.md
// for the one form in which co_await may be written.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

#include "ringpost/base/check.h"
#include "ringpost/base/intrusive_list.h"
#include "ringpost/ring/ready_queue.h"

namespace ringpost::ring {

class Gate;
struct GateTag;

class PromiseBase {
 public:
  std::suspend_always initial_suspend() noexcept { return {}; }

  struct Finish {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> self) noexcept {
      PromiseBase& promise = self.promise();
      if (promise.continuation_) {
        promise.ready_->push(promise.continuation_);
      } else if (promise.gate_ != nullptr) {
        promise.leave_gate();
        self.destroy();
      }
    }
    void await_resume() noexcept {}
  };
  Finish final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { std::terminate(); }

  // Where this coroutine is resumed; known from the moment it is awaited or spawned.
  [[nodiscard]] ReadyQueue& ready() const { return *ready_; }

  void start(ReadyQueue& ready, std::coroutine_handle<> self, std::coroutine_handle<> continuation,
             Gate* gate) {
    ready_ = &ready;
    continuation_ = continuation;
    gate_ = gate;
    ready.push(self);
  }

 private:
  void leave_gate() noexcept;

  ReadyQueue* ready_ = nullptr;
  std::coroutine_handle<> continuation_;
  Gate* gate_ = nullptr;
};

template <class T>
class TaskPromise;

template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = TaskPromise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Task(Handle handle) noexcept : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) {
      handle_.destroy();
    }
  }

  [[nodiscard]] bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> caller) noexcept {
    handle_.promise().start(caller.promise().ready(), handle_, caller, nullptr);
  }
  T await_resume() { return handle_.promise().take(); }

  // For Gate: the coroutine now owns itself.
  [[nodiscard]] Handle release() noexcept { return std::exchange(handle_, nullptr); }

 private:
  Handle handle_;
};

template <class T>
class TaskPromise : public PromiseBase {
 public:
  Task<T> get_return_object() noexcept {
    return Task<T>(std::coroutine_handle<TaskPromise>::from_promise(*this));
  }
  template <class Value>
  void return_value(Value&& value) {
    value_.emplace(std::forward<Value>(value));
  }
  T take() { return std::move(*value_); }

 private:
  std::optional<T> value_;
};

template <>
class TaskPromise<void> : public PromiseBase, public ListHook<GateTag> {
 public:
  Task<void> get_return_object() noexcept {
    return Task<void>(std::coroutine_handle<TaskPromise>::from_promise(*this));
  }
  void return_void() noexcept {}
  void take() noexcept {}
};

}  // namespace ringpost::ring
