#include "ringpost/smtp/transaction_result.h"

#include <algorithm>

#include "ringpost/base/check.h"

namespace ringpost::smtp {

std::optional<Reply> TransactionResult::reply(const RecipientVerdict& verdict) const {
  if (verdict.reply == RecipientVerdict::no_reply) {
    return std::nullopt;
  }
  check(verdict.reply < replies_.size(), "a verdict of another result");
  const KeptReply& kept = replies_[verdict.reply];
  return Reply{kept.code, kept.status, std::string_view(texts_).substr(kept.begin, kept.length)};
}

void TransactionResult::begin(const Transaction& transaction) {
  token = transaction.token;
  recipients.assign(transaction.recipients.size(), RecipientVerdict{});
  mail_answered = false;
  overlapped = false;
  content_accepted = false;
  replies_.clear();
  texts_.clear();
}

std::uint16_t TransactionResult::keep(const Reply& reply) {
  check(replies_.size() < RecipientVerdict::no_reply, "more replies than a result can name");
  const std::size_t length = std::min(reply.text.size(), kept_reply_bytes);
  replies_.push_back({reply.code, reply.status, static_cast<std::uint32_t>(texts_.size()),
                      static_cast<std::uint32_t>(length)});
  texts_.append(reply.text.substr(0, length));
  return static_cast<std::uint16_t>(replies_.size() - 1);
}

}  // namespace ringpost::smtp
