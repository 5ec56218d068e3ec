// The transactions on ONE connection: which bytes may leave now, and what the replies mean. Driven
// by the connection in the delivery room once greeting, EHLO and TLS are done; QUIT is said by the
// connection too. A send cursor and a receive cursor move independently over the transactions under
// way, so any number may be in flight: two with DATA (one's final dot with the next one's MAIL), as
// many as are asked for with BDAT (RFC 3030), which is used wherever it is offered.
// Pure: no socket, no clock. After must_close() nothing more may be sent, not even QUIT.
//
//   if (machine.can_offer()) machine.offer(next);
//   machine.fill(buffer, 64 KiB) → send → machine.sent(bytes)
//   receive → ReplyParser → machine.feed(reply) → machine.take_result(result)
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/smtp/capabilities.h"
#include "ringpost/smtp/dot_stuffing.h"
#include "ringpost/smtp/reply.h"
#include "ringpost/smtp/stage.h"
#include "ringpost/smtp/transaction_result.h"

namespace ringpost::smtp {

enum class Mode : std::uint8_t {
  lock_step,   // every command waits for the reply before it
  pipelined,   // MAIL + RCPT… + DATA leave together (RFC 2920)
  overlapped,  // and do so together with the final dot of the transaction before
  streamed,    // RSET + MAIL + RCPT… + BDAT LAST of several leave without waiting (RFC 3030)
};

// The stage whose deadline runs. It starts anew when `replies` changed, or, while the stage is
// `content`, whenever bytes were written.
struct Unanswered {
  Stage stage = Stage::mail;
  std::uint64_t token = 0;
  std::uint64_t replies = 0;  // how many this connection's transactions have had so far
  bool overlapped = false;    // of a transaction that left before the one ahead was answered

  bool operator==(const Unanswered&) const = default;
};

class ClientTransactions {
 public:
  // Without PIPELINING the mode is lock_step, without CHUNKING at most overlapped, whatever is
  // asked for. `depth`: how many are streamed at the same time; with 1 the mode is at most
  // overlapped.
  ClientTransactions(const Capabilities& capabilities, Mode mode, std::size_t depth = 1);

  [[nodiscard]] Mode mode() const { return mode_; }
  // Changes both while the connection is idle.
  void use(Mode mode, std::size_t depth);
  // From now on the next transaction may leave with the final dot; without PIPELINING nothing.
  void allow_overlap();
  // From now on so many transactions may be under way; without PIPELINING and CHUNKING nothing.
  void allow_streaming(std::size_t depth);
  // The connection comes from the cache. If it ends before the next reply to MAIL, nothing was
  // tried: it was stale.
  void begin_reuse() { reused_ = true; }

  // Room for one more transaction: `depth` when streamed, two when overlapped, else one. A result
  // that was not taken counts.
  [[nodiscard]] bool can_offer() const;
  void offer(const Transaction& transaction);

  // Appends what may leave now, soft-limited to max_bytes. True if more was ready: call again when
  // this much is written. `told`, if given, gets the same for people: commands, and of a content
  // its size.
  bool fill(std::string& out, std::size_t max_bytes, std::string* told = nullptr);
  // So many more bytes of what fill() gave are completely written. Must be told before
  // connection_lost(): it decides what is in doubt.
  void sent(std::size_t bytes);

  // False: the connection must be closed now (close_reason() says why), all results are there.
  bool feed(const Reply& reply);
  // The connection is gone, timed out, or given up: every transaction under way gets its result.
  void connection_lost();
  // The parser found `what` instead of a reply; as connection_lost().
  void protocol_error(std::string_view what);

  // The oldest result not yet taken, in the order offered. Swaps, so that buffers are reused.
  bool take_result(TransactionResult& result);

  [[nodiscard]] std::optional<Unanswered> oldest_unanswered() const;
  // No transaction is under way and every result was taken.
  [[nodiscard]] bool idle() const { return count_ == 0; }
  [[nodiscard]] bool must_close() const { return must_close_; }
  // Empty unless must_close().
  [[nodiscard]] const std::string& close_reason() const { return close_reason_; }

