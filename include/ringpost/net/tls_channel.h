// One connection's TLS as a machine: ciphertext in, plaintext out, and back. Made by a TlsContext,
// driven by a Stream. Waits for nothing and never sees a socket: OpenSSL reads what it is given and
// writes into a string.
#pragma once

#include <openssl/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

// OpenSSL's types.h leaves these out.
using BIO_METHOD = struct bio_method_st;
using SSL_SESSION = struct ssl_session_st;

namespace ringpost::net {

class TlsSessions;

class TlsChannel {
 public:
  enum class Side : std::uint8_t { server, client };
  enum class State : std::uint8_t {
    handshake,
    open,
    ended,   // the peer has said that nothing more comes (close_notify)
    failed,  // problem() says why; nothing can be read or written any more
  };
  // What one record carries at most (RFC 8446 section 5.1).
  static constexpr std::size_t record_bytes = 16'384;

  TlsChannel(SSL_CTX* context, const BIO_METHOD* method, Side side);
  TlsChannel(const TlsChannel&) = delete;
  TlsChannel& operator=(const TlsChannel&) = delete;
  ~TlsChannel();

  // Appends what is to be sent first: a client's hello.
  void start(std::string& ciphertext_out);
  // Takes all of `ciphertext`; appends the plaintext in it, and what is to be sent in turn.
  void receive(std::string_view ciphertext, std::string& plaintext, std::string& ciphertext_out);
  // At most record_bytes, while open.
  void send(std::string_view plaintext, std::string& ciphertext_out);
  // Says that nothing more will be sent.
  void finish(std::string& ciphertext_out);

  [[nodiscard]] State state() const { return state_; }
  // In OpenSSL's words, "certificate has expired".
  [[nodiscard]] const std::string& problem() const { return problem_; }
  // The peer's certificate was not good enough.
  [[nodiscard]] bool distrusted() const { return distrusted_; }
  [[nodiscard]] std::string_view version() const;  // "TLSv1.3"
  [[nodiscard]] bool resumed() const;

 private:
  friend class TlsContext;
  struct Free {
    void operator()(SSL* ssl) const;
  };

  static int read(BIO* bio, char* into, std::size_t length, std::size_t* done);
  static int write(BIO* bio, const char* from, std::size_t length, std::size_t* done);
  static long control(BIO* bio, int command, long number, void* pointer);
  static int keep_session(SSL* ssl, SSL_SESSION* session);

  void shake_hands();
  void read_records(std::string& plaintext);
  // What became of an operation of OpenSSL that did not succeed.
  void judge(int result);
  void fail();

  std::unique_ptr<SSL, Free> ssl_;
  State state_ = State::handshake;
  bool distrusted_ = false;
  std::string_view incoming_;        // while receive() runs
  std::string* outgoing_ = nullptr;  // while any of the calls runs
  TlsSessions* sessions_ = nullptr;  // of a client
  std::string session_key_;
  std::string problem_;
};

}  // namespace ringpost::net
