#include "harness/ring_thread.h"

#include <sys/resource.h>

#include "ringpost/ring/linux_kernel.h"

namespace ringpost::bench {
namespace {

Duration duration_of(const timeval& time) {
  return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

}  // namespace

Duration thread_cpu_time() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return duration_of(usage.ru_utime) + duration_of(usage.ru_stime);
}

RingThread::~RingThread() {
  stop();
  join();
}

Result<> RingThread::start(const ring::ReactorSettings& settings, Body body) {
  body_ = std::move(body);
  std::promise<Result<>> started;
  std::future<Result<>> answer = started.get_future();
  thread_ = std::thread([this, settings, promise = std::move(started)]() mutable {
    run(settings, std::move(promise));
  });
  return answer.get();
}

void RingThread::run(const ring::ReactorSettings& settings, std::promise<Result<>> started) {
  Result<std::unique_ptr<ring::LinuxKernel>> kernel = ring::LinuxKernel::create();
  if (!kernel) {
    started.set_value(std::unexpected(kernel.error()));
    return;
  }
  ring::Reactor reactor(**kernel, settings);
  if (Result<> ready = reactor.start(); !ready) {
    started.set_value(std::move(ready));
    return;
  }
  reactor.set_inbox(&stop_);
  {
    const std::lock_guard lock(reactor_mutex_);
    reactor_ = &reactor;
  }
  started.set_value({});
  reactor.run(body_(reactor, stop_));
  while (reactor.operations_in_flight() > 0) {
    reactor.turn(std::chrono::milliseconds(10));
  }
  reactor.set_inbox(nullptr);
  {
    const std::lock_guard lock(reactor_mutex_);
    reactor_ = nullptr;
  }
  cpu_time_ = thread_cpu_time();
  ended_.store(true, std::memory_order_release);
}

void RingThread::stop() {
  stop_.request();
  const std::lock_guard lock(reactor_mutex_);
  if (reactor_ != nullptr) {
    reactor_->wake();
  }
}

void RingThread::join() {
  if (thread_.joinable()) {
    thread_.join();
  }
}

}  // namespace ringpost::bench
