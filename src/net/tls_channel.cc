#include "ringpost/net/tls_channel.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "ringpost/base/check.h"
#include "ringpost/net/tls_sessions.h"

namespace ringpost::net {

void TlsChannel::Free::operator()(SSL* ssl) const {
  SSL_free(ssl);
}

TlsChannel::TlsChannel(SSL_CTX* context, const BIO_METHOD* method, Side side)
    : ssl_(SSL_new(context)) {
  BIO* const bio = BIO_new(method);
  check(ssl_ != nullptr && bio != nullptr, "OpenSSL has no memory");
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_app_data(ssl_.get(), this);
  side == Side::server ? SSL_set_accept_state(ssl_.get()) : SSL_set_connect_state(ssl_.get());
}

TlsChannel::~TlsChannel() {
  if (state_ == State::open || state_ == State::ended) {
    // SMTP knows by itself where it ends; without this OpenSSL would spoil the kept session.
    SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }
}

int TlsChannel::read(BIO* bio, char* into, std::size_t length, std::size_t* done) {
  TlsChannel& channel = *static_cast<TlsChannel*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  *done = std::min(length, channel.incoming_.size());
  if (*done == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  std::memcpy(into, channel.incoming_.data(), *done);
  channel.incoming_.remove_prefix(*done);
  return 1;
}

int TlsChannel::write(BIO* bio, const char* from, std::size_t length, std::size_t* done) {
  TlsChannel& channel = *static_cast<TlsChannel*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  *done = length;
  if (channel.outgoing_ != nullptr) {
    channel.outgoing_->append(from, length);
  }
  return 1;
}

long TlsChannel::control(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

int TlsChannel::keep_session(SSL* ssl, SSL_SESSION* session) {
  const TlsChannel& channel = *static_cast<TlsChannel*>(SSL_get_app_data(ssl));
  if (channel.sessions_ == nullptr) {
    return 0;
  }
  channel.sessions_->put(channel.session_key_, TlsSessions::Session(session));
  return 1;  // it is ours now
}

void TlsChannel::start(std::string& ciphertext_out) {
  outgoing_ = &ciphertext_out;
  shake_hands();
  outgoing_ = nullptr;
}

void TlsChannel::receive(std::string_view ciphertext, std::string& plaintext,
                         std::string& ciphertext_out) {
  incoming_ = ciphertext;
  outgoing_ = &ciphertext_out;
  if (state_ == State::handshake) {
    shake_hands();
  }
  if (state_ == State::open) {
    read_records(plaintext);
  }
  incoming_ = {};
  outgoing_ = nullptr;
}

void TlsChannel::send(std::string_view plaintext, std::string& ciphertext_out) {
  // After the peer's close_notify it may still be written to (RFC 8446 section 6.1).
  if ((state_ != State::open && state_ != State::ended) || plaintext.empty()) {
    return;
  }
  outgoing_ = &ciphertext_out;
  ERR_clear_error();
  const int result = SSL_write(ssl_.get(), plaintext.data(), static_cast<int>(plaintext.size()));
  if (result <= 0) {
    judge(result);
  }
  outgoing_ = nullptr;
}

void TlsChannel::finish(std::string& ciphertext_out) {
  if (state_ != State::open && state_ != State::ended) {
    return;
  }
  outgoing_ = &ciphertext_out;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
  outgoing_ = nullptr;
}

void TlsChannel::shake_hands() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    state_ = State::open;
  } else {
    judge(result);
  }
}

void TlsChannel::read_records(std::string& plaintext) {
  std::array<char, record_bytes> record;
  while (true) {
    ERR_clear_error();
    const int result = SSL_read(ssl_.get(), record.data(), static_cast<int>(record.size()));
    if (result <= 0) {
      judge(result);
      return;
    }
    plaintext.append(record.data(), static_cast<std::size_t>(result));
  }
}

void TlsChannel::judge(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return;
    case SSL_ERROR_ZERO_RETURN:
      state_ = State::ended;
      return;
    default:
      fail();
  }
}

void TlsChannel::fail() {
  state_ = State::failed;
  const long trust = SSL_get_verify_result(ssl_.get());
  distrusted_ = trust != X509_V_OK && SSL_get_verify_mode(ssl_.get()) != SSL_VERIFY_NONE;
  // The first error is the cause, the others follow from it.
  const unsigned long code = ERR_peek_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  if (distrusted_) {
    reason = X509_verify_cert_error_string(trust);
  }
  problem_ = reason != nullptr ? reason : "protocol error";
  ERR_clear_error();
}

std::string_view TlsChannel::version() const {
  return SSL_get_version(ssl_.get());
}

bool TlsChannel::resumed() const {
  return SSL_session_reused(ssl_.get()) != 0;
}

}  // namespace ringpost::net
