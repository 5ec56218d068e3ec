#include "ringpost/control/http.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "ringpost/base/text.h"

namespace ringpost::control {
namespace {

constexpr std::size_t max_fields = 100;

// RFC 9110 section 5.6.2.
bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    const char lower = ascii_lower(c);
    return (lower >= 'a' && lower <= 'z') || is_digit(c) ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool is_visible(char c) {
  return c > ' ' && c < '\x7f';
}

// Tab, space, visible characters and bytes above 127 (RFC 9110 section 5.5).
bool is_field_value(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return c == '\t' || (byte >= 0x20 && byte != 0x7f);
  });
}

bool is_version(std::string_view text) {
  return text == "HTTP/1.1" || text == "HTTP/1.0";
}

std::string_view reason_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 431:
      return "Request Header Fields Too Large";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return status < 500 ? "Refused" : "Failed";
  }
}

}  // namespace

bool HttpReader::malformed(int status, std::string why) {
  state_ = ReadState::malformed;
  fault_status_ = status;
  fault_ = std::move(why);
  return false;
}

HttpReader::Progress HttpReader::feed(std::string_view bytes) {
  std::size_t used = 0;
  while (!head_done_ && used < bytes.size() && state_ == ReadState::need_more) {
    head_ += bytes[used++];
    if (head_.ends_with("\r\n\r\n")) {
      head_done_ = read_head();
    } else if (head_.size() == max_head_bytes) {
      malformed(431, fmt::format("the header is longer than {} bytes", max_head_bytes));
    }
  }
  if (head_done_ && state_ == ReadState::need_more) {
    const std::string_view rest = bytes.substr(used, length_ - body_.size());
    body_ += rest;
    used += rest.size();
    if (body_.size() == length_) {
      state_ = ReadState::done;
    }
  }
  return {state_, used};
}

bool HttpReader::read_head() {
  std::string_view rest = std::string_view(head_).substr(0, head_.size() - 2);
  bool first = true;
  while (!rest.empty()) {
    const std::size_t end = rest.find("\r\n");
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 2);
    if (!(first ? read_first_line(line) : read_field(line))) {
      return false;
    }
    first = false;
  }
  return read_length();
}

bool HttpReader::read_field(std::string_view line) {
  if (line.starts_with(' ') || line.starts_with('\t')) {
    return malformed(400, "a header line is folded");
  }
  const std::size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  if (colon == std::string_view::npos || !is_token(name)) {
    return malformed(400, "a header line has no field name");
  }
  const std::string_view value = trim(line.substr(colon + 1));
  if (!is_field_value(value)) {
    return malformed(400, "a header line has a control character");
  }
  if (fields_.size() == max_fields) {
    return malformed(431, fmt::format("there are more than {} header lines", max_fields));
  }
  fields_.push_back(Field{to_lower(name), std::string(value)});
  return true;
}

bool HttpReader::read_length() {
  // Two ways to tell where a body ends are how requests get smuggled (RFC 9112 section 6.3).
  std::optional<std::string_view> length;
  for (const Field& field : fields_) {
    if (field.name == "transfer-encoding") {
      return malformed(501, "transfer encodings are not supported");
    }
    if (field.name == "content-length") {
      if (length) {
        return malformed(400, "there is more than one Content-Length");
      }
      length = field.value;
    }
  }
  if (!length) {
    return !length_required_ || malformed(400, "there is no Content-Length");
  }
  const auto number = parse_number(*length);
  if (!number) {
    return malformed(400, "Content-Length is not a number");
  }
  if (*number > max_body_) {
    return malformed(413, fmt::format("the body is longer than {} bytes", max_body_));
  }
  length_ = *number;
  return true;
}

std::string_view HttpReader::field(std::string_view lower_case_name) const {
  const auto found = std::ranges::find(fields_, lower_case_name, &Field::name);
  return found == fields_.end() ? std::string_view() : std::string_view(found->value);
}

bool RequestReader::read_first_line(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos || line.find(' ', second + 1) != std::string_view::npos) {
    return malformed(400, "the request line is not METHOD TARGET VERSION");
  }
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, second - first - 1);
  const std::string_view version = line.substr(second + 1);
  if (!target.starts_with('/') || !std::ranges::all_of(target, is_visible)) {
    return malformed(400, "the request's target is not a path");
  }
  if (!is_version(version)) {
    const bool shaped = version.size() == 8 && version.starts_with("HTTP/") &&
                        is_digit(version[5]) && version[6] == '.' && is_digit(version[7]);
    return shaped ? malformed(505, "only HTTP/1.1 is spoken here")
                  : malformed(400, "the request line has no HTTP version");
  }
  if (method != "GET" && method != "POST") {
    return is_token(method) ? malformed(501, "only GET and POST are supported")
                            : malformed(400, "the request line has no method");
  }
  method_ = method;
  target_ = target;
  return true;
}

bool ResponseReader::read_first_line(std::string_view line) {
  // "HTTP/1.1 200 OK"; the reason may be empty or missing.
  constexpr std::size_t shortest = 12;
  const bool shaped = line.size() >= shortest && is_version(line.substr(0, 8)) && line[8] == ' ' &&
                      (line.size() == shortest || line[shortest] == ' ') && is_field_value(line);
  const auto status = shaped ? parse_number(line.substr(9, 3)) : std::nullopt;
  if (!status || *status < 200 || *status > 599) {
    return malformed(400, "the answer has no HTTP status");
  }
  status_ = static_cast<int>(*status);
  return true;
}

std::string format_request(std::string_view method, std::string_view target,
                           std::string_view body) {
  return fmt::format(
      "{} {} HTTP/1.1\r\nHost: ringpost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}",
      method, target, body.size(), body);
}

std::string format_response(int status, std::string_view content_type, std::string_view body) {
  return fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n"
      "Cache-Control: no-store\r\n\r\n{}",
      status, reason_of(status), content_type, body.size(), body);
}

}  // namespace ringpost::control
