#include "ringpost/net/tls_sessions.h"

#include <openssl/ssl.h>

#include <utility>

namespace ringpost::net {

void TlsSessions::Free::operator()(SSL_SESSION* session) const {
  SSL_SESSION_free(session);
}

void TlsSessions::put(const std::string& key, Session session) {
  if (most_ == 0) {
    return;
  }
  auto known = by_key_.find(key);
  if (known == by_key_.end()) {
    by_use_.push_front(Kept{key, {}});
    known = by_key_.emplace(key, by_use_.begin()).first;
  } else {
    by_use_.splice(by_use_.begin(), by_use_, known->second);
  }
  std::deque<Session>& kept = known->second->sessions;
  if (kept.size() == most_for_a_key) {
    kept.pop_front();
    --size_;
  }
  kept.push_back(std::move(session));
  ++size_;
  if (size_ > most_) {
    forget_oldest();
  }
}

void TlsSessions::forget_oldest() {
  Kept& oldest = by_use_.back();
  oldest.sessions.pop_front();
  --size_;
  if (oldest.sessions.empty()) {
    by_key_.erase(oldest.key);
    by_use_.pop_back();
  }
}

TlsSessions::Session TlsSessions::take(const std::string& key) {
  const auto known = by_key_.find(key);
  if (known == by_key_.end()) {
    return nullptr;
  }
  const auto entry = known->second;
  by_use_.splice(by_use_.begin(), by_use_, entry);
  std::deque<Session>& kept = entry->sessions;
  Session taken;
  while (!kept.empty() && taken == nullptr) {
    Session& newest = kept.back();
    if (SSL_SESSION_is_resumable(newest.get()) != 0 &&
        SSL_SESSION_get_protocol_version(newest.get()) != TLS1_3_VERSION) {
      SSL_SESSION_up_ref(newest.get());
      return Session(newest.get());
    }
    if (SSL_SESSION_is_resumable(newest.get()) != 0) {
      taken = std::move(newest);
    }
    kept.pop_back();
    --size_;
  }
  if (kept.empty()) {
    by_key_.erase(known);
    by_use_.erase(entry);
  }
  return taken;
}

}  // namespace ringpost::net