 private:
  // A transaction's steps, numbered: RSET (only where needed), MAIL, each RCPT, DATA (unless the
  // content is a chunk), content.
  using Step = std::uint32_t;
  static constexpr Step rset_step = 0;
  static constexpr Step mail_step = 1;
  static constexpr Step first_rcpt_step = 2;

  struct Slot {
    std::string_view sender;
    std::vector<std::string_view> recipients;
    std::string_view content;
    const ReportParameters* reports = nullptr;
    bool eight_bit = false;
    bool utf8 = false;
    bool chunk = false;  // the content goes by BDAT

    bool begun = false;         // its first command was handed out
    bool mail_refused = false;  // which decided all recipients
    bool content_open = false;  // 354, or BDAT was handed out: the content must be completed
    bool finished = false;      // its result is complete
    Step next_send = mail_step;
    Step next_receive = mail_step;
    std::uint32_t accepted = 0;
    std::size_t content_sent = 0;  // handed out, counted before stuffing
    DotStuffer stuffer;
    std::uint64_t mail_end = 0;        // where in the output MAIL ends, 0 = not handed out
    std::uint64_t terminator_end = 0;  // the same for the terminator
    TransactionResult result;

    [[nodiscard]] Step data_step() const {
      return first_rcpt_step + static_cast<Step>(recipients.size());
    }
    [[nodiscard]] Step content_step() const { return data_step() + (chunk ? 0 : 1); }
    [[nodiscard]] Stage stage_of(Step step) const;
    // No recipient can be accepted any more: nothing that is not yet sent need be.
    [[nodiscard]] bool pointless() const {
      return mail_refused || (next_receive >= data_step() && accepted == 0);
    }
  };

  [[nodiscard]] Slot& slot(std::size_t position) {
    return slots_[(front_ + position) % slots_.size()];
  }
  [[nodiscard]] const Slot& slot(std::size_t position) const {
    return slots_[(front_ + position) % slots_.size()];
  }
  [[nodiscard]] std::size_t window() const;
  void set_mode(Mode mode, std::size_t depth);

  [[nodiscard]] bool may_send(std::size_t position) const;
  [[nodiscard]] bool may_send_content(const Slot& slot) const;
  void begin(Slot& slot, bool overlapped);
  void send_step(Slot& slot, std::string& out, std::size_t room);
  static void tell(const Slot& slot, Step step, std::string_view handed_out, std::string& told);
  void append_mail(const Slot& slot, std::string& out) const;
  void append_content(Slot& slot, std::string& out, std::size_t room);
  void append_chunk(Slot& slot, std::string& out, std::size_t room);

  bool on_mail(Slot& slot, const Reply& reply);
  bool on_rcpt(Slot& slot, std::size_t recipient, const Reply& reply);
  bool on_data(Slot& slot, const Reply& reply);
  bool on_content(Slot& slot, const Reply& reply);
  void on_service_closing(const Reply& reply);
  bool violation(std::string_view what, const Reply& reply);

  // Decides every recipient that nothing decided yet.
  static void decide_rest(Slot& slot, RecipientVerdict verdict);
  void finish(Slot& slot);
  void abandon(std::string_view reason, const Reply* reply);
  void abandon_slot(Slot& slot, const Reply* reply);
  [[nodiscard]] Stage current_stage(const Slot& slot) const;

  Capabilities capabilities_;
  Mode mode_ = Mode::lock_step;
  std::size_t depth_ = 1;
  std::vector<Slot> slots_;  // a ring: [front_, front_ + count_)
  std::size_t front_ = 0;
  std::size_t count_ = 0;
  std::size_t receive_ = 0;  // position of the oldest unfinished one; those before wait to be taken
  std::size_t send_ = 0;     // position of the one that is being handed out
  std::uint64_t produced_ = 0;  // bytes handed out by fill()
  std::uint64_t written_ = 0;   // bytes confirmed by sent()
  std::uint64_t replies_ = 0;
  bool reset_needed_ = false;  // the next transaction begins with RSET
  bool reused_ = false;        // no MAIL was answered since the connection left the cache
  bool must_close_ = false;
  std::string close_reason_;
};

}  // namespace ringpost::smtp
