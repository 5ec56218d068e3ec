// Replies of a remote server (RFC 5321 section 4.2) and their incremental parser. Called by the
// connection for everything that a server says; replies are hostile input, so every length is
// bounded and no byte outside printable ASCII gets through. Never reads a socket and, once its
// buffers have grown, never allocates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ringpost/mail/enhanced_status.h"

namespace ringpost::smtp {

// One whole reply. `text` is a view: of the parser until its next feed(), or of a result.
struct Reply {
  int code = 0;                 // 200..599
  mail::EnhancedStatus status;  // from the first line; unknown if absent or of another class
  // The lines without code and separator, joined by '\n'; printable ASCII otherwise.
  std::string_view text;

  // The first digit: 2 done, 3 go on, 4 temporarily refused, 5 refused.
  [[nodiscard]] int severity() const { return code / 100; }
  [[nodiscard]] bool positive() const { return severity() == 2; }
  [[nodiscard]] bool refused() const { return severity() >= 4; }
};

inline constexpr std::size_t shown_reply_bytes = 512;

// What people are shown and outcomes store: "550 5.1.1 No such user". The lines are joined by
// spaces, an enhanced status that a later line repeats is left out, at most shown_reply_bytes.
[[nodiscard]] std::string one_line(const Reply& reply);

// As it was said, a line each: "250-mx.example\n250 SIZE\n".
[[nodiscard]] std::string shown(const Reply& reply);

// Takes the first line off `text`.
[[nodiscard]] std::string_view take_line(std::string_view& text);

class ReplyParser {
 public:
  // RFC 5321 section 4.5.3.1.5 allows 512 octets a line; real servers say more.
  static constexpr std::size_t max_line_bytes = 4096;
  static constexpr std::size_t max_lines = 128;
  static constexpr std::size_t max_reply_bytes = std::size_t{64} * 1024;

  enum class Status : std::uint8_t { need_more, reply, malformed };
  struct Fed {
    Status status;
    std::size_t consumed;  // of the bytes given; with `reply` the rest belongs to the next one
  };

  // Reads up to the end of one reply. A line may end in a bare LF: some servers' do, and nothing
  // is decided by it. After `malformed` the parser stays so: the connection can only be closed.
  Fed feed(std::string_view bytes);

  // The reply that feed() announced; its text stays valid until the next feed().
  [[nodiscard]] Reply reply() const { return {code_, status_, text_}; }
  // Why the last feed() said `malformed`, with the beginning of the offending line.
  [[nodiscard]] std::string describe_malformed() const;
  // Part of a reply was read. Must be false when TLS starts (CVE-2011-0411).
  [[nodiscard]] bool in_the_middle() const {
    return !partial_.empty() || (lines_ != 0 && !complete_);
  }

 private:
  Status take(std::string_view line);
  Status refuse(std::string_view reason, std::string_view line);
  void begin();

  std::string partial_;  // the beginning of a line whose end has not come yet
  std::string text_;
  std::string_view malformed_;  // the reason; empty while all is well
  mail::EnhancedStatus status_;
  int code_ = 0;
  std::size_t lines_ = 0;
  std::size_t bytes_ = 0;
  bool complete_ = false;
};

}  // namespace ringpost::smtp
