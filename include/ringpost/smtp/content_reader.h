// A message's content: the bytes between DATA and its final dot, where CRLF.CRLF and nothing else
// is the end and dot-stuffing is taken out (RFC 5321 section 4.5.2), or those of BDAT chunks, taken
// as they are (RFC 3030). Either way it refuses what no two servers read alike: bare CR, bare LF,
// NUL. Owns the growing content. Called by ServerSession; knows no replies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringpost::smtp {

enum class ContentFault : std::uint8_t {
  none,
  bare_cr,
  bare_lf,
  nul,
  long_line,
  too_big,
  no_memory
};

enum class ContentEnd : std::uint8_t { dot, last_chunk };

class ContentReader {
 public:
  struct Limits {
    std::size_t size;         // of the content, without prefix, dot-stuffing and final dot
    std::size_t line_length;  // of a line, its CRLF included
  };

  // `prefix` is what the content begins with: the trace field. `expected_size` is what the client
  // or experience says of the rest; it only saves copies.
  void start(std::string_view prefix, std::size_t expected_size, Limits limits,
             ContentEnd end = ContentEnd::dot);

  struct Progress {
    std::size_t consumed;
    bool done;  // the final dot was the last thing consumed
  };
  // Consumes all of `bytes` or up to and including the final dot. After a fault the rest is
  // read in no memory at all, up to the same end.
  Progress feed(std::string_view bytes);

  // With ContentEnd::last_chunk: so many bytes will be fed next. Too many are not even kept.
  void announce(std::uint64_t bytes);
  // With ContentEnd::last_chunk: that was all. Adds the CRLF at the very end where it is missing.
  void finish();

  // What it takes in memory so far; room for more, without copying it again and again.
  [[nodiscard]] std::size_t size() const { return content_.size(); }
  void reserve(std::size_t bytes) { content_.reserve(bytes); }
  // The rest is read and not kept.
  void give_up() { fail(ContentFault::no_memory); }

  // The first thing wrong in the order of the bytes, and the line, from 1, that it is in.
  [[nodiscard]] ContentFault fault() const { return fault_; }
  [[nodiscard]] std::uint64_t fault_line() const { return line_; }
  [[nodiscard]] bool eight_bit() const { return eight_bit_; }
  [[nodiscard]] std::string take_content();

 private:
  // What the last byte was.
  enum class State : std::uint8_t { line_start, in_line, carriage_return, dot, dot_return, done };

  std::size_t skim(std::string_view bytes);
  std::optional<std::size_t> take(std::string_view bytes);
  bool append_run(std::string_view run, std::size_t line_ends);
  void step(char c);
  void step_in_line(char c);
  void append(char c);
  void fail(ContentFault fault);

  Limits limits_{};
  std::string content_;
  std::size_t prefix_size_ = 0;
  ContentEnd end_ = ContentEnd::dot;
  std::uint64_t line_ = 1;
  std::size_t line_length_ = 0;  // of the line begun, as far as it is read, without its CRLF
  State state_ = State::done;
  ContentFault fault_ = ContentFault::none;
  bool eight_bit_ = false;
};

}  // namespace ringpost::smtp
