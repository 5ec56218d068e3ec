#include "ringpost/net/stream.h"

#include <cerrno>
#include <utility>

#include "ringpost/base/check.h"

namespace ringpost::net {

Stream::~Stream() {
  check(fd_ < 0 || reactor_.ready().abandoned(), "a stream died before it was closed");
}

void Stream::write(std::string bytes) {
  written_ += bytes.size();
  if (queued_.empty()) {
    queued_ = std::move(bytes);
  } else {
    queued_ += bytes;
  }
  if (!sending_) {
    send_next();
  }
}

void Stream::send_next() {
  if (error_ != 0 || queued_.empty()) {
    return;
  }
  sending_ = true;
  sending_length_ = queued_.size();
  reactor_.send(fd_, std::exchange(queued_, {}), *this);
}

void Stream::completed(int result) {
  sending_ = false;
  if (result > 0) {
    sent_ += static_cast<std::uint64_t>(result);
  }
  if (result != static_cast<int>(sending_length_)) {
    // MSG_WAITALL makes a short send an error whose errno the next call would have told.
    if (error_ == 0) {
      error_ = result < 0 ? result : -EPIPE;
    }
    queued_.clear();
  }
  send_next();
  progress_.notify_all();
}

ring::Task<bool> Stream::sent_down_to(std::uint64_t most, Instant deadline) {
  while (error_ == 0 && bytes_unsent() > most) {
    const bool notified = co_await progress_.wait_until(reactor_.timers(), deadline);
    if (!notified) {
      co_return false;
    }
  }
  co_return error_ == 0;
}

void Stream::abort() {
  if (error_ == 0) {
    error_ = -ECONNABORTED;
  }
  queued_.clear();
  reactor_.kernel().shutdown(fd_);
}

ring::Task<void> Stream::close() {
  if (sending_) {
    abort();
  }
  while (sending_) {
    co_await progress_.wait();
  }
  reactor_.kernel().close(std::exchange(fd_, -1));
}

}  // namespace ringpost::net
