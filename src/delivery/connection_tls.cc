// A connection's STARTTLS (RFC 3207).
#include <fmt/format.h>

#include <cerrno>

#include "ringpost/delivery/connection.h"

namespace ringpost::delivery {
namespace {

// RFC 3463: 4.7.4 security features not supported, 4.7.5 cryptographic failure.
constexpr mail::EnhancedStatus not_supported{4, 7, 4};
constexpr mail::EnhancedStatus cryptographic_failure{4, 7, 5};

}  // namespace

std::string_view Connection::tls_version() const {
  return stream_.tls() == nullptr ? std::string_view() : stream_.tls()->version();
}

std::string Connection::describe(int result) const {
  if (result == -EPROTO && stream_.tls() != nullptr) {
    return fmt::format("TLS broke ({})", stream_.tls()->problem());
  }
  return describe_network_error(result);
}

ring::Task<bool> Connection::secure(const std::string& hostname, const config::Timeouts& timeouts,
                                    const TlsWish& wish, Trouble& trouble) {
  const bool demanded = wish.policy != config::TlsPolicy::may;
  const std::string_view policy = config::name_of(wish.policy);
  if (!capabilities_.starttls || wish.context == nullptr) {
    trouble = {smtp::Stage::starttls, not_supported,
               fmt::format("STARTTLS is not offered, but the TLS policy is '{}'", policy)};
    co_return !demanded;
  }
  const Instant deadline = reactor_.now() + timeouts.starttls;
  say("STARTTLS\r\n");
  Answer answer = co_await read_reply(smtp::Stage::starttls, deadline, trouble);
  if (answer == Answer::refused) {
    trouble.text = fmt::format("STARTTLS was refused: {}", trouble.text);
    co_return !demanded;
  }
  if (answer != Answer::positive) {
    // Plain text behind the 220 is no failure of TLS: somebody means us to take it for what comes
    // under TLS (CVE-2021-38371).
    trouble.tls_failed = answer == Answer::silence;
    trouble.status = cryptographic_failure;
    co_return false;
  }
  net::TlsPeer peer;
  peer.host = peer_.mx;
  peer.verify = wish.policy == config::TlsPolicy::verify;
  peer.resumption = wish.resumption;
  const Result<> shaken = co_await stream_.start_tls(wish.context->connect(peer), deadline);
  if (!shaken) {
    const bool distrusted = stream_.tls() != nullptr && stream_.tls()->distrusted();
    trouble = {smtp::Stage::starttls, cryptographic_failure,
               distrusted ? fmt::format("the certificate is not good for {}: {}", peer_.mx,
                                        shaken.error().describe())
                          : fmt::format("TLS handshake failed: {}", shaken.error().describe()),
               true};
    tell(TraceKind::event, trouble.text);
    co_return false;
  }
  if (followed()) {
    tell(TraceKind::event, fmt::format("{} from here on", tls_version()));
  }
  answer = co_await say_hello(hostname, timeouts, trouble);
  if (answer == Answer::silence) {
    // With TLS 1.3 a server that wants no TLS with us after all says so only now.
    trouble.stage = smtp::Stage::starttls;
    trouble.status = cryptographic_failure;
    trouble.tls_failed = true;
  }
  co_return answer == Answer::positive;
}

}  // namespace ringpost::delivery
