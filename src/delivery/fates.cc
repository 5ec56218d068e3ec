#include "ringpost/delivery/fates.h"

#include <fmt/format.h>

#include "ringpost/smtp/classify.h"

namespace ringpost::delivery {
namespace {

using smtp::Verdict;

Ledger::Fate again() {
  return {};
}

Ledger::Fate retry(Ledger::Fate::Kind kind, mail::EnhancedStatus status, std::string_view text) {
  Ledger::Fate fate;
  fate.kind = kind;
  fate.outcome = failed_outcome(mail::OutcomeKind::deferred, status, text);
  return fate;
}

Ledger::Fate refused(const smtp::RecipientVerdict& verdict, const smtp::Reply& reply, bool served) {
  const smtp::Classification meaning = smtp::classify(verdict.stage, reply);
  switch (meaning.action) {
    case smtp::Action::bounce: {
      Ledger::Fate fate;
      fate.kind = Ledger::Fate::Kind::final;
      fate.outcome =
          failed_outcome(mail::OutcomeKind::bounced, meaning.status, smtp::one_line(reply));
      return fate;
    }
    case smtp::Action::go_on:
      return again();
    case smtp::Action::next_address:
      if (served && verdict.stage != smtp::Stage::content &&
          verdict.stage != smtp::Stage::final_dot) {
        return again();
      }
      break;
    default:
      break;
  }
  return retry(Ledger::Fate::Kind::retry, meaning.status, smtp::one_line(reply));
}

Ledger::Fate delivered(const smtp::RecipientVerdict& verdict, const smtp::Reply& reply) {
  Ledger::Fate fate;
  fate.kind = Ledger::Fate::Kind::final;
  fate.outcome.kind = mail::OutcomeKind::delivered;
  fate.outcome.status = smtp::status_of(verdict.stage, reply);
  fate.outcome.reply = smtp::one_line(reply);
  return fate;
}

}  // namespace

Ledger::Fate fate_of_verdict(const smtp::TransactionResult& result,
                             const smtp::RecipientVerdict& verdict, std::string_view trouble,
                             bool served) {
  const std::optional<smtp::Reply> reply = result.reply(verdict);
  switch (verdict.verdict) {
    case Verdict::delivered:
      return delivered(verdict, reply.value_or(smtp::Reply()));
    case Verdict::refused:
      return reply ? refused(verdict, *reply, served) : again();
    case Verdict::failed:
      return retry(Ledger::Fate::Kind::retry, smtp::classify_silence(verdict.stage).status,
                   trouble);
    case Verdict::in_doubt: {
      Ledger::Fate fate = retry(Ledger::Fate::Kind::retry_alone,
                                smtp::classify_silence(verdict.stage).status, trouble);
      fate.outcome.in_doubt = true;
      return fate;
    }
    case Verdict::too_many:
    case Verdict::not_tried:
    case Verdict::undecided:
    case Verdict::accepted:
      break;
  }
  return again();
}

void mark_relayed(const queue::Entry& entry, std::vector<Ledger::Fate>& fates) {
  const queue::QueuedMessage& message = entry.message();
  if (message.reports() == nullptr || message.sender().empty()) {
    return;
  }
  auto fate = fates.begin();
  for (const queue::QueuedRecipient& recipient : entry.recipients()) {
    mail::Outcome& outcome = (fate++)->outcome;
    outcome.relayed = outcome.kind == mail::OutcomeKind::delivered &&
                      mail::wants_success(message.request_of(recipient));
  }
}

std::vector<Ledger::Fate> fates_for_all(const queue::Entry& entry, const mail::Outcome& outcome) {
  Ledger::Fate fate;
  fate.kind = outcome.kind == mail::OutcomeKind::deferred ? Ledger::Fate::Kind::retry
                                                          : Ledger::Fate::Kind::final;
  fate.outcome = outcome;
  return std::vector<Ledger::Fate>(entry.count(), fate);
}

mail::Outcome failed_outcome(mail::OutcomeKind kind, mail::EnhancedStatus status,
                             std::string_view text) {
  mail::Outcome outcome;
  outcome.kind = kind;
  outcome.status = status;
  outcome.reply = text.substr(0, 512);
  return outcome;
}

mail::Outcome obstacle_outcome(mail::EnhancedStatus status, std::string_view mx) {
  const std::string text =
      status == mail::EnhancedStatus{5, 6, 7}
          ? fmt::format("the message needs SMTPUTF8 and {} does not offer it", mx)
      : status == mail::EnhancedStatus{5, 6, 3}
          ? fmt::format("the message has 8-bit content and {} does not offer 8BITMIME", mx)
          : fmt::format("the message is larger than {} accepts", mx);
  return failed_outcome(mail::OutcomeKind::bounced, status, text);
}

mail::Outcome unreadable_content() {
  return failed_outcome(mail::OutcomeKind::deferred, {4, 3, 0},
                        "the content cannot be read from the spool");
}

mail::Outcome expired_outcome(const queue::Entry& entry) {
  std::string text = "could not be delivered in time";
  for (const queue::QueuedRecipient& recipient : entry.recipients()) {
    if (recipient.last_attempt() != nullptr && !recipient.last_attempt()->reply.empty()) {
      text += "; the last attempt: " + recipient.last_attempt()->reply;
    }
    break;
  }
  // RFC 3463: 4.4.7 delivery time expired.
  return failed_outcome(mail::OutcomeKind::expired, {4, 4, 7}, text);
}

}  // namespace ringpost::delivery
