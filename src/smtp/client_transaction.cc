#include "ringpost/smtp/client_transaction.h"

#include <algorithm>
#include <charconv>

#include "ringpost/base/check.h"

namespace ringpost::smtp {
namespace {

// A control character in an address or parameter would let its writer speak SMTP to the remote
// server.
void check_argument(std::string_view text) {
  const bool clean =
      std::ranges::none_of(text, [](char c) { return (c >= 0 && c < ' ') || c == 127; });
  check(clean, "an address with a control character reached a connection");
}

// For a piece of content, a few dots more, and the envelope that follows it in the same flight.
// Growing step by step would copy the content several times.
void make_room(std::string& out, std::size_t piece) {
  out.reserve(out.size() + piece + piece / 64 + 512);
}

void append_number(std::string& out, std::size_t number) {
  char digits[20];
  const auto [end, error] = std::to_chars(std::begin(digits), std::end(digits), number);
  check(error == std::errc{}, "a size has at most 20 digits");
  out.append(digits, end);
}

}  // namespace

ClientTransactions::ClientTransactions(const Capabilities& capabilities, Mode mode,
                                       std::size_t depth)
    : capabilities_(capabilities) {
  set_mode(mode, depth);
}

void ClientTransactions::set_mode(Mode mode, std::size_t depth) {
  if (mode == Mode::streamed && (!capabilities_.chunking || depth < 2)) {
    mode = Mode::overlapped;
  }
  mode_ = capabilities_.pipelining ? mode : Mode::lock_step;
  depth_ = depth;
  std::ranges::rotate(slots_, slots_.begin() + static_cast<std::ptrdiff_t>(front_));
  front_ = 0;
  slots_.resize(std::max(slots_.size(), window()));
}

void ClientTransactions::use(Mode mode, std::size_t depth) {
  check(idle(), "what is under way keeps its mode");
  set_mode(mode, depth);
}

std::size_t ClientTransactions::window() const {
  switch (mode_) {
    case Mode::streamed:
      return depth_;
    case Mode::overlapped:
      return 2;
    default:
      return 1;
  }
}

void ClientTransactions::allow_overlap() {
  if (mode_ == Mode::lock_step || mode_ == Mode::pipelined) {
    set_mode(Mode::overlapped, depth_);
  }
}

void ClientTransactions::allow_streaming(std::size_t depth) {
  if (mode_ != Mode::streamed) {
    set_mode(Mode::streamed, depth);
  }
}

bool ClientTransactions::can_offer() const {
  return !must_close_ && count_ < window();
}

void ClientTransactions::offer(const Transaction& transaction) {
  check(can_offer(), "a transaction was offered without room for it");
  check(!transaction.recipients.empty(), "a transaction needs recipients");
  check(!transaction.eight_bit || capabilities_.eight_bit_mime,
        "eight-bit content for a server without 8BITMIME");
  check(!transaction.utf8 || capabilities_.smtputf8, "SMTPUTF8 for a server without it");
  check_argument(transaction.sender);
  std::ranges::for_each(transaction.recipients, check_argument);
  if (transaction.reports != nullptr) {
    check(capabilities_.dsn, "parameters of DSN for a server without it");
    check(transaction.reports->rcpt.size() == transaction.recipients.size(),
          "parameters for each recipient");
    check_argument(transaction.reports->mail);
    std::ranges::for_each(transaction.reports->rcpt, check_argument);
  }

  Slot& added = slot(count_);
  ++count_;
  added.sender = transaction.sender;
  added.recipients.assign(transaction.recipients.begin(), transaction.recipients.end());
  added.content = transaction.content;
  added.reports = transaction.reports;
  added.eight_bit = transaction.eight_bit;
  added.utf8 = transaction.utf8;
  added.chunk = capabilities_.chunking;
  added.begun = false;
  added.mail_refused = false;
  added.content_open = false;
  added.finished = false;
  added.next_send = mail_step;
  added.next_receive = mail_step;
  added.accepted = 0;
  added.content_sent = 0;
  added.stuffer = {};
  added.mail_end = 0;
  added.terminator_end = 0;
  added.result.begin(transaction);
}

bool ClientTransactions::take_result(TransactionResult& result) {
  if (count_ == 0 || !slot(0).finished) {
    return false;
  }
  std::swap(result, slot(0).result);
  front_ = (front_ + 1) % slots_.size();
  --count_;
  --receive_;
  send_ -= std::min<std::size_t>(send_, 1);
  return true;
}

bool ClientTransactions::may_send(std::size_t position) const {
  const Slot& next = slot(position);
  if (!next.begun) {
    return true;  // can_offer() lets a second one in only where overlap is allowed
  }
  if (next.next_send == next.content_step()) {
    return next.content_open || (next.chunk && may_send_content(next));
  }
  return !next.pointless() && (mode_ != Mode::lock_step || next.next_receive == next.next_send);
}

// Whether BDAT may be handed out. Where it is not streamed it waits for the verdict on every
// recipient, as the content behind DATA does. On a connection from the cache it waits for MAIL's
// reply: behind a chunk that was written nobody could say that nothing was tried.
bool ClientTransactions::may_send_content(const Slot& slot) const {
  if (slot.pointless()) {
    return false;
  }
  return slot.next_receive == slot.next_send || (mode_ == Mode::streamed && !reused_);
}

bool ClientTransactions::fill(std::string& out, std::size_t max_bytes, std::string* told) {
  const std::size_t limit = out.size() + max_bytes;
  while (!must_close_ && send_ < count_) {
    Slot& current = slot(send_);
    if (current.finished || current.terminator_end != 0) {
      ++send_;
      continue;
    }
    if (!may_send(send_)) {
      return false;
    }
    if (out.size() >= limit) {
      return true;
    }
    if (!current.begun) {
      begin(current, send_ != receive_);
    }
    const Step step = current.next_send;
    const std::size_t before = out.size();
    send_step(current, out, limit - before);
    if (told != nullptr) {
      tell(current, step, std::string_view(out).substr(before), *told);
    }
  }
  return false;
}

void ClientTransactions::begin(Slot& slot, bool overlapped) {
  slot.begun = true;
  slot.result.overlapped = overlapped;
  // Whether a refused chunk ended its transaction is read in two ways; RSET is read in one.
  if (reset_needed_ || mode_ == Mode::streamed || (overlapped && slot.chunk)) {
    reset_needed_ = false;
    slot.next_send = rset_step;
    slot.next_receive = rset_step;
  }
}

void ClientTransactions::tell(const Slot& slot, Step step, std::string_view handed_out,
                              std::string& told) {
  if (step != slot.content_step()) {
    told += handed_out;
    return;
  }
  const bool whole = slot.next_send > slot.content_step();
  if (!slot.chunk && slot.accepted == 0) {
    told += handed_out;  // the lone dot
    return;
  }
  if (whole) {
    if (slot.chunk) {
      told += "BDAT ";
      append_number(told, slot.content.size());
      told += " LAST\r\n";
    }
    told += '(';
    append_number(told, slot.content.size());
    told += slot.chunk ? " bytes of content)\r\n" : " bytes of content and the final dot)\r\n";
  }
}

void ClientTransactions::send_step(Slot& slot, std::string& out, std::size_t room) {
  const std::size_t before = out.size();
  const Step step = slot.next_send;
  if (step == slot.content_step()) {
    append_content(slot, out, room);
  } else {
    ++slot.next_send;
    if (step == rset_step) {
      out += "RSET\r\n";
    } else if (step == mail_step) {
      append_mail(slot, out);
    } else if (step < slot.data_step()) {
      out += "RCPT TO:<";
      out += slot.recipients[step - first_rcpt_step];
      out += '>';
      if (slot.reports != nullptr) {
        out += slot.reports->rcpt[step - first_rcpt_step];
      }
      out += "\r\n";
    } else {
      out += "DATA\r\n";
    }
  }
  produced_ += out.size() - before;
  if (step == mail_step) {
    slot.mail_end = produced_;
  } else if (slot.next_send > slot.content_step()) {
    slot.terminator_end = produced_;
  }
}

void ClientTransactions::append_mail(const Slot& slot, std::string& out) const {
  out += "MAIL FROM:<";
  out += slot.sender;
  out += '>';
  if (capabilities_.size) {
    out += " SIZE=";
    append_number(out, slot.content.size());
  }
  if (slot.eight_bit) {
    out += " BODY=8BITMIME";
  }
  if (slot.utf8) {
    out += " SMTPUTF8";
  }
  if (slot.reports != nullptr) {
    out += slot.reports->mail;
  }
  out += "\r\n";
}

void ClientTransactions::append_content(Slot& slot, std::string& out, std::size_t room) {
  if (slot.chunk) {
    return append_chunk(slot, out, room);
  }
  if (slot.accepted == 0) {  // RFC 2920 section 3.1: 354 without a recipient gets a lone dot
    out += ".\r\n";
    ++slot.next_send;
    return;
  }
  const std::string_view piece = slot.content.substr(slot.content_sent, room);
  make_room(out, piece.size());
  slot.stuffer.append(out, piece);
  slot.content_sent += piece.size();
  if (slot.content_sent == slot.content.size()) {
    slot.stuffer.finish(out);
    ++slot.next_send;
  }
}

void ClientTransactions::append_chunk(Slot& slot, std::string& out, std::size_t room) {
  const std::string_view piece = slot.content.substr(slot.content_sent, room);
  make_room(out, piece.size());
  if (!slot.content_open) {
    slot.content_open = true;
    out += "BDAT ";
    append_number(out, slot.content.size());
    out += " LAST\r\n";
  }
  out += piece;
  slot.content_sent += piece.size();
  if (slot.content_sent == slot.content.size()) {
    ++slot.next_send;
  }
}

void ClientTransactions::sent(std::size_t bytes) {
  written_ += bytes;
  check(written_ <= produced_, "more bytes were sent than were handed out");
}

void ClientTransactions::decide_rest(Slot& slot, RecipientVerdict verdict) {
  for (RecipientVerdict& recipient : slot.result.recipients) {
    if (recipient.verdict == Verdict::undecided || recipient.verdict == Verdict::accepted) {
      recipient = verdict;
    }
  }
}

void ClientTransactions::finish(Slot& slot) {
  slot.finished = true;
  ++receive_;
}

bool ClientTransactions::violation(std::string_view what, const Reply& reply) {
  abandon(std::string(what) + ": " + one_line(reply), &reply);
  return false;
}

void ClientTransactions::protocol_error(std::string_view what) {
  if (!must_close_) {
    abandon(what, nullptr);
  }
}

void ClientTransactions::connection_lost() {
  if (!must_close_) {
    abandon("the connection was lost", nullptr);
  }
}

void ClientTransactions::abandon(std::string_view reason, const Reply* reply) {
  must_close_ = true;
  close_reason_ = reason;
  while (receive_ < count_) {
    abandon_slot(slot(receive_), reply);
    reply = nullptr;  // it speaks of the oldest only
  }
}

void ClientTransactions::abandon_slot(Slot& slot, const Reply* reply) {
  Verdict verdict = Verdict::failed;
  if (slot.terminator_end != 0 && written_ >= slot.terminator_end) {
    verdict = Verdict::in_doubt;
  } else if (!slot.result.mail_answered &&
             (!slot.begun || reused_ || slot.result.overlapped || slot.next_receive == rset_step ||
              slot.mail_end == 0 || written_ < slot.mail_end)) {
    // Nothing was heard of this one, and there is a better explanation than its own fault.
    verdict = Verdict::not_tried;
  }
  const std::uint16_t kept =
      reply == nullptr ? RecipientVerdict::no_reply : slot.result.keep(*reply);
  decide_rest(slot, {verdict, current_stage(slot), kept});
  finish(slot);
}

Stage ClientTransactions::Slot::stage_of(Step step) const {
  if (step == rset_step) {
    return Stage::rset;
  }
  if (step == mail_step) {
    return Stage::mail;
  }
  if (step < data_step()) {
    return Stage::rcpt;
  }
  return step < content_step() ? Stage::data : Stage::final_dot;
}

Stage ClientTransactions::current_stage(const Slot& slot) const {
  const Stage stage = slot.stage_of(slot.next_receive);
  const bool writing = slot.terminator_end == 0 || written_ < slot.terminator_end;
  return stage == Stage::final_dot && writing ? Stage::content : stage;
}

std::optional<Unanswered> ClientTransactions::oldest_unanswered() const {
  if (receive_ == count_) {
    return std::nullopt;
  }
  const Slot& oldest = slot(receive_);
  if (!oldest.begun || (oldest.next_receive == oldest.next_send && !oldest.content_open)) {
    return std::nullopt;
  }
  return Unanswered{current_stage(oldest), oldest.result.token, replies_, oldest.result.overlapped};
}

}  // namespace ringpost::smtp
