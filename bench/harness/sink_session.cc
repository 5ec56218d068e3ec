#include "harness/sink_session.h"

#include <algorithm>
#include <cstring>

#include "ringpost/base/text.h"

namespace ringpost::bench {
namespace {

constexpr std::size_t max_command_line = 4096;
constexpr std::size_t max_content = std::size_t{256} << 20;
// Kept between messages; what a large one took beyond it goes back.
constexpr std::size_t kept_capacity = 64 * 1024;

// What stands between < and >, or nothing.
std::string_view path_of(std::string_view argument) {
  const std::size_t from = argument.find('<');
  const std::size_t to = argument.find('>');
  if (from == std::string_view::npos || to == std::string_view::npos || to < from) {
    return {};
  }
  return argument.substr(from + 1, to - from - 1);
}

}  // namespace

std::size_t ContentReader::feed(std::string_view bytes, std::string& content) {
  std::size_t used = 0;
  while (used < bytes.size() && state_ != State::done) {
    if (state_ == State::inside) {
      used += feed_inside(bytes.substr(used), content);
    } else {
      feed_byte(bytes[used++], content);
    }
  }
  return used;
}

// From the middle of a line on, up to a dot at the start of one: dots are rare.
std::size_t ContentReader::feed_inside(std::string_view bytes, std::string& content) {
  std::size_t dot = bytes.find('.');
  while (dot != std::string_view::npos &&
         (dot < 2 || bytes[dot - 1] != '\n' || bytes[dot - 2] != '\r')) {
    dot = bytes.find('.', dot + 1);
  }
  if (dot != std::string_view::npos) {
    content.append(bytes.substr(0, dot));
    state_ = State::dot;
    return dot + 1;
  }
  content.append(bytes);
  if (bytes.ends_with("\r\n")) {
    state_ = State::line_start;
  } else if (bytes.ends_with('\r')) {
    state_ = State::after_cr;
  }
  return bytes.size();
}

void ContentReader::feed_byte(char c, std::string& content) {
  if (state_ == State::line_start && c == '.') {
    state_ = State::dot;
    return;
  }
  if (state_ == State::dot && c == '\r') {
    state_ = State::dot_cr;
    return;
  }
  if (state_ == State::dot_cr) {
    if (c == '\n') {
      state_ = State::done;
      return;
    }
    content += '\r';
    state_ = State::after_cr;
  }
  content += c;
  if (c == '\r') {
    state_ = State::after_cr;
  } else {
    state_ = state_ == State::after_cr && c == '\n' ? State::line_start : State::inside;
  }
}

bool SinkSession::feed(std::string_view bytes, Instant now, std::string& replies) {
  while (!bytes.empty()) {
    if (in_content_) {
      bytes.remove_prefix(reader_.feed(bytes, content_));
      if (reader_.done()) {
        message_done(now, replies);
      } else if (content_.size() > max_content) {
        return false;
      }
      continue;
    }
    if (in_chunk_) {
      bytes.remove_prefix(feed_chunk(bytes, now, replies));
      continue;
    }
    const std::size_t end = bytes.find('\n');
    if (end == std::string_view::npos) {
      partial_ += bytes;
      return partial_.size() <= max_command_line;
    }
    std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end + 1);
    if (!partial_.empty()) {
      partial_ += line;
      line = partial_;
    }
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    const bool go_on = command(line, replies);
    partial_.clear();
    if (!go_on) {
      return false;
    }
  }
  return true;
}

bool SinkSession::command(std::string_view line, std::string& replies) {
  const std::string_view verb = line.substr(0, std::min<std::size_t>(4, line.size()));
  if (equals_ignoring_case(verb, "MAIL")) {
    has_sender_ = true;
    recipients_.clear();
    replies += "250 2.1.0 ok\r\n";
  } else if (equals_ignoring_case(verb, "RCPT")) {
    const std::string_view path = path_of(line.substr(4));
    if (!has_sender_ || path.empty()) {
      replies += has_sender_ ? "501 5.5.4 no path\r\n" : "503 5.5.1 MAIL first\r\n";
      return true;
    }
    recipients_ += path;
    recipients_ += '\n';
    replies += "250 2.1.5 ok\r\n";
  } else if (equals_ignoring_case(verb, "DATA")) {
    if (recipients_.empty()) {
      replies += "503 5.5.1 RCPT first\r\n";
      return true;
    }
    in_content_ = true;
    reader_.restart();
    replies += "354 go on\r\n";
  } else if (offers_.chunking && equals_ignoring_case(verb, "BDAT")) {
    return begin_chunk(line.substr(4));
  } else if (offers_.tls && !tls_ && equals_ignoring_case(line, "STARTTLS")) {
    tls_ = tls_wanted_ = true;
    has_sender_ = false;
    recipients_.clear();
    replies += "220 2.0.0 go ahead\r\n";
  } else if (equals_ignoring_case(verb, "EHLO")) {
    hello(replies);
  } else if (equals_ignoring_case(verb, "HELO") || equals_ignoring_case(verb, "NOOP")) {
    replies += "250 sink.test\r\n";
  } else if (equals_ignoring_case(verb, "RSET")) {
    has_sender_ = false;
    recipients_.clear();
    content_.clear();
    replies += "250 2.0.0 ok\r\n";
  } else if (equals_ignoring_case(verb, "QUIT")) {
    replies += "221 2.0.0 bye\r\n";
    return false;
  } else {
    replies += "502 5.5.1 not here\r\n";
  }
  return true;
}

// RFC 3030. False for a size that nobody should wait for.
bool SinkSession::begin_chunk(std::string_view argument) {
  argument = trim(argument);
  const std::size_t space = argument.find(' ');
  const auto size = parse_number(argument.substr(0, space));
  if (!size || *size == 0 || content_.size() + *size > max_content) {
    return false;
  }
  last_chunk_ = space != std::string_view::npos;
  chunk_left_ = *size;
  in_chunk_ = true;
  return true;
}

std::size_t SinkSession::feed_chunk(std::string_view bytes, Instant now, std::string& replies) {
  bytes = bytes.substr(0, chunk_left_);
  chunk_left_ -= bytes.size();
  content_ += bytes;
  if (chunk_left_ > 0) {
    return bytes.size();
  }
  in_chunk_ = false;
  if (recipients_.empty()) {
    content_.clear();
    replies += "503 5.5.1 RCPT first\r\n";
  } else if (last_chunk_) {
    message_done(now, replies);
  } else {
    replies += "250 2.0.0 ok\r\n";
  }
  return bytes.size();
}

void SinkSession::hello(std::string& replies) const {
  replies += "250-sink.test\r\n";
  if (offers_.pipelining) {
    replies += "250-PIPELINING\r\n";
  }
  if (offers_.chunking) {
    replies += "250-CHUNKING\r\n";
  }
  if (offers_.eight_bit) {
    replies += "250-8BITMIME\r\n";
  }
  if (offers_.size) {
    replies += "250-SIZE 268435456\r\n";
  }
  if (offers_.tls && !tls_) {
    replies += "250-STARTTLS\r\n";
  }
  replies += "250 ENHANCEDSTATUSCODES\r\n";
}

void SinkSession::message_done(Instant now, std::string& replies) {
  in_content_ = false;
  arrivals_.message(connection_, recipients_, content_, now);
  has_sender_ = false;
  recipients_.clear();
  content_.clear();
  if (content_.capacity() > kept_capacity) {
    content_.shrink_to_fit();
  }
  replies += "250 2.0.0 ok\r\n";
}

}  // namespace ringpost::bench
