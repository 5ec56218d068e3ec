// The sessions that a client may resume: a few for each key, which names whatever makes two servers
// the same. Bounded; the key that was used longest ago is forgotten first. Owned by a TlsContext.
#pragma once

#include <cstddef>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <string>

using SSL_SESSION = struct ssl_session_st;  // OpenSSL's

namespace ringpost::net {

class TlsSessions {
 public:
  struct Free {
    void operator()(SSL_SESSION* session) const;
  };
  using Session = std::unique_ptr<SSL_SESSION, Free>;

  // Servers give two tickets a handshake, and several connections may open at once.
  static constexpr std::size_t most_for_a_key = 8;

  explicit TlsSessions(std::size_t most) : most_(most) {}

  void put(const std::string& key, Session session);
  // The newest one, or null. Tickets of TLS 1.3 are used once (RFC 8446 appendix C.4): it is gone
  // then. Those of TLS 1.2 stay.
  [[nodiscard]] Session take(const std::string& key);
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  struct Kept {
    std::string key;
    std::deque<Session> sessions;
  };

  void forget_oldest();

  std::size_t most_;
  std::size_t size_ = 0;
  std::list<Kept> by_use_;  // used last first
  std::map<std::string, std::list<Kept>::iterator> by_key_;
};

}  // namespace ringpost::net
