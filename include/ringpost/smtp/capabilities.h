// What a server offered in its EHLO reply. Filled once a connection (twice with TLS) and asked for
// every transaction. Never trusts a keyword it does not know.
#pragma once

#include <cstdint>
#include <optional>

#include "ringpost/mail/enhanced_status.h"
#include "ringpost/smtp/reply.h"

namespace ringpost::smtp {

struct Capabilities {
  bool pipelining = false;         // RFC 2920
  bool chunking = false;           // RFC 3030
  bool eight_bit_mime = false;     // RFC 6152
  bool starttls = false;           // RFC 3207
  bool smtputf8 = false;           // RFC 6531
  bool enhanced_statuses = false;  // RFC 2034
  bool dsn = false;                // RFC 3461
  // RFC 1870: absent = no SIZE, so no parameter may be sent; 0 = no fixed maximum.
  std::optional<std::uint64_t> size;
  // RFC 9422 (LIMITS); absent = no limit announced. Never 0.
  std::optional<std::uint64_t> mail_max;         // transactions a connection
  std::optional<std::uint64_t> rcpt_max;         // recipients a transaction
  std::optional<std::uint64_t> rcpt_domain_max;  // domains of recipients a transaction
};

// From a positive reply to EHLO. A HELO reply offers nothing: use a default Capabilities.
[[nodiscard]] Capabilities parse_capabilities(const Reply& ehlo);

// Why a message cannot go to this server at all, if so: 5.6.3 eight-bit content without 8BITMIME
// (it is never re-encoded), 5.6.7 SMTPUTF8 without its being offered (RFC 6531 section 3.5: what
// its sender says to need it is not looked through for whether it does), 5.3.4 larger than the SIZE
// announced.
struct Needs {
  std::uint64_t content_bytes = 0;
  bool eight_bit = false;
  bool utf8 = false;
};
[[nodiscard]] std::optional<mail::EnhancedStatus> find_obstacle(const Capabilities& capabilities,
                                                                const Needs& message);

}  // namespace ringpost::smtp
