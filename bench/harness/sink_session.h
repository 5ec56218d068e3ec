// The sink's side of one SMTP connection, as a pure machine: bytes of the client in, replies out,
// what arrived into the book of arrivals. Accepts everything. Called by Sink; written apart from
// Ringpost's own server.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "harness/arrivals.h"
#include "ringpost/base/time.h"

namespace ringpost::bench {

struct SinkOffers {
  bool pipelining = true;
  bool eight_bit = true;
  bool size = true;
  bool chunking = false;
  bool tls = false;  // STARTTLS
};

// The content of one message, in pieces: takes the stuffing off and finds CRLF.CRLF, which alone
// ends it.
class ContentReader {
 public:
  // Appends to `content`; returns the bytes used, all of them unless done().
  std::size_t feed(std::string_view bytes, std::string& content);
  [[nodiscard]] bool done() const { return state_ == State::done; }
  void restart() { state_ = State::line_start; }

 private:
  enum class State : std::uint8_t { inside, after_cr, line_start, dot, dot_cr, done };

  std::size_t feed_inside(std::string_view bytes, std::string& content);
  void feed_byte(char c, std::string& content);

  State state_ = State::line_start;
};

class SinkSession {
 public:
  SinkSession(const SinkOffers& offers, Arrivals& arrivals, Arrivals::Connection connection)
      : offers_(offers), arrivals_(arrivals), connection_(connection) {}

  static constexpr std::string_view greeting = "220 sink.test ESMTP\r\n";

  // Appends replies. False: close once they are sent.
  bool feed(std::string_view bytes, Instant now, std::string& replies);
  // The client has said STARTTLS: shake hands when the replies are sent. True once.
  bool take_tls_wish() { return std::exchange(tls_wanted_, false); }

 private:
  bool command(std::string_view line, std::string& replies);
  void hello(std::string& replies) const;
  bool begin_chunk(std::string_view argument);
  std::size_t feed_chunk(std::string_view bytes, Instant now, std::string& replies);
  void message_done(Instant now, std::string& replies);

  SinkOffers offers_;
  Arrivals& arrivals_;
  Arrivals::Connection connection_;
  bool tls_wanted_ = false;
  bool tls_ = false;
  bool in_content_ = false;
  bool in_chunk_ = false;
  bool last_chunk_ = false;
  std::size_t chunk_left_ = 0;
  bool has_sender_ = false;
  std::string partial_;     // of a command
  std::string recipients_;  // one a line
  std::string content_;
  ContentReader reader_;
};

}  // namespace ringpost::bench
