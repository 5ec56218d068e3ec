// The part of ServerSession that takes content: DATA, BDAT chunks (RFC 3030), and what becomes of
// them.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ringpost/mail/byte_scan.h"
#include "ringpost/mail/header_scan.h"
#include "ringpost/smtp/server_session.h"

namespace ringpost::smtp {
namespace {

// A chunk of more messages of the largest size than this is not read to its end.
constexpr std::uint64_t most_times_too_big = 4;
// Where the client has not said how large its content is, it has so much at first.
constexpr std::uint64_t first_memory = std::uint64_t{1} << 20;
// Where it has, so much more: the last bytes of a content may come with the first ones behind it.
constexpr std::uint64_t spare_memory = std::uint64_t{32} << 10;

}  // namespace

void ServerSession::run_data(std::string_view argument, WallTime now) {
  if (!argument.empty()) {
    return refuse("501 5.5.4 DATA takes no argument");
  }
  if (!in_transaction_) {
    constexpr std::string_view reply = "503 5.5.1 Send MAIL first";
    return failed_ ? say(reply) : refuse(reply);
  }
  if (message_.envelope.recipients.empty()) {
    return refuse_politely("554 5.5.1 No valid recipients");
  }
  if (chunks_) {
    return refuse("503 5.5.1 This content comes in BDAT chunks: finish it or send RSET");
  }
  begin_content(declared_size_, ContentEnd::dot, now);
  in_data_ = true;
  say("354 End data with <CR><LF>.<CR><LF>");
}

// Whatever becomes of it, the octets that follow are read as content and never as commands; where
// it is not known how many they are, or nobody should wait for them, the connection ends.
void ServerSession::run_bdat(std::string_view argument, WallTime now) {
  const std::optional<ChunkArguments> chunk = parse_bdat(argument);
  if (!chunk) {
    say("501 5.5.4 The syntax is BDAT size [LAST]; closing, for what follows cannot be told apart");
    closing_ = true;
    return;
  }
  if (chunk->size / most_times_too_big > settings_.max_message_size) {
    say(fmt::format("552 5.3.4 Chunk too big: {} bytes are the most; closing",
                    settings_.max_message_size));
    closing_ = true;
    return;
  }
  chunk_left_ = chunk->size;
  chunk_size_ = chunk->size;
  last_chunk_ = chunk->last;
  in_chunk_ = true;
  if (!in_transaction_ || message_.envelope.recipients.empty()) {
    return;
  }
  if (!chunks_) {
    // Several chunks, one after the other, are as large as the declared size or the last message.
    begin_content(std::max<std::uint64_t>(declared_size_, chunk->size), ContentEnd::last_chunk,
                  now);
    chunks_ = true;
  }
  content_.announce(chunk->size);
  expected_memory_ = std::max<std::uint64_t>(expected_memory_, content_.size() + chunk->size);
}

void ServerSession::begin_content(std::uint64_t expected_size, ContentEnd end, WallTime now) {
  message_.id = ids_.next(now);
  const std::string received = received_field(now);
  received_size_ = received.size();
  const std::uint64_t expected = expected_size != 0 ? expected_size : last_size_ + last_size_ / 8;
  expected_memory_ = received_size_ + expected_size;
  allowed_memory_ = 0;
  content_.start(received, std::min<std::uint64_t>(expected, settings_.unasked_memory),
                 {settings_.max_message_size, settings_.max_line_length}, end);
}

bool ServerSession::wants_memory(std::size_t coming) {
  if (!(in_data_ || chunks_) || content_.fault() != ContentFault::none) {
    return false;
  }
  constexpr std::uint64_t final_line_end = 2;
  const std::uint64_t most = settings_.max_message_size + received_size_ + final_line_end;
  const std::uint64_t next = in_chunk_ ? std::min<std::uint64_t>(coming, chunk_left_) : coming;
  const std::uint64_t needed =
      std::min(most, std::max(content_.size() + next, expected_memory_) + final_line_end);
  if (needed <= std::max<std::uint64_t>(allowed_memory_, settings_.unasked_memory)) {
    return false;
  }
  const bool told = allowed_memory_ == 0 && expected_memory_ > settings_.unasked_memory;
  const std::uint64_t step =
      std::max<std::uint64_t>({2 * allowed_memory_, last_size_ + last_size_ / 8, first_memory});
  wanted_memory_ = std::min(most, told ? needed + spare_memory : std::max(needed, step));
  return true;
}

void ServerSession::allow_memory() {
  allowed_memory_ = wanted_memory_;
  content_.reserve(wanted_memory_);
}

// Returns how much of `bytes` was content. It has ended when in_content() is false.
std::size_t ServerSession::feed_content(std::string_view bytes, WallTime now) {
  if (in_data_) {
    const ContentReader::Progress progress = content_.feed(bytes);
    if (progress.done) {
      in_data_ = false;
      end_of_content(now);
    }
    return progress.consumed;
  }
  bytes = bytes.substr(0, chunk_left_);
  chunk_left_ -= bytes.size();
  if (chunks_) {
    content_.feed(bytes);
  }
  if (chunk_left_ == 0) {
    in_chunk_ = false;
    end_of_chunk(now);
  }
  return bytes.size();
}

void ServerSession::end_of_chunk(WallTime now) {
  if (!chunks_) {
    return refuse_chunk();
  }
  if (last_chunk_) {
    content_.finish();
    return end_of_content(now);
  }
  if (const std::string refusal = content_refusal(); !refusal.empty()) {
    say(refusal);
    reset();
    failed_ = true;  // RFC 3030 section 2: what is pipelined behind it is discarded
    return;
  }
  say(fmt::format("250 2.0.0 {} octets received", chunk_size_));
}

// Its octets were read and not kept.
void ServerSession::refuse_chunk() {
  if (!in_transaction_) {
    constexpr std::string_view reply = "503 5.5.1 Send MAIL first";
    return failed_ ? say(reply) : refuse(reply);
  }
  refuse_politely("503 5.5.1 No valid recipients");
}

// Makes it a message to take, or refuses it.
void ServerSession::end_of_content(WallTime now) {
  std::string refusal = content_refusal();
  if (refusal.empty()) {
    message_.content = content_.take_content();
    last_size_ = message_.content.size() - received_size_;
    mail::HeaderScan header = mail::scan_header(message_.content, received_size_);
    if (header.received > mail::max_received_fields) {
      refusal = fmt::format("554 5.4.6 Loop: the message has {} Received fields", header.received);
    } else if (!header.problem.empty()) {
      refusal = fmt::format("550 5.6.0 Refused: {}", header.problem);
    }
    message_.envelope.tenant = std::move(header.tenant);
    message_.envelope.job = std::move(header.job);
  }
  if (!refusal.empty()) {
    say(refusal);
    return reset();
  }
  allowed_memory_ = 0;
  message_.arrived = now;
  message_.envelope.eight_bit = content_.eight_bit();
  in_transaction_ = false;
  chunks_ = false;
  message_ready_ = true;
  errors_ = 0;
  ++last_number_;
  pending_.emplace_back();
}

std::string ServerSession::content_refusal() const {
  const auto refused = [&](std::string_view what, std::string_view remedy) {
    return fmt::format("550 5.6.0 Message refused: {} in line {} of the message; {}", what,
                       content_.fault_line(), remedy);
  };
  switch (content_.fault()) {
    case ContentFault::none:
      return {};
    case ContentFault::too_big:
      return fmt::format("552 5.3.4 Message too big: {} bytes are the most",
                         settings_.max_message_size);
    case ContentFault::no_memory:
      return "452 4.3.1 Too many large messages are coming in, try again later";
    case ContentFault::bare_cr:
      return refused("bare CR", "CR may stand only before LF");
    case ContentFault::bare_lf:
      return refused("bare LF", "end every line with CRLF");
    case ContentFault::nul:
      return refused("NUL byte", "encode binary content, for example in base64");
    case ContentFault::long_line:
      return refused("line too long",
                     fmt::format("{} bytes are the most; use quoted-printable or base64",
                                 settings_.max_line_length));
  }
  return {};
}

// RFC 5321 section 4.4. `for` only with one recipient: others are not to see each other. And only
// of an ASCII one, so that the field alone makes no message need 8BITMIME.
std::string ServerSession::received_field(WallTime now) {
  const auto second = std::chrono::floor<std::chrono::seconds>(now);
  if (second != date_at_ || date_.empty()) {
    date_ = format_rfc5322(now);
    date_at_ = second;
  }
  std::string field;
  field.reserve(512);
  const auto append = [&field](const auto&... parts) { (field.append(parts), ...); };
  // RFC 6531 section 4.3 names the protocol by what MAIL said.
  const std::string_view protocol = message_.envelope.utf8 ? (tls_ ? "UTF8SMTPS" : "UTF8SMTP")
                                    : !extended_           ? "SMTP"
                                    : tls_                 ? "ESMTPS"
                                                           : "ESMTP";
  append("Received: from ", greeting_, " ([", client_.address, "])\r\n\tby ", settings_.hostname,
         " with ", protocol, " id ", message_.id.to_string());
  const auto& recipients = message_.envelope.recipients;
  if (recipients.size() == 1 && !(message_.envelope.utf8 && mail::has_eight_bit(recipients[0]))) {
    append("\r\n\tfor <", recipients.front(), ">; ", date_);
  } else {
    append(";\r\n\t", date_);
  }
  field.append("\r\n");
  return field;
}

}  // namespace ringpost::smtp
