#include "sim/sim_kernel.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "ringpost/base/check.h"
#include "sim/sim_world.h"

namespace ringpost::sim {

struct SimKernel::BufferRing {
  explicit BufferRing(unsigned entries) : slots(entries) {}

  [[nodiscard]] io_uring_buf_ring* ring() {
    return reinterpret_cast<io_uring_buf_ring*>(slots.data());
  }

  std::vector<io_uring_buf> slots;
};

SimKernel::SimKernel(SimHost& host, const SimKernelSettings& settings)
    : host_(host),
      world_(host.world()),
      sqes_(settings.submission_entries),
      cqes_(settings.completion_entries),
      sq_array_(settings.submission_entries) {
  io_uring_sq& sq = queues_.sq;
  sq.khead = &sq_head_;
  sq.ktail = &sq_tail_;
  sq.kflags = &sq_flags_;
  sq.array = sq_array_.data();
  sq.sqes = sqes_.data();
  sq.ring_entries = settings.submission_entries;
  sq.ring_mask = settings.submission_entries - 1;
  io_uring_cq& cq = queues_.cq;
  cq.khead = &cq_head_;
  cq.ktail = &cq_tail_;
  cq.cqes = cqes_.data();
  cq.ring_entries = settings.completion_entries;
  cq.ring_mask = settings.completion_entries - 1;
  wake_fd_ = host.add_descriptor({.wakes = this});
  host.add_kernel(*this);
  world_.add_kernel(*this);
}

SimKernel::~SimKernel() {
  if (!crashed_) {
    forget(Crash::killed);
    host_.close_descriptor(wake_fd_);
  }
  host_.remove_kernel(*this);
  world_.remove_kernel(*this);
}

void SimKernel::drive(ring::Reactor* reactor) {
  driven_ = reactor;
  rouse();
}

Instant SimKernel::turn_due() const {
  if (driven_ == nullptr || crashed_ || waiting_) {
    return never;
  }
  return completions_ready() ? Instant::min() : sleeps_until_;
}

void SimKernel::turn() {
  awakened_ = asleep_;
  driven_->turn();
  awakened_ = false;
}

int SimKernel::enter(unsigned wait_for, Duration timeout) {
  submit();
  flush_completions();
  const Instant now = world_.clock().now();
  // A reactor that the world turns must not block the others. So it is sent home when it wants to
  // sleep; when the sleep is over, the first enter() of the next turn is its return.
  if (world_.turning() || crashed_) {
    asleep_ = wait_for != 0 && cq_head_ == cq_tail_ && !awakened_;
    sleeps_until_ = asleep_ ? now + timeout : now;
    return 0;
  }
  if (wait_for == 0) {
    world_.clock().move_to(now + between(world_.random(), 1us, 8us));
    world_.clock().run_due();
  } else {
    waiting_ = true;
    world_.wait([this] { return completions_ready() || crashed_; }, now + timeout);
    waiting_ = false;
  }
  flush_completions();
  return 0;
}

void SimKernel::complete(const OperationPointer& operation, int result, std::uint32_t flags) {
  check(!operation->done, "a request completed twice");
  operation->done = true;
  operation->socket = nullptr;
  operation->file = nullptr;
  const std::uint64_t name = operation->sqe.user_data;
  const auto [first, last] = operations_.equal_range(name);
  const auto at =
      std::find_if(first, last, [&](const auto& entry) { return entry.second == operation; });
  if (at != last) {
    operations_.erase(at);
  }
  posted_.push_back({});
  posted_.back().user_data = name;
  posted_.back().res = result;
  posted_.back().flags = flags;
}

// What completed since the last turn arrives in an order of the kernel's choice.
void SimKernel::flush_completions() {
  Random& random = world_.random();
  for (std::size_t at = posted_.size(); at > 1; --at) {
    std::swap(posted_[at - 1], posted_[random.below(at)]);
  }
  std::size_t taken = 0;
  while (taken < posted_.size() && cq_tail_ - cq_head_ < cqes_.size()) {
    const io_uring_cqe& from = posted_[taken++];
    io_uring_cqe& to = cqes_[cq_tail_++ & (cqes_.size() - 1)];
    to.user_data = from.user_data;
    to.res = from.res;
    to.flags = from.flags;
    world_.trace().note(from.user_data, static_cast<std::uint64_t>(from.res));
  }
  posted_.erase(posted_.begin(), posted_.begin() + static_cast<std::ptrdiff_t>(taken));
}

void SimKernel::crash(Crash crash) {
  if (crashed_) {
    return;
  }
  for (const auto& [name, operation] : operations_) {
    tear(*operation);
  }
  forget(crash);
  if (driven_ != nullptr) {
    driven_->abandon();
  }
}

void SimKernel::forget(Crash crash) {
  for (const auto& [name, operation] : std::exchange(operations_, {})) {
    operation->done = true;
    if (const SocketPointer socket = std::exchange(operation->socket, nullptr)) {
      if (crash == Crash::power_cut) {
        socket->vanish();
      } else {
        socket->withdraw(*operation);
      }
    }
  }
  crashed_ = true;
  posted_.clear();
  cq_head_ = cq_tail_;
  wake_read_ = nullptr;
}

void SimKernel::wake() {
  ++wake_count_;
  read_wake_count();
}

void SimKernel::read_wake_count() {
  if (wake_read_ == nullptr || wake_count_ == 0) {
    return;
  }
  auto* const into = reinterpret_cast<std::uint64_t*>(wake_read_->sqe.addr);
  *into = std::exchange(wake_count_, 0);
  complete(std::exchange(wake_read_, nullptr), sizeof(std::uint64_t));
}

ring::Clocks SimKernel::clocks() {
  const SimClock& clock = world_.clock();
  return {clock.now(),
          clock.wall() + std::chrono::duration_cast<std::chrono::milliseconds>(host_.wall_step())};
}

Random::Seed SimKernel::random_seed() {
  return Random::seed_from(world_.random()());
}

io_uring_buf_ring* SimKernel::register_buffer_ring(unsigned entries, unsigned group) {
  if (group != ring::BufferPool::group || buffers_ != nullptr) {
    return nullptr;
  }
  buffers_ = std::make_unique<BufferRing>(entries);
  io_uring_buf_ring_init(buffers_->ring());
  return buffers_->ring();
}

char* SimKernel::receive_buffer(const SimOperation& operation, std::size_t& length,
                                std::uint32_t& flags) {
  if ((operation.sqe.flags & IOSQE_BUFFER_SELECT) == 0) {
    length = operation.sqe.len;
    return reinterpret_cast<char*>(operation.sqe.addr);
  }
  if (buffers_ == nullptr || buffers_->ring()->tail == buffers_head_) {
    return nullptr;
  }
  const io_uring_buf& buffer = buffers_->slots[buffers_head_++ & (buffers_->slots.size() - 1)];
  length = std::min<std::size_t>(buffer.len, operation.sqe.len);
  flags = IORING_CQE_F_BUFFER | static_cast<std::uint32_t>(buffer.bid) << IORING_CQE_BUFFER_SHIFT;
  return reinterpret_cast<char*>(buffer.addr);
}

}  // namespace ringpost::sim
