// Cuts what a client sends into command lines, in bounded memory. Called by ServerSession. Only
// CRLF ends a line: a bare LF is a malformed command, never two commands (that would be smuggling).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringpost::smtp {

struct CommandLine {
  enum class Problem : std::uint8_t { none, too_long, control_character };
  std::string_view text;  // without CRLF; empty after a problem; valid until the next call
  Problem problem = Problem::none;
};

class CommandLineReader {
 public:
  // `max_length` counts the CRLF. Longer lines are read past without keeping them.
  explicit CommandLineReader(std::size_t max_length) : max_length_(max_length) {}

  // Reads from `bytes` at `at`, which moves behind what was used: a line, or all of `bytes`.
  std::optional<CommandLine> next(std::string_view bytes, std::size_t& at);

 private:
  std::size_t max_length_;
  std::string begun_;      // a line whose end has not come yet
  char last_ = '\0';       // the last byte of that line so far
  bool too_long_ = false;  // that line is, and `begun_` no longer grows
  bool finished_ = false;  // `begun_` was given out and goes with the next call
};

}  // namespace ringpost::smtp
