#include "ringpost/mail/xtext.h"

namespace ringpost::mail {
namespace {

int upper_hex(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// Takes one character off the front of `text`; nothing if it is malformed. `+` and two upper-case
// digits stand for any character; the others but `+` and `=` for themselves.
std::optional<char> take_character(std::string_view& text) {
  char c = text.front();
  std::size_t length = 1;
  if (c == '+') {
    if (text.size() < 3 || upper_hex(text[1]) < 0 || upper_hex(text[2]) < 0) {
      return std::nullopt;
    }
    c = static_cast<char>(upper_hex(text[1]) * 16 + upper_hex(text[2]));
    length = 3;
  } else if (c == '=' || c == ' ') {
    return std::nullopt;
  }
  if (c < ' ' || c > '~') {
    return std::nullopt;
  }
  text.remove_prefix(length);
  return c;
}

}  // namespace

std::optional<std::string> decode_xtext(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::optional<char> c = take_character(text);
    if (!c) {
      return std::nullopt;
    }
    out += *c;
  }
  return out;
}

std::optional<std::size_t> xtext_length(std::string_view text) {
  std::size_t length = 0;
  for (; !text.empty(); ++length) {
    if (!take_character(text)) {
      return std::nullopt;
    }
  }
  return length;
}

}  // namespace ringpost::mail
