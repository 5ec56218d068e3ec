// A stream's TLS: carries ciphertext between the ring and the channel.
#include <cerrno>

#include "ringpost/base/check.h"
#include "ringpost/net/stream.h"

namespace ringpost::net {
namespace {

Failure handshake_failure(const TlsChannel& channel, int result) {
  if (channel.state() == TlsChannel::State::failed) {
    return fail(channel.problem());
  }
  if (result == 0) {
    return fail("the peer closed the connection");
  }
  return result == -ETIMEDOUT ? fail("timed out") : fail_errno(result, "the connection broke");
}

}  // namespace

ring::Task<Result<>> Stream::start_tls(std::unique_ptr<TlsChannel> channel, Instant deadline) {
  check(tls_ == nullptr && !armed_, "TLS starts once, and with nothing left in plain text");
  // The peer has spoken last, so what is still under way in plain text is our own go-ahead.
  const bool sent = co_await sent_down_to(0, deadline);
  if (!sent) {
    co_return fail("the connection broke");
  }
  tls_ = std::move(channel);
  std::string out;
  tls_->start(out);
  int result = 1;
  while (true) {
    if (!out.empty()) {
      ciphertext_queued_ += out.size();
      queued_ += std::exchange(out, {});
      if (!sending_) {
        send_next();
      }
    }
    if (tls_->state() != TlsChannel::State::handshake) {
      break;
    }
    armed_.emplace(reactor_.receive(fd_, deadline));
    ring::Received raw = co_await ring::ReceiveWait(*armed_);
    armed_.reset();
    result = raw.result();
    if (result <= 0) {
      break;
    }
    tls_->receive(raw.bytes(), leftovers_, out);
  }
  if (tls_->state() == TlsChannel::State::open || tls_->state() == TlsChannel::State::ended) {
    co_return Result<>();
  }
  // The alert tells the peer what we could not agree on.
  const Failure failure = handshake_failure(*tls_, result);
  if (tls_->state() == TlsChannel::State::failed) {
    co_await sent_down_to(0, deadline);
  }
  co_return failure;
}

Received Stream::decrypt(ring::Received raw) {
  std::string plaintext;
  std::string out;
  tls_->receive(raw.bytes(), plaintext, out);
  const int result = raw.result();
  if (!out.empty()) {
    ciphertext_queued_ += out.size();
    queued_ += out;
    if (!sending_) {
      send_next();
    }
  }
  if (plaintext.empty() && tls_->state() != TlsChannel::State::open) {
    return take_leftovers();
  }
  return Received(result, std::move(plaintext));
}

// Once the peer has ended TLS, or broken it, the socket is not asked any more.
bool Stream::has_leftovers() const {
  return tls_ != nullptr && (!leftovers_.empty() || tls_->state() == TlsChannel::State::ended ||
                             tls_->state() == TlsChannel::State::failed);
}

Received Stream::take_leftovers() {
  if (!leftovers_.empty()) {
    const auto length = static_cast<int>(leftovers_.size());
    return Received(length, std::exchange(leftovers_, {}));
  }
  return Received(tls_->state() == TlsChannel::State::failed ? -EPROTO : 0);
}

void Stream::encrypt(std::string_view bytes) {
  while (!bytes.empty() && error_ == 0) {
    const std::string_view piece = bytes.substr(0, TlsChannel::record_bytes);
    bytes.remove_prefix(piece.size());
    const std::size_t before = queued_.size();
    tls_->send(piece, queued_);
    if (queued_.size() == before) {
      error_ = -EPROTO;
      break;
    }
    ciphertext_queued_ += queued_.size() - before;
    records_.push_back({ciphertext_queued_, written_ - bytes.size()});
  }
}

void Stream::count_records(std::uint64_t ciphertext_sent) {
  ciphertext_sent_ += ciphertext_sent;
  auto whole = records_.begin();
  while (whole != records_.end() && whole->ciphertext <= ciphertext_sent_) {
    sent_ = whole->plaintext;
    ++whole;
  }
  records_.erase(records_.begin(), whole);
}

void Stream::finish() {
  if (tls_ == nullptr || error_ != 0) {
    return;
  }
  const std::size_t before = queued_.size();
  tls_->finish(queued_);
  ciphertext_queued_ += queued_.size() - before;
  if (!sending_) {
    send_next();
  }
}

}  // namespace ringpost::net
