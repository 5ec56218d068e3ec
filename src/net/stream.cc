#include "ringpost/net/stream.h"

#include <cerrno>
#include <utility>

#include "ringpost/base/check.h"

namespace ringpost::net {

Stream::~Stream() {
  check(fd_ < 0 || reactor_.ready().abandoned(), "a stream died before it was closed");
}

void Stream::arm(Instant deadline) {
  if (armed_) {
    armed_->set_deadline(deadline);
  } else if (!has_leftovers()) {
    armed_.emplace(reactor_.receive(fd_, deadline));
  }
}

Received Stream::take() {
  if (!armed_) {
    return take_leftovers();
  }
  ring::Received raw = armed_->await_resume();
  armed_.reset();
  if (tls_ != nullptr && raw.result() > 0) {
    return decrypt(std::move(raw));
  }
  return Received(std::move(raw));
}

void Stream::cancel_receive() {
  if (armed_) {
    armed_->cancel();
  }
}

void Stream::write(std::string bytes) {
  written_ += bytes.size();
  if (tls_ != nullptr) {
    encrypt(bytes);
  } else if (queued_.empty()) {
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
  const std::size_t length = std::exchange(sending_length_, 0);
  if (result > 0 && tls_ != nullptr) {
    count_records(static_cast<std::uint64_t>(result));
  } else if (result > 0) {
    sent_ += static_cast<std::uint64_t>(result);
  }
  if (result != static_cast<int>(length)) {
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
  if (sending_ || armed_) {
    abort();
  }
  while (sending_) {
    co_await progress_.wait();
  }
  if (armed_) {
    const ring::Received last = co_await ring::ReceiveWait(*armed_);
    armed_.reset();
  }
  reactor_.kernel().close(std::exchange(fd_, -1));
}

}  // namespace ringpost::net
