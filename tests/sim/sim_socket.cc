#include "sim/sim_socket.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "sim/sim_host.h"
#include "sim/sim_kernel.h"
#include "sim/sim_network.h"

namespace ringpost::sim {

// The request at the head of the queue ends. Its kernel may submit nothing in here.
void SimSocket::finish(std::deque<OperationPointer>& queue, int result, std::uint32_t flags) {
  const OperationPointer operation = std::move(queue.front());
  queue.pop_front();
  operation->socket = nullptr;
  operation->kernel.complete(operation, result, flags);
}

void SimSocket::receive(OperationPointer operation) {
  operation->socket = shared_from_this();
  receives_.push_back(std::move(operation));
  pump_receives();
}

void SimSocket::send(OperationPointer operation) {
  operation->socket = shared_from_this();
  sends_.push_back(std::move(operation));
  requeue_pump();  // the buffer is read later
}

void SimSocket::accept(OperationPointer operation) {
  operation->socket = shared_from_this();
  accepts_.push_back(std::move(operation));
  pump_accepts();
}

bool SimSocket::withdraw(const SimOperation& operation) {
  for (std::deque<OperationPointer>* queue : {&receives_, &sends_, &accepts_}) {
    const auto at = std::ranges::find(*queue, &operation, &OperationPointer::get);
    if (at != queue->end()) {
      const OperationPointer kept = *at;
      queue->erase(at);
      kept->socket = nullptr;
      release_if_unused();
      return true;
    }
  }
  return false;
}

void SimSocket::complete_receive(SimOperation& operation) {
  const std::size_t available = inbox_.size() - inbox_read_;
  std::size_t length = 0;
  std::uint32_t flags = 0;
  char* const into = operation.kernel.receive_buffer(operation, length, flags);
  if (into == nullptr) {
    finish(receives_, -ENOBUFS);
    return;
  }
  std::size_t taken = std::min(available, length);
  if (!datagram_ && chance(network_.random(), network_.faults.short_read)) {
    taken = 1 + network_.random().below(taken);
  }
  inbox_.copy(into, taken, inbox_read_);
  inbox_read_ += taken;
  if (inbox_read_ == inbox_.size()) {
    inbox_.clear();
    inbox_read_ = 0;
  }
  network_.window_opens(*this, taken);
  finish(receives_, static_cast<int>(taken), flags);
}

void SimSocket::pump_receives() {
  const SocketPointer keep = shared_from_this();
  while (!receives_.empty()) {
    SimOperation& operation = *receives_.front();
    if (datagram_ ? !datagrams_.empty() : inbox_read_ < inbox_.size()) {
      if (datagram_) {
        inbox_ = std::move(datagrams_.front());
        datagrams_.pop_front();
        inbox_read_ = 0;
        complete_receive(operation);
        inbox_.clear();  // what did not fit is gone
      } else {
        complete_receive(operation);
      }
    } else if (error_ != 0) {
      finish(receives_, std::exchange(error_, 0));
    } else if (end_arrived_ || shut_ || broken_) {
      std::size_t length = 0;
      std::uint32_t flags = 0;
      // Kernels differ in whether the end of a stream uses up a buffer.
      if (operation.kernel.receive_buffer(operation, length, flags) == nullptr) {
        finish(receives_, -ENOBUFS);
      } else if (network_.random().below(2) == 0) {
        finish(receives_, 0, flags);
      } else {
        operation.kernel.recycle_buffer();
        finish(receives_, 0);
      }
    } else if (state_ == State::fresh && !datagram_) {
      finish(receives_, -ENOTCONN);
    } else {
      break;
    }
  }
  release_if_unused();
}

void SimSocket::send_piece(SimOperation& operation) {
  const auto* const from = reinterpret_cast<const char*>(operation.sqe.addr);
  const std::size_t rest = operation.sqe.len - operation.progress;
  std::size_t length = std::min(rest, path_.window - outstanding_);
  if (chance(network_.random(), network_.faults.split)) {
    length = 1 + network_.random().below(length);
  }
  std::string bytes(from + operation.progress, length);
  operation.progress += static_cast<std::uint32_t>(length);
  outstanding_ += length;
  if (chance(network_.random(), path_.reset)) {
    network_.cut(*this);
    return;
  }
  network_.carry(*this, std::move(bytes));
}

void SimSocket::pump_sends() {
  const SocketPointer keep = shared_from_this();
  while (!sends_.empty()) {
    SimOperation& operation = *sends_.front();
    const bool complete = operation.progress == operation.sqe.len;
    if (datagram_) {
      const auto* const from = reinterpret_cast<const char*>(operation.sqe.addr);
      network_.send_datagram(local, remote, std::string(from, operation.sqe.len));
      finish(sends_, error_ != 0 ? std::exchange(error_, 0) : static_cast<int>(operation.sqe.len));
    } else if (complete) {
      finish(sends_, static_cast<int>(operation.progress));
    } else if (state_ != State::connected || shut_ || broken_) {
      const int error = error_ != 0 ? std::exchange(error_, 0) : -EPIPE;
      finish(sends_, operation.progress > 0 ? static_cast<int>(operation.progress) : error);
    } else if (outstanding_ < path_.window) {
      operation.started = true;
      send_piece(operation);
    } else {
      break;
    }
  }
  release_if_unused();
}

// A moment later, so that buffers are read some time between submission and completion.
void SimSocket::requeue_pump() {
  if (pump_scheduled_) {
    return;
  }
  pump_scheduled_ = true;
  network_.clock().after(between(network_.random(), 0us, 20us), [self = shared_from_this()] {
    self->pump_scheduled_ = false;
    self->pump_sends();
  });
}

void SimSocket::pump_accepts() {
  const SocketPointer keep = shared_from_this();
  while (!accepts_.empty() && !backlog_.empty()) {
    const int fd = host_.add_descriptor({.socket = backlog_.front()});
    if (fd >= 0) {
      backlog_.front()->has_descriptor_ = true;
      backlog_.pop_front();
    }
    finish(accepts_, fd);
  }
  if (shut_) {
    while (!accepts_.empty()) {
      finish(accepts_, -EINVAL);
    }
  }
  release_if_unused();
}

int SimSocket::shut_down() {
  if (state_ == State::listening) {
    shut_ = true;
    pump_accepts();
    return 0;
  }
  if (state_ != State::connected) {
    return -ENOTCONN;
  }
  shut_ = true;
  send_end();
  pump_sends();
  pump_receives();
  return 0;
}

void SimSocket::descriptor_closed() {
  has_descriptor_ = false;
  release_if_unused();
}

void SimSocket::release_if_unused() {
  if (!has_descriptor_ && receives_.empty() && sends_.empty() && accepts_.empty() &&
      state_ != State::released && state_ != State::connecting) {
    release();
  }
}

void SimSocket::release() {
  const State before = std::exchange(state_, State::released);
  if (before == State::connected && !broken_) {
    // Data that nobody will read: the peer must learn that it was lost.
    if (inbox_read_ < inbox_.size()) {
      send_reset();
    } else {
      send_end();
    }
  }
  for (const SocketPointer& waiting : std::exchange(backlog_, {})) {
    waiting->send_reset();
    waiting->state_ = State::released;
  }
  network_.forget(*this);
}

void SimSocket::vanish() {
  dead_ = true;
  state_ = State::released;
  receives_.clear();
  sends_.clear();
  accepts_.clear();
  backlog_.clear();
  network_.forget(*this);
}

void SimSocket::bytes_arrive(std::string_view bytes) {
  if (state_ == State::released || shut_ || dead_) {
    send_reset();
    return;
  }
  inbox_ += bytes;
  pump_receives();
}

void SimSocket::end_arrives() {
  end_arrived_ = true;
  pump_receives();
}

void SimSocket::reset_arrives(int error) {
  if (broken_ || state_ == State::released) {
    return;
  }
  broken_ = true;
  error_ = error;
  inbox_.clear();
  inbox_read_ = 0;
  pump_receives();
  pump_sends();
}

void SimSocket::send_end() {
  if (!std::exchange(end_sent_, true)) {
    network_.carry_end(*this);
  }
}

void SimSocket::send_reset() {
  network_.carry_reset(*this);
}

}  // namespace ringpost::sim
