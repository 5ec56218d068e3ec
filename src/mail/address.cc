#include "ringpost/mail/address.h"

#include <array>

#include "ringpost/base/text.h"
#include "ringpost/mail/byte_scan.h"
#include "ringpost/mail/utf8.h"

namespace ringpost::mail {
namespace {

enum : std::uint8_t { local_byte = 1, label_byte = 2, literal_byte = 4, quoted_byte = 8 };

constexpr std::array<std::uint8_t, 256> classify_bytes() {
  std::array<std::uint8_t, 256> classes{};
  for (std::size_t byte = 32; byte < 127; ++byte) {
    const char c = static_cast<char>(byte);
    const bool alphanumeric = is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
    if (alphanumeric ||
        std::string_view("!#$%&'*+-/=?^_`{|}~.").find(c) != std::string_view::npos) {
      classes[byte] |= local_byte;  // atext, RFC 5322 section 3.2.3, and the dot
    }
    if (alphanumeric || c == '-' || c == '_') {
      classes[byte] |= label_byte;  // names with underscores receive mail in practice
    }
    if (c > ' ' && c != '[' && c != '\\' && c != ']') {
      classes[byte] |= literal_byte;  // dcontent, RFC 5321 section 4.1.3
    }
    if (c != '"' && c != '\\') {
      classes[byte] |= quoted_byte;  // qtextSMTP, RFC 5321 section 4.1.2
    }
  }
  return classes;
}

constexpr std::array<std::uint8_t, 256> byte_classes = classify_bytes();

bool is(char c, std::uint8_t byte_class) {
  return (byte_classes[static_cast<unsigned char>(c)] & byte_class) != 0;
}

std::unexpected<PathError> refuse(PathProblem problem, std::string_view reason) {
  return std::unexpected(PathError{problem, reason});
}

// Reads one path from left to right. Every step leaves `at_` on the first byte it did not take.
class PathReader {
 public:
  explicit PathReader(std::string_view text) : text_(text) {}

  std::expected<Path, PathError> read() {
    if (peek() != '<') {
      return refuse(PathProblem::syntax, "the address must stand in angle brackets");
    }
    ++at_;
    if (peek() == '>') {
      return Path{text_.substr(at_, 0), 2};
    }
    if (peek() == '@' && !skip_route()) {
      return wrong_byte("the source route is malformed");
    }
    const std::size_t begin = at_;
    if (!skip_local_part() || at_ == begin) {
      return wrong_byte("the local part is malformed");
    }
    const std::size_t local_size = at_ - begin;
    if (peek() == '>') {
      return refuse(PathProblem::no_domain, "the address has no domain");
    }
    if (peek() != '@') {
      return wrong_byte("the local part contains a character that must be quoted");
    }
    ++at_;
    const std::size_t domain_begin = at_;
    if (!(peek() == '[' ? skip_literal() : skip_domain())) {
      return wrong_byte("the domain is malformed");
    }
    if (peek() != '>') {
      return wrong_byte("the closing angle bracket is missing");
    }
    const std::size_t size = at_ - begin;
    if (local_size > max_local_part) {
      return refuse(PathProblem::too_long, "the local part is longer than 64 bytes");
    }
    if (at_ - domain_begin > max_domain || size + 2 > max_path) {
      return refuse(PathProblem::too_long, "the address is longer than 254 bytes");
    }
    return Path{text_.substr(begin, size), at_ + 1, non_ascii_};
  }

 private:
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  [[nodiscard]] std::unexpected<PathError> wrong_byte(std::string_view reason) const {
    if (static_cast<unsigned char>(peek()) > 127) {
      return refuse(PathProblem::bad_utf8, "the address is neither ASCII nor UTF-8");
    }
    return refuse(PathProblem::syntax, reason);
  }

  void skip_all(std::uint8_t byte_class) {
    while (at_ < text_.size()) {
      if (is(text_[at_], byte_class)) {
        ++at_;
        continue;
      }
      const std::size_t length = utf8_length(text_.substr(at_));
      if (length == 0) {
        return;
      }
      at_ += length;
      non_ascii_ = true;
    }
  }

  // @host,@host: and the mailbox behind it.
  bool skip_route() {
    while (peek() == '@') {
      ++at_;
      if (!skip_domain()) {
        return false;
      }
      if (peek() == ',') {
        ++at_;
      }
    }
    if (peek() != ':') {
      return false;
    }
    ++at_;
    return true;
  }

  bool skip_local_part() {
    if (peek() != '"') {
      skip_all(local_byte);
      return true;
    }
    ++at_;
    for (;;) {
      skip_all(quoted_byte);
      if (peek() == '"') {
        ++at_;
        return true;
      }
      if (peek() != '\\') {
        return false;
      }
      ++at_;
      if (peek() < 32 || peek() > 126) {
        return false;  // quoted-pairSMTP
      }
      ++at_;
    }
  }

  bool skip_literal() {
    ++at_;
    const std::size_t begin = at_;
    while (is(peek(), literal_byte)) {
      ++at_;
    }
    if (peek() != ']' || at_ == begin) {
      return false;
    }
    ++at_;
    return true;
  }

  // Labels of 1 to 63 bytes (RFC 1035 section 2.3.4), perhaps with a trailing dot. A U-label's
  // length is that of its A-label.
  bool skip_domain() {
    for (bool first = true;; first = false) {
      const std::size_t begin = at_;
      skip_all(label_byte);
      const std::string_view label = text_.substr(begin, at_ - begin);
      if (label.empty()) {
        return !first && static_cast<unsigned char>(peek()) < 128 && peek() != '.';
      }
      if ((label.size() > 63 && !has_eight_bit(label)) || label.front() == '-' ||
          label.back() == '-') {
        return false;
      }
      if (peek() != '.') {
        return true;
      }
      ++at_;
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool non_ascii_ = false;
};

}  // namespace

std::expected<Path, PathError> parse_path(std::string_view text) {
  return PathReader(text).read();
}

Address split_address(std::string_view address) {
  const std::size_t at = address.rfind('@');  // a quoted local part may contain one, a domain not
  if (at == std::string_view::npos) {
    return {address, {}};
  }
  return {address.substr(0, at), address.substr(at + 1)};
}

std::string_view domain_of(std::string_view address) {
  return split_address(address).domain;
}

std::string normalized_domain(std::string_view domain) {
  if (domain.ends_with('.')) {
    domain.remove_suffix(1);
  }
  return to_lower(domain);
}

}  // namespace ringpost::mail
