// From verdicts to fates: what a transaction's result, an obstacle, or a failed look-up means for a
// recipient. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ringpost/delivery/ledger.h"
#include "ringpost/smtp/transaction_result.h"

namespace ringpost::delivery {

// `served`: the connection had carried other messages before. Then a 421 means that it was enough
// for this connection, and costs no attempt; but not after the content, which it may be about.
[[nodiscard]] Ledger::Fate fate_of_verdict(const smtp::TransactionResult& result,
                                           const smtp::RecipientVerdict& verdict,
                                           std::string_view trouble, bool served);

// The entry's message went to a server that does not do DSN: of those that were delivered, the
// sender is told so where it asked for it (RFC 3461 section 5.2.2).
void mark_relayed(const queue::Entry& entry, std::vector<Ledger::Fate>& fates);

// The same outcome for every recipient of the entry; deferred ones are retried on schedule.
[[nodiscard]] std::vector<Ledger::Fate> fates_for_all(const queue::Entry& entry,
                                                      const mail::Outcome& outcome);

// Outcomes in our own words.
[[nodiscard]] mail::Outcome obstacle_outcome(mail::EnhancedStatus status, std::string_view mx);
[[nodiscard]] mail::Outcome unreadable_content();
[[nodiscard]] mail::Outcome expired_outcome(const queue::Entry& entry);
[[nodiscard]] mail::Outcome failed_outcome(mail::OutcomeKind kind, mail::EnhancedStatus status,
                                           std::string_view text);

}  // namespace ringpost::delivery
