// What TLS needs before the first connection: an OpenSSL context with certificate and key (server)
// or trust store and resumable sessions (client), and the BIO through which OpenSSL is fed. Made at
// start, one a shard and side; outlives every channel made from it. Opens no socket and, once it is
// made, no file that was named in the configuration.
#pragma once

#include <openssl/types.h>

#include <memory>
#include <string>
#include <string_view>

#include "ringpost/base/result.h"
#include "ringpost/net/tls_channel.h"
#include "ringpost/net/tls_sessions.h"

namespace ringpost::net {

struct ClientTlsSettings {
  bool verifies = false;  // some peer will have to be verified: load the trust store
  std::string ca_file;    // PEM; empty = the system's
  std::size_t most_sessions = 2000;
};

// The server at the other end, as a client knows it.
struct TlsPeer {
  std::string host;  // a name, or an address; for SNI and verification
  bool verify = false;
  // Sessions are resumed only where this, the host and `verify` are the same.
  std::string resumption = {};
};

class TlsContext {
 public:
  // PEM texts: the certificate, those that lead to its root behind it; the key.
  static Result<std::unique_ptr<TlsContext>> server(std::string_view certificate,
                                                    std::string_view key);
  static Result<std::unique_ptr<TlsContext>> client(const ClientTlsSettings& settings);
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ~TlsContext();

  // Why a PEM text cannot serve. server() finds out the same and whether they fit each other.
  static Result<> check_certificate(std::string_view certificate);
  static Result<> check_key(std::string_view key);

  // Clients of one may resume with the other: shards share a port.
  Result<> share_tickets_of(const TlsContext& other);

  [[nodiscard]] std::unique_ptr<TlsChannel> accept();
  [[nodiscard]] std::unique_ptr<TlsChannel> connect(const TlsPeer& peer);
  [[nodiscard]] const TlsSessions& sessions() const { return sessions_; }

 private:
  struct Free {
    void operator()(SSL_CTX* context) const;
    void operator()(BIO_METHOD* method) const;
  };

  explicit TlsContext(std::size_t most_sessions) : sessions_(most_sessions) {}
  Result<> prepare(TlsChannel::Side side);
  Result<> load_trust(const std::string& ca_file);
  [[nodiscard]] std::unique_ptr<TlsChannel> channel(TlsChannel::Side side);

  std::unique_ptr<BIO_METHOD, Free> method_;
  std::unique_ptr<SSL_CTX, Free> context_;
  TlsSessions sessions_;
};

}  // namespace ringpost::net
