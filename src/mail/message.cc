#include "ringpost/mail/message.h"

#include "ringpost/base/text.h"

namespace ringpost::mail {
namespace {

constexpr std::string_view alphabet = "0123456789abcdefghijklmnopqrstuv";
constexpr std::size_t id_length = 13;

}  // namespace

std::string MessageId::to_string() const {
  std::string text(id_length, '0');
  std::uint64_t rest = value;
  for (std::size_t at = id_length; at-- > 0; rest >>= 5) {
    text[at] = alphabet[rest & 31];
  }
  return text;
}

MessageId parse_message_id(std::string_view text) {
  if (text.size() != id_length || alphabet.find(ascii_lower(text[0])) > 15) {
    return {};  // the first character holds only the top four bits
  }
  std::uint64_t value = 0;
  for (const char c : text) {
    const std::size_t digit = alphabet.find(ascii_lower(c));
    if (digit == std::string_view::npos) {
      return {};
    }
    value = value << 5 | digit;
  }
  return {value};
}

}  // namespace ringpost::mail
