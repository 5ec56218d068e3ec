#include "ringpost/spool/message_copy.h"

#include <algorithm>
#include <utility>

namespace ringpost::spool {
namespace {

using State = RecoveredRecipient::State;

template <class Record>
void add(std::vector<std::string>& heads, const Record& record) {
  encode(heads.emplace_back(), record);
}

bool has_report(const RecoveredMessage& message, std::uint32_t recipient) {
  return std::ranges::any_of(message.reports, [recipient](const OwedReport& owed) {
    return std::ranges::any_of(owed.recipients, [recipient](const RecipientOutcome& outcome) {
      return outcome.recipient == recipient;
    });
  });
}

// Those whose end nobody needs to hear of any more.
OutcomeRecord ended_quietly(const RecoveredMessage& message) {
  OutcomeRecord record;
  record.key = message.key;
  for (const RecoveredRecipient& recipient : message.recipients) {
    if (recipient.state == State::done && !has_report(message, recipient.recipient)) {
      record.recipients.push_back({recipient.recipient, {}});
    }
  }
  return record;
}

DeferralRecord deferred(const RecoveredMessage& message) {
  DeferralRecord record;
  record.key = message.key;
  for (const RecoveredRecipient& recipient : message.recipients) {
    if (recipient.state == State::queued && recipient.attempts > 0) {
      record.recipients.push_back(
          {recipient.recipient, recipient.attempts, recipient.due, recipient.last});
    }
  }
  return record;
}

}  // namespace

std::vector<std::string> encode_copy(const RecoveredMessage& message, std::string_view content,
                                     std::uint16_t generation) {
  std::vector<std::uint32_t> parts;
  std::uint32_t highest_listed = 0;
  for (const RecoveredRecipient& recipient : message.recipients) {
    if (recipient.state == State::given) {
      parts.resize(message.envelope.recipients.size(), message.key.part);
      parts[recipient.recipient] = recipient.part;
      highest_listed = std::max(highest_listed, recipient.part);
    }
  }
  std::vector<std::string> heads(1);
  encode_message(heads.front(), message.key, message.arrived, message.envelope, parts, content,
                 generation);
  if (const OutcomeRecord record = ended_quietly(message); !record.recipients.empty()) {
    add(heads, record);
  }
  for (const OwedReport& owed : message.reports) {
    add(heads, OutcomeRecord{message.key, owed.recipients, owed.report});
  }
  if (const DeferralRecord record = deferred(message); !record.recipients.empty()) {
    add(heads, record);
  }
  if (message.highest_part > highest_listed) {
    // All of its recipients are gone; that its number is taken must be remembered.
    add(heads, HandOverRecord{message.key, HandOverRecord::State::moved, message.highest_part, {}});
  }
  if (message.confirmed) {
    add(heads, HandOverRecord{message.key, HandOverRecord::State::confirmed, message.key.part, {}});
  }
  return heads;
}

}  // namespace ringpost::spool
