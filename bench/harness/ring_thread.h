// A thread with an io_uring of its own on which one coroutine runs to its end: the source is one,
// the sink another. Measures the CPU time of the thread. The owner asks it to stop and joins it.
#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <mutex>
#include <thread>

#include "ringpost/base/result.h"
#include "ringpost/base/time.h"
#include "ringpost/ring/reactor.h"

namespace ringpost::bench {

// A request to end, made from another thread and waited for on the ring.
class StopSignal final : public ring::Inbox {
 public:
  [[nodiscard]] bool requested() const { return requested_.load(std::memory_order_acquire); }
  // On the ring.
  ring::Task<void> wait() {
    while (!requested()) {
      co_await event_.wait();
    }
  }
  void request() { requested_.store(true, std::memory_order_release); }
  bool poll() override {
    if (!requested() || !event_.has_waiters()) {
      return false;
    }
    event_.notify_all();
    return true;
  }
  // From the ring: lets waiters go although nobody asked from outside.
  void request_here() {
    request();
    event_.notify_all();
  }

 private:
  std::atomic<bool> requested_ = false;
  ring::Event event_;
};

class RingThread {
 public:
  using Body = std::function<ring::Task<void>(ring::Reactor&, StopSignal&)>;

  RingThread() = default;
  RingThread(const RingThread&) = delete;
  RingThread& operator=(const RingThread&) = delete;
  ~RingThread();

  // Returns once the ring works; `body` makes the coroutine, which then runs.
  Result<> start(const ring::ReactorSettings& settings, Body body);
  void stop();
  void join();

  [[nodiscard]] bool ended() const { return ended_.load(std::memory_order_acquire); }
  // User and system time, valid after join().
  [[nodiscard]] Duration cpu_time() const { return cpu_time_; }

 private:
  void run(const ring::ReactorSettings& settings, std::promise<Result<>> started);

  Body body_;
  StopSignal stop_;
  std::thread thread_;
  std::mutex reactor_mutex_;
  ring::Reactor* reactor_ = nullptr;  // while it runs
  std::atomic<bool> ended_ = false;
  Duration cpu_time_{};
};

// Of the calling thread.
[[nodiscard]] Duration thread_cpu_time();

}  // namespace ringpost::bench
