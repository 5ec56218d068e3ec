// One TCP connection, in plain text or, after start_tls(), under TLS: whoever uses it cannot tell.
// Owns its descriptor, receives into pool buffers, sends in the background so that reading never
// waits for writing. Whoever owns it must close() it before it dies.
#pragma once

#include <coroutine>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ringpost/base/result.h"
#include "ringpost/base/time.h"
#include "ringpost/net/tls_channel.h"
#include "ringpost/ring/reactor.h"

namespace ringpost::net {

// What arrived. `result` is positive, 0 at the end of the stream, or a negative errno. Under TLS a
// positive result may come without bytes: a record that has only begun.
class [[nodiscard]] Received {
 public:
  explicit Received(int result) : raw_(result) {}
  explicit Received(ring::Received raw) : raw_(std::move(raw)) {}
  Received(int result, std::string plaintext) : raw_(result), plaintext_(std::move(plaintext)) {}

  [[nodiscard]] int result() const { return raw_.result(); }
  [[nodiscard]] std::string_view bytes() const {
    return plaintext_.empty() ? raw_.bytes() : std::string_view(plaintext_);
  }
  // Gives the buffer back before this dies.
  void release() {
    raw_.release();
    plaintext_.clear();
  }

 private:
  ring::Received raw_;
  std::string plaintext_;
};

class Stream final : private ring::Completion {
 public:
  // Takes over a connected descriptor.
  Stream(ring::Reactor& reactor, int fd) : reactor_(reactor), fd_(fd) {}
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream();

  class [[nodiscard]] Receive {
   public:
    explicit Receive(Stream& stream) : stream_(stream) {}
    [[nodiscard]] bool await_ready() const noexcept {
      return !stream_.armed_ || stream_.armed_->await_ready();
    }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> caller) noexcept {
      stream_.armed_->await_suspend(caller);
    }
    Received await_resume() { return stream_.take(); }

   private:
    Stream& stream_;
  };

  // `Received r = co_await stream.receive(deadline);` goes on with the armed receive, if any. At
  // most one waits at a time.
  Receive receive(Instant deadline = never) {
    arm(deadline);
    return Receive(*this);
  }
  // Arms a receive that nobody waits for: what comes is kept, and disturbed() tells that it came.
  void watch() { arm(never); }
  [[nodiscard]] bool disturbed() const { return armed_ ? armed_->await_ready() : has_leftovers(); }
  // Who waits in receive() gets -ECANCELED.
  void cancel_receive();

  // Speaks TLS from now on; returns when both sides have agreed. What was written before still
  // leaves in plain text; nothing may have been received and not looked at. Afterwards, in case of
  // an error, the stream can only be closed.
  ring::Task<Result<>> start_tls(std::unique_ptr<TlsChannel> channel, Instant deadline);
  // Null in plain text.
  [[nodiscard]] const TlsChannel* tls() const { return tls_.get(); }

  // Queues bytes behind those not yet sent and returns at once. After an error they are dropped:
  // the reading side learns of it, as does error().
  void write(std::string bytes);
  [[nodiscard]] std::uint64_t bytes_written() const { return written_; }  // given to write()
  // Taken over by the kernel; the peer may still not have them. Under TLS: those in whole records.
  [[nodiscard]] std::uint64_t bytes_sent() const { return sent_; }
  // What waits or is under way, as it goes over the network.
  [[nodiscard]] std::uint64_t bytes_unsent() const { return queued_.size() + sending_length_; }
  [[nodiscard]] int error() const { return error_; }  // 0 or a negative errno

  // Waits until at most `most` bytes are unsent, an error came, or `deadline`; true in the first
  // case.
  ring::Task<bool> sent_down_to(std::uint64_t most, Instant deadline);

  // Nothing more will be written: says so, where TLS lets it.
  void finish();
  // Ends both directions at once: a pending receive returns, unsent bytes are lost.
  void abort();
  // Closes the descriptor once no send and no receive is in flight.
  ring::Task<void> close();

 private:
  struct Record {  // where one ends, counted from the beginning
    std::uint64_t ciphertext;
    std::uint64_t plaintext;
  };

  void arm(Instant deadline);
  Received take();
  Received decrypt(ring::Received raw);
  Received take_leftovers();
  [[nodiscard]] bool has_leftovers() const;
  void encrypt(std::string_view bytes);
  void count_records(std::uint64_t ciphertext_sent);
  void completed(int result) override;
  void send_next();

  ring::Reactor& reactor_;
  int fd_;
  int error_ = 0;
  bool sending_ = false;
  std::optional<ring::ReceiveOperation> armed_;
  std::string queued_;
  std::size_t sending_length_ = 0;
  std::uint64_t written_ = 0;
  std::uint64_t sent_ = 0;
  ring::Event progress_;

  std::unique_ptr<TlsChannel> tls_;
  std::string leftovers_;  // plaintext that came with the end of the handshake
  std::vector<Record> records_;
  std::uint64_t ciphertext_queued_ = 0;
  std::uint64_t ciphertext_sent_ = 0;
};

}  // namespace ringpost::net
