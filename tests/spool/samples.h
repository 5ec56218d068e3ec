// Records and messages for the tests of the spool.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ringpost/spool/record.h"

namespace ringpost::spool::samples {

inline WallTime at(std::int64_t milliseconds) {
  return WallTime(std::chrono::milliseconds(milliseconds));
}

inline PartKey key(std::uint64_t id, std::uint32_t part = 0, std::uint32_t hop = 0) {
  return {mail::MessageId{id}, part, hop};
}

inline mail::Message message(std::uint64_t id, std::size_t size = 100, std::size_t recipients = 1) {
  mail::Message message;
  message.id = {id};
  message.arrived = at(1'700'000'000'000 + static_cast<std::int64_t>(id));
  message.envelope.sender = "news-" + std::to_string(id) + "@sender.example";
  for (std::size_t n = 0; n < recipients; ++n) {
    message.envelope.recipients.push_back("reader-" + std::to_string(n) + "@domain.example");
  }
  message.envelope.tenant = "tenant";
  message.envelope.job = "job 7";
  message.content.reserve(size);
  while (message.content.size() < size) {
    message.content += static_cast<char>('a' + (id * 7 + message.content.size() * 13) % 26);
  }
  return message;
}

inline mail::Outcome outcome(mail::OutcomeKind kind, std::string reply = "550 5.1.1 No such user") {
  mail::Outcome outcome;
  outcome.kind = kind;
  outcome.status = {5, 1, 1};
  outcome.reply = std::move(reply);
  outcome.mx = "mx.domain.example";
  outcome.address = "192.0.2.1:25";
  return outcome;
}

inline RecipientOutcome ended(std::uint32_t recipient,
                              mail::OutcomeKind kind = mail::OutcomeKind::delivered) {
  RecipientOutcome ended;
  ended.recipient = recipient;
  ended.outcome = outcome(kind);
  return ended;
}

inline OutcomeRecord delivered(const PartKey& key, std::uint32_t recipient = 0) {
  OutcomeRecord record;
  record.key = key;
  record.recipients.push_back(ended(recipient));
  return record;
}

inline OutcomeRecord bounced(const PartKey& key, std::uint32_t recipient, std::uint64_t report) {
  OutcomeRecord record;
  record.key = key;
  record.recipients.push_back(ended(recipient, mail::OutcomeKind::bounced));
  record.report = {report};
  return record;
}

inline DeferralRecord deferred(const PartKey& key, std::uint32_t recipient, std::uint32_t attempts,
                               std::int64_t due) {
  DeferralRecord record;
  record.key = key;
  RecipientDeferral& deferral = record.recipients.emplace_back();
  deferral.recipient = recipient;
  deferral.attempts = attempts;
  deferral.due = at(due);
  deferral.last = outcome(mail::OutcomeKind::deferred, "451 4.3.0 later");
  return record;
}

inline HandOverRecord hand_over(const PartKey& key, HandOverRecord::State state, std::uint32_t part,
                                std::vector<std::uint32_t> recipients = {}) {
  HandOverRecord record;
  record.key = key;
  record.state = state;
  record.part = part;
  record.recipients = std::move(recipients);
  return record;
}

template <class Record>
std::string encoded(const Record& record) {
  std::string out;
  encode(out, record);
  return out;
}

inline std::string encoded(const mail::Message& message, const PartKey& key,
                           const std::vector<std::uint32_t>& parts = {},
                           std::uint16_t generation = 0) {
  std::string out;
  encode_message(out, key, message.arrived, message.envelope, parts, message.content, generation);
  return out;
}

}  // namespace ringpost::spool::samples
