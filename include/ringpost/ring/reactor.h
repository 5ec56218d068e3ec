// The heart of a shard: one io_uring, one queue of ready coroutines, one timer wheel, one clock
// snapshot a turn. A turn runs what is ready, hands the prepared operations to the kernel in one
// call, waits if there is nothing else to do, and turns completions and expired timers into ready
// coroutines. It knows no protocol and no file format.
#pragma once

#include <atomic>
#include <span>

#include "ringpost/base/random.h"
#include "ringpost/base/result.h"
#include "ringpost/ring/buffer_pool.h"
#include "ringpost/ring/event.h"
#include "ringpost/ring/gate.h"
#include "ringpost/ring/kernel.h"
#include "ringpost/ring/operation.h"
#include "ringpost/ring/task.h"
#include "ringpost/ring/timer_wheel.h"

namespace ringpost::ring {

struct ReactorSettings {
  unsigned receive_buffers = 4096;  // a power of two
  std::size_t receive_buffer_size = 4096;
};

// Looks for work that other threads have left. Asked once a turn, and again before the reactor
// sleeps; returns whether there was any.
class Inbox {
 public:
  virtual bool poll() = 0;

 protected:
  ~Inbox() = default;
};

// Received bytes, in a buffer of the pool that goes back when this dies. `result` is the length,
// 0 at the end of the stream, or a negative errno.
class [[nodiscard]] Received {
 public:
  Received(int result) : result_(result) {}
  Received(Reactor& reactor, int result, std::uint16_t id)
      : reactor_(&reactor), result_(result), id_(id) {}
  Received(Received&& other) noexcept
      : reactor_(std::exchange(other.reactor_, nullptr)), result_(other.result_), id_(other.id_) {}
  Received& operator=(Received&& other) noexcept {
    release();
    reactor_ = std::exchange(other.reactor_, nullptr);
    result_ = other.result_;
    id_ = other.id_;
    return *this;
  }
  ~Received() { release(); }

  [[nodiscard]] int result() const { return result_; }
  [[nodiscard]] std::string_view bytes() const;
  void release();

 private:
  Reactor* reactor_ = nullptr;
  int result_;
  std::uint16_t id_ = 0;
};

class [[nodiscard]] ReceiveOperation : public Operation {
 public:
  using Operation::Operation;
  Received await_resume();
};

// Awaits an operation that somebody else keeps: `Received r = co_await ReceiveWait(kept);`
class [[nodiscard]] ReceiveWait {
 public:
  explicit ReceiveWait(ReceiveOperation& operation) : operation_(operation) {}
  [[nodiscard]] bool await_ready() const noexcept { return operation_.await_ready(); }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> caller) noexcept {
    operation_.await_suspend(caller);
  }
  Received await_resume() { return operation_.await_resume(); }

 private:
  ReceiveOperation& operation_;
};

class Reactor {
 public:
  Reactor(Kernel& kernel, const ReactorSettings& settings);
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  // On the thread that will run it. Fails with the kernel's errno and a remedy.
  Result<> start();
  // One turn; sleeps at most `longest` when nothing is ready.
  void turn(Duration longest = std::chrono::hours(1));
  // Turns until `task` has ended.
  void run(Task<void> task);

  // The simulated kernel has crashed and forgotten every operation: from now on coroutines may only
  // be destroyed, and the reactor must not be turned again.
  void abandon() { ready_.abandon(); }

  // Makes the reactor end its sleep. Thread-safe; cheap when it does not sleep.
  void wake();
  void set_inbox(Inbox* inbox) { inbox_ = inbox; }

  [[nodiscard]] Kernel& kernel() { return kernel_; }
  [[nodiscard]] ReadyQueue& ready() { return ready_; }
  [[nodiscard]] TimerWheel& timers() { return timers_; }
  [[nodiscard]] Random& random() { return random_; }
  [[nodiscard]] BufferPool& buffers() { return buffers_; }
  // Read once a turn.
  [[nodiscard]] Instant now() const { return clocks_.monotonic; }
  [[nodiscard]] WallTime wall_now() const { return clocks_.wall; }
  Sleep sleep(Duration duration) { return Sleep(timers_, now() + duration); }
  [[nodiscard]] std::size_t operations_in_flight() const { return slots_.in_use(); }
  [[nodiscard]] std::uint64_t turns() const { return turns_; }

  // Operations. Each is submitted at the end of the turn; `deadline` cancels it.
  ReceiveOperation receive(int fd, Instant deadline = never);
  // Sends all of `bytes` or fails; the slot owns them until then.
  Operation send(int fd, std::string bytes, Instant deadline = never);
  // The same without a coroutine; `completion` must live until it is called.
  OperationSlot& send(int fd, std::string bytes, Completion& completion);
  Operation accept(int fd);
  Operation connect(int fd, const sockaddr_storage& address, socklen_t length, Instant deadline);
  // A datagram to the connected peer, or from it into a pool buffer, is send() and receive().
  Operation open(std::string path, int flags, mode_t mode);
  Operation read(int fd, std::span<char> into, std::uint64_t offset);
  // `rw_flags` as of pwritev2, RWF_DSYNC for one. `bytes` must live until completion. An offset of
  // `at_end` appends to a file opened with O_APPEND.
  Operation write(int fd, std::string_view bytes, std::uint64_t offset, int rw_flags = 0);
  static constexpr std::uint64_t at_end = ~std::uint64_t{0};
  Operation sync(int fd, bool data_only);
  Operation allocate(int fd, int mode, std::uint64_t offset, std::uint64_t length);
  Operation rename(std::string from, std::string to);
  Operation unlink(std::string path);
  Operation close_file(int fd);

  void cancel(OperationSlot& slot);

 private:
  friend class Operation;
  friend class ReceiveOperation;
  friend class Received;

  io_uring_sqe& next_sqe();
  OperationSlot& begin(io_uring_sqe& sqe, int fd, Instant deadline = never);
  void prepare_receive(OperationSlot& slot);
  void reap();
  void finish(OperationSlot& slot, int result, std::uint32_t flags);
  void drop_buffer(std::uint32_t completion_flags);
  void buffer_returned();
  void run_ready();
  void poll(Duration longest);
  void arm_wake();

  Kernel& kernel_;
  ReadyQueue ready_;
  Clocks clocks_;
  TimerWheel timers_;
  Random random_;
  BufferPool buffers_;
  OperationSlots slots_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> starved_;  // index, generation
  Inbox* inbox_ = nullptr;
  std::uint64_t turns_ = 0;
  std::uint64_t wake_count_ = 0;  // where the wake descriptor is read into
  std::atomic<bool> sleeping_ = false;
};

inline std::string_view Received::bytes() const {
  if (reactor_ == nullptr) {
    return {};
  }
  return reactor_->buffers().view(id_, static_cast<std::size_t>(result_));
}

inline void Received::release() {
  if (reactor_ != nullptr) {
    Reactor& reactor = *std::exchange(reactor_, nullptr);
    reactor.buffers().give_back(id_);
    reactor.buffer_returned();
  }
}

}  // namespace ringpost::ring
