// One TCP connection: owns its descriptor, receives into pool buffers, sends in the background so
// that reading never waits for writing. Whoever owns it must close() it before it dies.
#pragma once

#include <cstdint>
#include <string>

#include "ringpost/base/time.h"
#include "ringpost/ring/reactor.h"

namespace ringpost::net {

class Stream final : private ring::Completion {
 public:
  // Takes over a connected descriptor.
  Stream(ring::Reactor& reactor, int fd) : reactor_(reactor), fd_(fd) {}
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream();

  // At most one at a time.
  ring::ReceiveOperation receive(Instant deadline = never) {
    return reactor_.receive(fd_, deadline);
  }

  // Queues bytes behind those not yet sent and returns at once. After an error they are dropped:
  // the reading side learns of it, as does error().
  void write(std::string bytes);
  [[nodiscard]] std::uint64_t bytes_written() const { return written_; }  // given to write()
  // Taken over by the kernel; the peer may still not have them.
  [[nodiscard]] std::uint64_t bytes_sent() const { return sent_; }
  [[nodiscard]] std::uint64_t bytes_unsent() const { return written_ - sent_; }
  [[nodiscard]] int error() const { return error_; }  // 0 or a negative errno

  // Waits until at most `most` bytes are unsent, an error came, or `deadline`; true in the first
  // case.
  ring::Task<bool> sent_down_to(std::uint64_t most, Instant deadline);

  // Ends both directions at once: a pending receive returns, unsent bytes are lost.
  void abort();
  // Closes the descriptor once no send is in flight. No receive may be pending.
  ring::Task<void> close();

 private:
  void completed(int result) override;
  void send_next();

  ring::Reactor& reactor_;
  int fd_;
  int error_ = 0;
  bool sending_ = false;
  std::string queued_;
  std::size_t sending_length_ = 0;
  std::uint64_t written_ = 0;
  std::uint64_t sent_ = 0;
  ring::Event progress_;
};

}  // namespace ringpost::net
