// The least that shows how a compiler treats coroutines: a lazy task that runs to its end when it
// is started, an awaitable that is always ready, and a value that knows whether it was destroyed
// as often as it was made. Called by the reproductions beside it, by nothing else.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <set>
#include <utility>

namespace ringpost::compiler {

// What happened to the values of one reproduction.
struct Ledger {
  std::set<const void*> alive;
  bool wrong = false;  // one was destroyed twice, or was never made
  bool ran = false;    // the body that must run did
  bool stray = false;  // something that must not run did

  [[nodiscard]] bool right() const { return ran && !stray && !wrong && alive.empty(); }
};

// Stands for anything that frees in its destructor, without the crash of a double free.
class Owned {
 public:
  explicit Owned(Ledger& ledger) : ledger_(&ledger) { ledger_->alive.insert(this); }
  Owned(const Owned& other) : ledger_(other.ledger_) { ledger_->alive.insert(this); }
  Owned(Owned&& other) noexcept : ledger_(other.ledger_) { ledger_->alive.insert(this); }
  Owned& operator=(const Owned&) = default;
  Owned& operator=(Owned&&) = default;
  ~Owned() {
    if (ledger_->alive.erase(this) == 0) {
      ledger_->wrong = true;
    }
  }

 private:
  Ledger* ledger_;
};

template <class T>
class Task {
 public:
  struct promise_type {
    Task get_return_object() {
      return Task(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_value(T result) { value.emplace(std::move(result)); }
    void unhandled_exception() { std::terminate(); }

    std::optional<T> value;
  };

  explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) {
      handle_.destroy();
    }
  }

  // Nothing here suspends on its own, so that resuming once runs to the end.
  T run() {
    handle_.resume();
    return std::move(*handle_.promise().value);
  }
  bool await_ready() { return false; }
  bool await_suspend(std::coroutine_handle<>) {
    handle_.resume();
    return false;
  }
  T await_resume() { return std::move(*handle_.promise().value); }

 private:
  std::coroutine_handle<promise_type> handle_;
};

}  // namespace ringpost::compiler
