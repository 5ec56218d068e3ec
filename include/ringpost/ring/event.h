// Waiting for something to change. An event has no state of its own: write
//   while (!condition) { co_await event.wait(); }
// Waiters resume in the order in which they came, in a later step of the ready queue.
#pragma once

#include <coroutine>

#include "ringpost/base/intrusive_list.h"
#include "ringpost/ring/ready_queue.h"
#include "ringpost/ring/timer_wheel.h"

namespace ringpost::ring {

struct WaiterTag;

class Event {
  struct Waiter : ListHook<WaiterTag> {
    std::coroutine_handle<> coroutine;
    ReadyQueue* ready = nullptr;
    bool notified = false;

    void resume() {
      notified = true;
      ready->push(coroutine);
    }
  };

 public:
  class [[nodiscard]] Wait : private Waiter {
   public:
    explicit Wait(Event& event) : event_(event) {}
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> caller) {
      coroutine = caller;
      ready = &caller.promise().ready();
      event_.waiters_.push_back(*this);
    }
    void await_resume() const noexcept {}

   private:
    Event& event_;
  };

  class [[nodiscard]] WaitUntil : private Waiter, private Timer {
   public:
    WaitUntil(Event& event, TimerWheel& timers, Instant deadline)
        : event_(event), timers_(timers), deadline_(deadline) {}
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> caller) {
      coroutine = caller;
      ready = &caller.promise().ready();
      event_.waiters_.push_back(*this);
      if (deadline_ != never) {
        timers_.arm(*this, deadline_);
      }
    }
    // False when the deadline came first.
    bool await_resume() {
      disarm();
      return notified;
    }

   private:
    void expired() override {
      if (Waiter::linked()) {
        Waiter::unlink();
        ready->push(coroutine);
      }
    }

    Event& event_;
    TimerWheel& timers_;
    Instant deadline_;
  };

  Wait wait() { return Wait(*this); }
  WaitUntil wait_until(TimerWheel& timers, Instant deadline) {
    return WaitUntil(*this, timers, deadline);
  }

  [[nodiscard]] bool has_waiters() const { return !waiters_.empty(); }
  void notify_one() {
    if (!waiters_.empty()) {
      waiters_.pop_front().resume();
    }
  }
  void notify_all() {
    while (!waiters_.empty()) {
      waiters_.pop_front().resume();
    }
  }

 private:
  IntrusiveList<Waiter, WaiterTag> waiters_;
};

// co_await Sleep(reactor.timers(), when);
class [[nodiscard]] Sleep : private Timer {
 public:
  Sleep(TimerWheel& timers, Instant when) : timers_(timers), when_(when) {}
  [[nodiscard]] bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> caller) {
    coroutine_ = caller;
    ready_ = &caller.promise().ready();
    timers_.arm(*this, when_);
  }
  void await_resume() const noexcept {}

 private:
  void expired() override { ready_->push(coroutine_); }

  TimerWheel& timers_;
  Instant when_;
  std::coroutine_handle<> coroutine_;
  ReadyQueue* ready_ = nullptr;
};

}  // namespace ringpost::ring
