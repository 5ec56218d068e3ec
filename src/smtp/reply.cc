#include "ringpost/smtp/reply.h"

#include <algorithm>
#include <cstring>

#include "ringpost/base/text.h"

namespace ringpost::smtp {
namespace {

constexpr std::size_t code_length = 3;

// Only what RFC 5321 calls a textstring gets on; control characters could forge lines in logs
// and reports, bytes above 127 have no known character set.
void append_printable(std::string& out, std::string_view line) {
  const std::size_t start = out.size();
  out.append(line);
  for (std::size_t at = start; at < out.size(); ++at) {
    const char c = out[at];
    if (c < ' ' || c > '~') [[unlikely]] {
      out[at] = c == '\t' || c == '\r' ? ' ' : '?';
    }
  }
}

// Whether `line`, perhaps not yet whole, can begin a reply line: `2`…`5`, two digits, then a
// space, a hyphen or the line's end.
bool plausible(std::string_view line) {
  if (!line.empty() && (line[0] < '2' || line[0] > '5')) {
    return false;
  }
  for (std::size_t at = 1; at < std::min(code_length, line.size()); ++at) {
    if (!is_digit(line[at])) {
      return false;
    }
  }
  return line.size() <= code_length || line[code_length] == ' ' || line[code_length] == '-' ||
         line[code_length] == '\r';
}

}  // namespace

std::string shown(const Reply& reply) {
  std::string lines;
  std::string_view rest = reply.text;
  do {
    const std::string_view line = take_line(rest);
    lines += std::to_string(reply.code);
    lines += rest.empty() ? ' ' : '-';
    lines += line;
    lines += '\n';
  } while (!rest.empty());
  return lines;
}

std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

std::string one_line(const Reply& reply) {
  std::string out = std::to_string(reply.code);
  std::string_view rest = reply.text;
  bool first = true;
  while (!rest.empty() && out.size() < shown_reply_bytes) {
    std::string_view line = take_line(rest);
    if (!first && reply.status.known() && mail::parse_enhanced_status(line) == reply.status) {
      line.remove_prefix(std::min(line.size(), line.find(' ')));
    }
    first = false;
    line = trim(line);
    if (!line.empty()) {
      out += ' ';
      out += line;
    }
  }
  if (out.size() > shown_reply_bytes) {
    out.resize(shown_reply_bytes);
  }
  return out;
}

void ReplyParser::begin() {
  text_.clear();
  status_ = {};
  code_ = 0;
  lines_ = 0;
  bytes_ = 0;
  complete_ = false;
}

ReplyParser::Fed ReplyParser::feed(std::string_view bytes) {
  if (!malformed_.empty()) {
    return {Status::malformed, 0};
  }
  if (complete_) {
    begin();
  }
  std::size_t consumed = 0;
  while (consumed < bytes.size()) {
    const std::string_view rest = bytes.substr(consumed);
    const void* const newline = std::memchr(rest.data(), '\n', rest.size());
    const std::size_t length =
        newline == nullptr
            ? rest.size()
            : static_cast<std::size_t>(static_cast<const char*>(newline) - rest.data());
    std::string_view line = rest.substr(0, length);
    if (partial_.size() + length > max_line_bytes) {
      return {refuse("a reply line is too long", partial_.empty() ? line : partial_), consumed};
    }
    if (newline == nullptr) {
      partial_.append(line);
      if (!plausible(partial_)) {
        return {refuse("not an SMTP reply", partial_), consumed};
      }
      return {Status::need_more, bytes.size()};
    }
    if (!partial_.empty()) {
      partial_.append(line);
      line = partial_;
    }
    consumed += length + 1;
    const Status status = take(line);
    partial_.clear();
    if (status != Status::need_more) {
      return {status, consumed};
    }
  }
  return {Status::need_more, consumed};
}

ReplyParser::Status ReplyParser::take(std::string_view line) {
  bytes_ += line.size() + 1;
  if (line.ends_with('\r')) {
    line.remove_suffix(1);
  }
  if (line.size() < code_length || !plausible(line)) {
    return refuse("not an SMTP reply", line);
  }
  const int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  if (lines_ != 0 && code != code_) {
    return refuse("the reply code changes within one reply", line);
  }
  if (++lines_ > max_lines || bytes_ > max_reply_bytes) {
    return refuse("a reply is too long", line);
  }
  const bool last = line.size() == code_length || line[code_length] != '-';
  line.remove_prefix(std::min(line.size(), code_length + 1));
  if (lines_ == 1) {
    code_ = code;
    const auto status = mail::parse_enhanced_status(line);
    // RFC 2034 section 4: the class agrees with the reply code, or the status means nothing.
    if (status && status->status_class == code / 100) {
      status_ = *status;
    }
  } else {
    text_ += '\n';
  }
  append_printable(text_, line);
  complete_ = last;
  return last ? Status::reply : Status::need_more;
}

ReplyParser::Status ReplyParser::refuse(std::string_view reason, std::string_view line) {
  constexpr std::size_t excerpt = 80;
  malformed_ = reason;
  std::string shown;
  append_printable(shown, line.substr(0, excerpt));
  text_ = std::move(shown);
  return Status::malformed;
}

std::string ReplyParser::describe_malformed() const {
  return std::string(malformed_) + ": " + text_;
}

}  // namespace ringpost::smtp
