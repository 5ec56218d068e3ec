// What is offered to a connection's transaction machine and what comes of it: one verdict for each
// recipient. Values; taken by the delivery room, which turns verdicts into outcomes with
// classify().
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/smtp/reply.h"
#include "ringpost/smtp/report_parameters.h"
#include "ringpost/smtp/stage.h"

namespace ringpost::smtp {

// One message to some recipients. Addresses are without angle brackets, validated; the bytes of
// sender, recipients and content stay where they are until the result was taken.
struct Transaction {
  std::uint64_t token = 0;                       // the caller's name for it
  std::string_view sender;                       // empty = the null reverse-path
  std::span<const std::string_view> recipients;  // at least one; the array itself is copied
  std::string_view content;                      // CRLF lines, not dot-stuffed
  bool eight_bit = false;                        // only where 8BITMIME is offered
  bool utf8 = false;                             // only where SMTPUTF8 is
  const ReportParameters* reports = nullptr;     // only where DSN is; stays where it is, too
};

enum class Verdict : std::uint8_t {
  undecided,  // never in a result
  accepted,   // RCPT was; never in a result
  delivered,  // the terminator was answered 2yz: the server is responsible now
  refused,    // by `reply` at `stage`: 4yz or 5yz, classify() says what follows
  too_many,   // 452 4.5.3 after others were accepted: goes on, no attempt counted
  not_tried,  // the connection ended before its turn came: goes on, no attempt counted
  failed,     // the connection ended under way at `stage`: a temporary failure
  in_doubt,   // the terminator was completely written and no reply came (RFC 1047)
};

struct RecipientVerdict {
  static constexpr std::uint16_t no_reply = std::numeric_limits<std::uint16_t>::max();

  Verdict verdict = Verdict::undecided;
  Stage stage = Stage::mail;       // that decided
  std::uint16_t reply = no_reply;  // the deciding one: TransactionResult::reply()
};

struct TransactionResult {
  std::uint64_t token = 0;
  std::vector<RecipientVerdict> recipients;  // in the order offered
  // MAIL got a reply. False on the first transaction after reuse = the cached connection was stale.
  bool mail_answered = false;
  // MAIL left before the transaction ahead of it was answered. With mail_answered false the server
  // may not bear overlap: use Mode::pipelined for that host, or Mode::overlapped if it was
  // streamed.
  bool overlapped = false;
  // The terminator was answered 2yz: the "clean transaction" after which overlap may start.
  bool content_accepted = false;

  // The reply that decided, shortened to kept_reply_bytes of text; its text is a view of this
  // result.
  [[nodiscard]] std::optional<Reply> reply(const RecipientVerdict& verdict) const;

  static constexpr std::size_t kept_reply_bytes = 1024;

 private:
  friend class ClientTransactions;

  struct KeptReply {
    int code;
    mail::EnhancedStatus status;
    std::uint32_t begin;
    std::uint32_t length;
  };

  void begin(const Transaction& transaction);
  std::uint16_t keep(const Reply& reply);

  std::vector<KeptReply> replies_;
  std::string texts_;  // of all replies: buffers are reused from transaction to transaction
};

}  // namespace ringpost::smtp
