#include "ringpost/ring/reactor.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ringpost::ring {
namespace {

// What a completion's user_data names: slot (32 bits), generation (24), kind (8).
enum Kind : std::uint8_t { kind_operation = 1, kind_cancel = 2, kind_wake = 3 };

std::uint64_t user_data_of(const OperationSlot& slot, Kind kind) {
  return std::uint64_t{slot.index} << 32 | std::uint64_t{slot.generation} << 8 | kind;
}

}  // namespace

Reactor::Reactor(Kernel& kernel, const ReactorSettings& settings)
    : kernel_(kernel),
      clocks_(kernel.clocks()),
      timers_(clocks_.monotonic),
      random_(kernel.random_seed()),
      buffers_(settings.receive_buffers, settings.receive_buffer_size) {}

Result<> Reactor::start() {
  if (const int error = kernel_.enable(); error < 0) {
    return fail_errno(error, "the io_uring could not be enabled on its thread");
  }
  if (const int error = buffers_.enroll(kernel_); error < 0) {
    return fail_errno(error, "the kernel refused the ring of receive buffers",
                      "raise the limit on locked memory (LimitMEMLOCK=infinity)");
  }
  clocks_ = kernel_.clocks();
  arm_wake();
  return {};
}

void Reactor::arm_wake() {
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_read(&sqe, kernel_.wake_descriptor(), &wake_count_, sizeof(wake_count_), 0);
  sqe.user_data = kind_wake;
}

void Reactor::run(Task<void> task) {
  Gate gate(ready_);
  gate.spawn(std::move(task));
  run_ready();
  while (gate.running() > 0) {
    poll(std::chrono::hours(1));
    if (ready_.abandoned()) {
      return;
    }
    run_ready();
  }
}

void Reactor::run_ready() {
  // Bounded, so that completions and timers get their turn; enough for many hops of many mails.
  constexpr int most = 16'384;
  sleeping_.store(false, std::memory_order_relaxed);
  for (int count = 0; count < most && !ready_.empty(); ++count) {
    ready_.resume_next();
  }
}

void Reactor::turn(Duration longest) {
  run_ready();
  poll(longest);
}

void Reactor::poll(Duration longest) {
  ++turns_;
  Duration timeout = Duration::zero();
  if (ready_.empty()) {
    const Instant deadline = timers_.next_deadline();
    timeout = deadline == never
                  ? longest
                  : std::clamp<Duration>(deadline - clocks_.monotonic, Duration::zero(), longest);
    sleeping_.store(true, std::memory_order_seq_cst);
    if (inbox_ != nullptr && inbox_->poll()) {
      timeout = Duration::zero();
    }
  }
  const bool may_sleep = timeout > Duration::zero();
  // It counts as asleep until something runs: a simulated kernel returns at once and turns the
  // reactor again when there is something to reap.
  const int error = kernel_.enter(may_sleep ? 1 : 0, timeout);
  check(error >= 0 || error == -EINTR || error == -EAGAIN || error == -EBUSY,
        "io_uring_enter failed");
  clocks_ = kernel_.clocks();
  reap();
  timers_.advance(clocks_.monotonic);
  if (inbox_ != nullptr) {
    inbox_->poll();
  }
}

void Reactor::wake() {
  if (sleeping_.load(std::memory_order_seq_cst)) {
    kernel_.wake();
  }
}

io_uring_sqe& Reactor::next_sqe() {
  io_uring_sqe* sqe = io_uring_get_sqe(&kernel_.queues());
  while (sqe == nullptr) {  // full: hand over what there is
    kernel_.enter(0, Duration::zero());
    sqe = io_uring_get_sqe(&kernel_.queues());
  }
  return *sqe;
}

OperationSlot& Reactor::begin(io_uring_sqe& sqe, int fd, Instant deadline) {
  OperationSlot& slot = slots_.take(*this);
  slot.fd = fd;
  sqe.user_data = user_data_of(slot, kind_operation);
  if (deadline != never) {
    timers_.arm(slot, deadline);
  }
  return slot;
}

void Reactor::cancel(OperationSlot& slot) {
  if (slot.state == OperationSlot::State::starved) {
    finish(slot, -ECANCELED, 0);  // the kernel does not know it at the moment
    return;
  }
  if (slot.state != OperationSlot::State::in_flight || slot.cancel_sent) {
    return;
  }
  slot.cancel_sent = true;
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_cancel64(&sqe, user_data_of(slot, kind_operation), 0);
  sqe.user_data = user_data_of(slot, kind_cancel);
}

void Reactor::reap() {
  io_uring& queues = kernel_.queues();
  unsigned head = 0;
  unsigned reaped = 0;
  io_uring_cqe* cqe = nullptr;
  io_uring_for_each_cqe(&queues, head, cqe) {
    ++reaped;
    const std::uint64_t name = cqe->user_data;
    if ((name & 0xff) == kind_wake) {
      arm_wake();
      continue;
    }
    if ((name & 0xff) != kind_operation) {
      continue;  // a cancel: its operation reports for itself
    }
    OperationSlot* const slot = slots_.find(static_cast<std::uint32_t>(name >> 32),
                                            static_cast<std::uint32_t>(name >> 8) & 0xff'ffff);
    check(slot != nullptr, "a completion names an operation that is not in flight");
    finish(*slot, cqe->res, cqe->flags);
  }
  io_uring_cq_advance(&queues, reaped);
}

void Reactor::finish(OperationSlot& slot, int result, std::uint32_t flags) {
  if ((flags & IORING_CQE_F_BUFFER) != 0) {
    buffers_.taken();
  }
  if (result == -ENOBUFS && !slot.cancel_sent) {
    if (!buffers_.exhausted()) {
      prepare_receive(slot);  // one came back in the meantime, perhaps the last to do so for long
      return;
    }
    slot.state = OperationSlot::State::starved;
    starved_.emplace_back(slot.index, slot.generation);
    return;
  }
  slot.disarm();
  slot.state = OperationSlot::State::finished;
  slot.result = slot.timed_out && result == -ECANCELED ? -ETIMEDOUT : result;
  slot.flags = flags;
  if (slot.completion != nullptr) {
    Completion& completion = *slot.completion;
    const int final_result = slot.result;
    slots_.give_back(slot);
    completion.completed(final_result);
  } else if (slot.abandoned) {
    slots_.give_back(slot);
    drop_buffer(flags);
  } else if (slot.waiter) {
    slot.ready->push(slot.waiter);
  }
}

// Of a completion that nobody asks for.
void Reactor::drop_buffer(std::uint32_t flags) {
  if ((flags & IORING_CQE_F_BUFFER) != 0) {
    buffers_.give_back(static_cast<std::uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT));
    buffer_returned();
  }
}

void Reactor::buffer_returned() {
  while (!starved_.empty()) {
    const auto [index, generation] = starved_.back();
    starved_.pop_back();
    OperationSlot* const slot = slots_.find(index, generation);
    if (slot != nullptr && slot->state == OperationSlot::State::starved) {
      slot->state = OperationSlot::State::in_flight;
      prepare_receive(*slot);
      return;
    }
  }
}

}  // namespace ringpost::ring
