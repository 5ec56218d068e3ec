#include "ringpost/mail/outcome.h"

namespace ringpost::mail {

std::string_view name_of(OutcomeKind kind) {
  switch (kind) {
    case OutcomeKind::delivered:
      return "delivered";
    case OutcomeKind::deferred:
      return "deferred";
    case OutcomeKind::bounced:
      return "bounced";
    case OutcomeKind::expired:
      return "expired";
    case OutcomeKind::deleted:
      return "deleted";
    case OutcomeKind::suppressed:
      return "suppressed";
  }
  return "unknown";
}

bool is_reported(const Outcome& outcome, const RecipientRequest* request) {
  switch (outcome.kind) {
    case OutcomeKind::bounced:
    case OutcomeKind::expired:
      return wants_failure(request);
    case OutcomeKind::delivered:
      return outcome.relayed;
    default:
      return false;
  }
}

}  // namespace ringpost::mail
