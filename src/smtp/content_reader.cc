#include "ringpost/smtp/content_reader.h"

#include <algorithm>
#include <utility>

#include "ringpost/base/check.h"
#include "ringpost/mail/byte_scan.h"

namespace ringpost::smtp {
namespace {

// A client's word alone does not make us reserve more than this.
constexpr std::size_t most_reserved = std::size_t{1} << 20;

}  // namespace

void ContentReader::start(std::string_view prefix, std::size_t expected_size, Limits limits,
                          ContentEnd end) {
  limits_ = limits;
  end_ = end;
  content_.clear();
  content_.reserve(prefix.size() + std::min(expected_size, most_reserved));
  content_.append(prefix);
  prefix_size_ = prefix.size();
  line_ = 1;
  line_length_ = 0;
  state_ = State::line_start;
  fault_ = ContentFault::none;
  eight_bit_ = false;
}

std::string ContentReader::take_content() {
  check(state_ == State::done && fault_ == ContentFault::none, "content is taken when it is whole");
  return std::exchange(content_, {});
}

void ContentReader::announce(std::uint64_t bytes) {
  if (fault_ != ContentFault::none) {
    return;
  }
  if (bytes > limits_.size - std::min(limits_.size, content_.size() - prefix_size_)) {
    fail(ContentFault::too_big);
  }
}

void ContentReader::finish() {
  check(end_ == ContentEnd::last_chunk && state_ != State::done, "chunks end once");
  if (state_ == State::carriage_return) {
    fail(ContentFault::bare_cr);
  }
  if (state_ == State::in_line && fault_ == ContentFault::none) {
    content_.append("\r\n");  // the limits count what the client sent
  }
  state_ = State::done;
}

// Three ways to read, one meaning. step() is exact, a byte at a time; it decides at the seams of
// buffers and wherever something is wrong. take() reads a whole buffer at the speed of memchr and
// backs out, nothing changed, if anything looks wrong. skim() looks for the end alone.
ContentReader::Progress ContentReader::feed(std::string_view bytes) {
  std::size_t at = 0;
  while (at < bytes.size() && state_ != State::done) {
    if (state_ != State::line_start && state_ != State::in_line) {
      step(bytes[at++]);
    } else if (fault_ != ContentFault::none) {
      at += skim(bytes.substr(at));
    } else if (const auto taken = take(bytes.substr(at))) {
      at += *taken;
    } else {
      while (at < bytes.size() && state_ != State::done && fault_ == ContentFault::none) {
        step(bytes[at++]);
      }
    }
  }
  return {at, state_ == State::done};
}

// Reads on as far as it can without a decision of step(), and always at least one byte.
std::size_t ContentReader::skim(std::string_view bytes) {
  std::size_t at = 0;
  bool line_start = state_ == State::line_start;
  while (at < bytes.size()) {
    if (line_start && bytes[at] == '.' && end_ == ContentEnd::dot) {
      state_ = State::dot;
      return at + 1;
    }
    const std::size_t line_feed = bytes.find('\n', at);
    if (line_feed == std::string_view::npos) {
      state_ = bytes.back() == '\r' ? State::carriage_return : State::in_line;
      return bytes.size();
    }
    line_start = line_feed > at && bytes[line_feed - 1] == '\r';
    at = line_feed + 1;
  }
  state_ = line_start ? State::line_start : State::in_line;
  return at;
}

// Nothing if anything may be wrong with `bytes`; then step() reads them from where we were.
std::optional<std::size_t> ContentReader::take(std::string_view bytes) {
  const std::size_t old_size = content_.size();
  std::size_t at = 0;
  std::size_t run = 0;        // the first byte not yet appended
  std::size_t line_ends = 0;  // in that run, up to `at`
  std::uint64_t line = line_;
  std::size_t begun = line_length_;  // of this line, before `at`
  State state = state_;
  // What remains of the run goes in up to `end`, and the next one begins at `next`.
  const auto flush = [&](std::size_t end, std::size_t next) {
    const bool sound = append_run(bytes.substr(run, end - run), std::exchange(line_ends, 0));
    run = next;
    return sound;
  };
  bool sound = true;
  while (sound && at < bytes.size()) {
    if (state == State::line_start && bytes[at] == '.' && end_ == ContentEnd::dot) {
      sound = flush(at, at + 1);
      ++at;
      if (bytes.substr(at).starts_with("\r\n")) {
        state = State::done;
        run = at += 2;
        break;
      }
      if (at == bytes.size() || bytes[at] == '\r') {
        state = State::dot;  // for step() to decide
        break;
      }
    }
    const std::size_t line_feed = bytes.find('\n', at);
    if (line_feed == std::string_view::npos) {
      const std::size_t end = bytes.size() - (bytes.back() == '\r' ? 1 : 0);
      state = end < bytes.size() ? State::carriage_return : State::in_line;
      begun += end - at;
      sound = sound && begun + 2 <= limits_.line_length && flush(end, bytes.size());
      at = bytes.size();
      break;
    }
    sound = sound && line_feed > at && bytes[line_feed - 1] == '\r' &&
            begun + (line_feed + 1 - at) <= limits_.line_length;
    ++line;
    ++line_ends;
    begun = 0;
    at = line_feed + 1;
    state = State::line_start;
  }
  if (!sound || !flush(at, at)) {
    content_.resize(old_size);
    return std::nullopt;
  }
  line_ = line;
  line_length_ = begun;
  state_ = state;
  return at;
}

// False if the run holds something else than text in `line_ends` well-ended lines, or is too much.
bool ContentReader::append_run(std::string_view run, std::size_t line_ends) {
  if (run.size() > limits_.size - (content_.size() - prefix_size_)) {
    return false;
  }
  const mail::ByteSummary summary = mail::summarize_bytes(run);
  if (summary.nul || summary.carriage_returns != line_ends) {
    return false;
  }
  eight_bit_ = eight_bit_ || summary.eight_bit;
  content_.append(run);
  return true;
}

void ContentReader::step(char c) {
  switch (state_) {
    case State::line_start:
      if (c == '.' && end_ == ContentEnd::dot) {
        state_ = State::dot;
        return;
      }
      return step_in_line(c);
    case State::dot:
      if (c == '\r') {
        state_ = State::dot_return;
        return;
      }
      return step_in_line(c);  // the dot was stuffing
    case State::dot_return:
      if (c == '\n') {
        state_ = State::done;
        return;
      }
      fail(ContentFault::bare_cr);
      return step_in_line(c);
    case State::carriage_return:
      if (c == '\n') {
        append('\r');
        append('\n');
        if (fault_ == ContentFault::none) {
          ++line_;
        }
        line_length_ = 0;
        state_ = State::line_start;
        return;
      }
      fail(ContentFault::bare_cr);
      return step_in_line(c);
    case State::in_line:
      return step_in_line(c);
    case State::done:
      return;
  }
}

void ContentReader::step_in_line(char c) {
  state_ = State::in_line;
  if (c == '\r') {
    state_ = State::carriage_return;
  } else if (c == '\n') {
    fail(ContentFault::bare_lf);
  } else if (c == '\0') {
    fail(ContentFault::nul);
  } else if (++line_length_ + 2 > limits_.line_length) {
    fail(ContentFault::long_line);
  } else {
    eight_bit_ = eight_bit_ || static_cast<unsigned char>(c) > 127;
    append(c);
  }
}

void ContentReader::append(char c) {
  if (fault_ != ContentFault::none) {
    return;
  }
  if (content_.size() - prefix_size_ >= limits_.size) {
    fail(ContentFault::too_big);
    return;
  }
  content_.push_back(c);
}

void ContentReader::fail(ContentFault fault) {
  if (fault_ == ContentFault::none) {
    fault_ = fault;
    std::string().swap(content_);  // assigning would keep the memory
  }
}

}  // namespace ringpost::smtp
