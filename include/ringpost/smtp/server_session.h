// The server's side of one SMTP connection as a pure machine (RFC 5321, with PIPELINING, SIZE,
// 8BITMIME, SMTPUTF8, CHUNKING, DSN and enhanced status codes): bytes in, messages and replies out,
// in order. Called by the listener, which owns the socket, the clock, and what becomes of a
// message. Never promises a message: the reply to its final dot is given by whoever made it
// durable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/base/time.h"
#include "ringpost/mail/id_sequence.h"
#include "ringpost/mail/message.h"
#include "ringpost/smtp/command.h"
#include "ringpost/smtp/command_line_reader.h"
#include "ringpost/smtp/content_reader.h"

namespace ringpost::smtp {

struct ServerSettings {
  std::string hostname;
  std::size_t max_message_size = std::size_t{50} << 20;
  std::size_t max_recipients = 1000;
  // Bytes with CRLF. RFC 5321 section 4.5.3.1.6 asks for 1000; real newsletters have longer ones.
  std::size_t max_line_length = std::size_t{64} << 10;
  std::size_t max_command_length = 2048;
  std::size_t max_pending_messages = 16;  // complete, and not yet answered
  // Commands that no mail client would send, since the last accepted message; then 421.
  unsigned max_errors = 20;
  bool starttls = false;  // is offered (RFC 3207)
  // What a content may take in memory before Step::memory asks for more.
  std::size_t unasked_memory = std::numeric_limits<std::size_t>::max();
};

struct ClientInfo {
  std::string address;  // as in an address literal: "127.0.0.1" or "IPv6:::1"
  bool may_relay = false;
};

class ServerSession {
 public:
  // `settings` and `ids` outlive the session.
  ServerSession(const ServerSettings& settings, ClientInfo client, mail::IdSequence& ids);

  void greet();

  enum class Step : std::uint8_t {
    need_more,  // all bytes are consumed
    message,    // take_message(), then feed the rest
    memory,  // the content needs more: allow_memory() or refuse_memory(), then feed the rest again
    full,    // too much awaits complete(): stop reading, then feed the rest again
    start_tls,  // send the output, shake hands, tls_started(); there is no rest
    close,      // feed no more; close when nothing is pending and the output is sent
  };
  struct Progress {
    std::size_t consumed;
    Step step;
  };
  Progress feed(std::string_view bytes, WallTime now);

  // After Step::memory: how much the content wants altogether, and for whom. Once refused, it is
  // read to its end, not kept, and answered 452.
  [[nodiscard]] std::uint64_t wanted_memory() const { return wanted_memory_; }
  [[nodiscard]] const std::vector<std::string>& recipients() const {
    return message_.envelope.recipients;
  }
  void allow_memory();
  void refuse_memory() { content_.give_up(); }
  // What was allowed and is still in use; after Step::message it is the message's.
  [[nodiscard]] std::uint64_t allowed_memory() const {
    return content_.fault() == ContentFault::none ? allowed_memory_ : 0;
  }

  // After Step::start_tls, when the handshake is done. All that was said before is forgotten.
  void tls_started();

  // After Step::message, once. The content begins with our Received field.
  [[nodiscard]] mail::Message take_message();
  // The number of that message, for complete(); counts from 1.
  [[nodiscard]] std::uint64_t last_message_number() const { return last_number_; }
  // The whole reply to a message's final dot, CRLF included. Messages may complete in any order.
  void complete(std::uint64_t number, std::string_view reply);

  // The replies that may be sent now; those behind a pending message wait for it.
  [[nodiscard]] std::string take_output();
  [[nodiscard]] bool has_output() const { return !output_.empty(); }
  [[nodiscard]] std::size_t pending_messages() const { return pending_.size(); }

  // Say 421 and close: the client was silent for too long; we are going down.
  void time_out();
  void shut_down();
  // The stream is of no use any more: nothing more is said.
  void abandon() { closing_ = true; }
  [[nodiscard]] bool closing() const { return closing_; }
  // A transaction is open: the client has said MAIL and its message is not complete.
  [[nodiscard]] bool in_transaction() const { return in_transaction_; }
  // The client is in the middle of a content, not of a command.
  [[nodiscard]] bool in_content() const { return in_data_ || in_chunk_; }
  // Grows with each whole command and each block of content: a client for which it stands still is
  // silent, however many bytes it lets drip.
  [[nodiscard]] std::uint64_t progress() const { return commands_ + content_bytes_ / block_bytes; }

 private:
  static constexpr std::uint64_t block_bytes = 4096;

  struct Pending {
    std::string reply;   // empty until complete()
    std::string behind;  // what was said after it
  };

  void say(std::string_view reply);
  void refuse(std::string_view reply);
  void refuse_politely(std::string_view reply);
  void close_with(std::string_view code, std::string_view why);
  [[nodiscard]] bool must_wait() const;
  void reset();

  // `last`: no byte has come behind the line.
  void run(const CommandLine& line, bool last, WallTime now);
  void run_simple(const Command& command);
  void run_greeting(const Command& command);
  void run_starttls(std::string_view argument, bool last);
  void run_mail(std::string_view argument);
  void run_rcpt(std::string_view argument);
  void run_data(std::string_view argument, WallTime now);
  void run_bdat(std::string_view argument, WallTime now);
  // Whether the content cannot take `coming` bytes.
  [[nodiscard]] bool wants_memory(std::size_t coming);
  void begin_content(std::uint64_t expected_size, ContentEnd end, WallTime now);
  std::size_t feed_content(std::string_view bytes, WallTime now);
  void end_of_chunk(WallTime now);
  void refuse_chunk();
  void end_of_content(WallTime now);
  [[nodiscard]] std::string content_refusal() const;
  [[nodiscard]] std::string received_field(WallTime now);

  const ServerSettings& settings_;
  ClientInfo client_;
  mail::IdSequence& ids_;

  CommandLineReader lines_;
  ContentReader content_;
  std::string greeting_;  // what the client called itself, sanitized; empty before EHLO
  bool extended_ = false;
  bool tls_wanted_ = false;  // STARTTLS was said, and 220 in answer
  bool tls_ = false;         // is spoken
  bool in_transaction_ = false;
  bool failed_ = false;  // what is pipelined behind a refused MAIL or chunk is no error of its own
  bool in_data_ = false;
  bool in_chunk_ = false;  // BDAT was said and its octets are being read
  bool chunks_ = false;    // the transaction's content comes in chunks, and has begun
  bool last_chunk_ = false;
  std::uint64_t chunk_size_ = 0;
  std::uint64_t chunk_left_ = 0;
  std::uint64_t expected_memory_ = 0;  // as far as the client has told
  std::uint64_t wanted_memory_ = 0;
  std::uint64_t allowed_memory_ = 0;  // beyond what needs no asking
  bool message_ready_ = false;
  bool closing_ = false;
  unsigned errors_ = 0;
  std::uint64_t commands_ = 0;  // and contents that ended
  std::uint64_t content_bytes_ = 0;
  mail::Message message_;  // the transaction's, as far as it is known
  std::size_t declared_size_ = 0;
  std::size_t last_size_ = 0;           // what the last message took
  std::size_t received_size_ = 0;       // of our own trace field
  std::chrono::sys_seconds date_at_{};  // when `date_` was written
  std::string date_;

  std::string output_;
  std::deque<Pending> pending_;
  std::uint64_t last_number_ = 0;  // of the message behind all others
};

}  // namespace ringpost::smtp
