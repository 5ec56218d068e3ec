// Drives ClientTransactions in tests: keeps the letters it offers alive, parses replies from text,
// and collects the results.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/smtp/client_transaction.h"

namespace ringpost::smtp {

inline Capabilities full_capabilities() {
  Capabilities offered;
  offered.pipelining = true;
  offered.eight_bit_mime = true;
  return offered;
}

inline Capabilities with_chunking() {
  Capabilities offered = full_capabilities();
  offered.chunking = true;
  return offered;
}

class ClientDriver {
 public:
  explicit ClientDriver(Mode mode, const Capabilities& offered = full_capabilities(),
                        std::size_t depth = 1)
      : machine(offered, mode, depth) {}

  // Transaction `token`: from sN to rN.0, rN.1, …
  void offer(std::uint64_t token, std::size_t recipients = 1, std::string content = "x\r\n",
             const ReportParameters* reports = nullptr, bool utf8 = false) {
    Letter& letter = letters_.emplace_back();
    letter.sender = "s" + std::to_string(token);
    letter.content = std::move(content);
    for (std::size_t i = 0; i < recipients; ++i) {
      letter.recipients.push_back("r" + std::to_string(token) + "." + std::to_string(i));
    }
    const std::vector<std::string_view> views(letter.recipients.begin(), letter.recipients.end());
    machine.offer({token, letter.sender, views, letter.content, false, utf8, reports});
  }

  // What leaves now, completely written.
  std::string flight(std::size_t max_bytes = 1 << 20) {
    std::string out;
    machine.fill(out, max_bytes, told);
    machine.sent(out.size());
    return out;
  }

  std::string* told = nullptr;  // what flights are for people

  // Whole replies, one a line of `text` (or several lines of one reply).
  void replies(std::string_view text) {
    while (!text.empty()) {
      const auto [status, consumed] = parser_.feed(text);
      ASSERT_EQ(status, ReplyParser::Status::reply) << text;
      text.remove_prefix(consumed);
      machine.feed(parser_.reply());
      collect();
    }
  }

  void lose() {
    machine.connection_lost();
    collect();
  }

  void collect() {
    TransactionResult result;
    while (machine.take_result(result)) {
      ASSERT_FALSE(results.contains(result.token)) << "one result a transaction";
      for (const RecipientVerdict& recipient : result.recipients) {
        ASSERT_NE(recipient.verdict, Verdict::undecided);
        ASSERT_NE(recipient.verdict, Verdict::accepted);
      }
      results[result.token] = std::move(result);
      result = {};
    }
  }

  // "refused@RCPT 550 no" for each recipient, separated by ", "; "none" without a result.
  [[nodiscard]] std::string verdicts(std::uint64_t token) const {
    const auto found = results.find(token);
    if (found == results.end()) {
      return "none";
    }
    std::string text;
    for (const RecipientVerdict& recipient : found->second.recipients) {
      static constexpr std::string_view names[] = {"undecided", "accepted", "delivered",
                                                   "refused",   "too_many", "not_tried",
                                                   "failed",    "in_doubt"};
      text += text.empty() ? "" : ", ";
      text += names[static_cast<std::size_t>(recipient.verdict)];
      text += "@";
      text += name_of(recipient.stage);
      if (const auto reply = found->second.reply(recipient)) {
        text += " " + one_line(*reply);
      }
    }
    return text;
  }

  ClientTransactions machine;
  std::map<std::uint64_t, TransactionResult> results;

 private:
  struct Letter {
    std::string sender;
    std::vector<std::string> recipients;
    std::string content;
  };

  std::deque<Letter> letters_;
  ReplyParser parser_;
};

}  // namespace ringpost::smtp
