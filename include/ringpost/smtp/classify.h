// What a refusal means: whom it concerns and what follows. Called by the delivery room for every
// reply that decides something, and for a stage that ended without one. Never reads the reply's
// words: only code, enhanced status and stage count.
#pragma once

#include <cstdint>

#include "ringpost/mail/enhanced_status.h"
#include "ringpost/smtp/reply.h"
#include "ringpost/smtp/stage.h"

namespace ringpost::smtp {

// Whom it concerns. `domain` and `destination` come from DNS and from all addresses having failed;
// a single reply never speaks for so many.
enum class Scope : std::uint8_t { recipient, domain, lane, address, destination };

enum class Action : std::uint8_t {
  proceed,       // not a refusal
  say_helo,      // EHLO is not understood: HELO on the same connection
  defer,         // temporary, on schedule
  bounce,        // permanent
  go_on,         // send the rest soon, no attempt counted
  next_address,  // this address is down for now: the next one, or the next MX host
};

struct Classification {
  Scope scope = Scope::recipient;
  Action action = Action::defer;
  // Class 4 for what is temporary to us (even where the server said 5yz), 5 for a bounce, 2 else.
  mail::EnhancedStatus status;

  bool operator==(const Classification&) const = default;
};

// The reply that ended `stage`. At the greeting and at EHLO no refusal is permanent: such a host
// may be misconfigured today (a 5yz greeting is never remembered as permanent). Replies to MAIL,
// RCPT, DATA and the content never concern the address, except 421, which always does.
[[nodiscard]] Classification classify(Stage stage, const Reply& reply);

// `stage` ended without a reply: refused, lost, timed out, or no SMTP was spoken. Temporary.
[[nodiscard]] Classification classify_silence(Stage stage);

// The reply's own enhanced status, else the one that RFC 3463 and RFC 5248 suggest for its code.
// The class always is the first digit of the code, 2, 4 or 5.
[[nodiscard]] mail::EnhancedStatus status_of(Stage stage, const Reply& reply);

}  // namespace ringpost::smtp
