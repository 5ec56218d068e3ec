#include "ringpost/mail/utf8.h"

#include <cstdint>

namespace ringpost::mail {

std::size_t utf8_length(std::string_view text) {
  if (text.empty()) {
    return 0;
  }
  const auto first = static_cast<unsigned char>(text.front());
  std::size_t length = 0;
  std::uint32_t smallest = 0;
  if (first >= 0xc2 && first < 0xe0) {
    length = 2;
    smallest = 0xa0;  // below are the C1 controls
  } else if (first >= 0xe0 && first < 0xf0) {
    length = 3;
    smallest = 0x800;
  } else if (first >= 0xf0 && first < 0xf5) {
    length = 4;
    smallest = 0x1'0000;
  }
  if (length == 0 || text.size() < length) {
    return 0;
  }
  std::uint32_t character = first & (0xffU >> (length + 1));
  for (std::size_t at = 1; at < length; ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if ((byte & 0xc0U) != 0x80) {
      return 0;
    }
    character = character << 6 | (byte & 0x3fU);
  }
  const bool surrogate = character >= 0xd800 && character < 0xe000;
  return character < smallest || surrogate || character > 0x10'ffff ? 0 : length;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const bool ascii = static_cast<unsigned char>(text.front()) < 128;
    const std::size_t length = ascii ? 1 : utf8_length(text);
    if (length == 0) {
      return false;
    }
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace ringpost::mail
