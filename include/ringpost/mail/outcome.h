// What became of one recipient in one delivery attempt.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ringpost/mail/enhanced_status.h"
#include "ringpost/mail/report_request.h"

namespace ringpost::mail {

// Stored by number in the spool: new ones go to the end.
enum class OutcomeKind : std::uint8_t {
  delivered,
  deferred,
  bounced,
  expired,
  deleted,     // by the operator; nobody is told
  suppressed,  // the address is on the suppression list; nobody is told
};

[[nodiscard]] std::string_view name_of(OutcomeKind kind);

// `reply` is what the remote server said, code first ("550 5.1.1 No such user"), or our own words
// when no server spoke; one line, at most 512 bytes, without control characters.
struct Outcome {
  OutcomeKind kind = OutcomeKind::deferred;
  EnhancedStatus status;
  std::string reply;
  std::string mx;         // the host that replied, empty if none
  std::string address;    // its address and port, empty if none
  bool in_doubt = false;  // the terminator was completely sent and no reply came (RFC 1047)
  // Delivered to a server without DSN, and the sender wants to know: a report says so (RFC 3461
  // section 5.2.2).
  bool relayed = false;
};

// Whether its sender, if it has one, is told in a report. `request` is what it asked for, or null.
[[nodiscard]] bool is_reported(const Outcome& outcome, const RecipientRequest* request);

}  // namespace ringpost::mail
