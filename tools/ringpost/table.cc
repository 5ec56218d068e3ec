#include "table.h"

#include <algorithm>

#include "ringpost/base/check.h"

namespace ringpost::tool {
namespace {

// The length of the well-formed UTF-8 character at the start of `text` (RFC 3629), 0 if there is
// none.
std::size_t character_length(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned char lead = byte(0);
  const std::size_t length = lead < 0x80                    ? 1
                             : lead >= 0xc2 && lead <= 0xdf ? 2
                             : lead >= 0xe0 && lead <= 0xef ? 3
                             : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                            : 0;
  if (length == 0 || text.size() < length) {
    return 0;
  }
  for (std::size_t at = 1; at < length; ++at) {
    if ((byte(at) & 0xc0) != 0x80) {
      return 0;
    }
  }
  if (length > 2) {
    const unsigned char second = byte(1);
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ||
        (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f)) {
      return 0;
    }
  }
  return length;
}

// C0, DEL, and C1, which some terminals take for escapes; and marks that turn the direction of
// text around (U+202A to U+202E, U+2066 to U+2069).
bool is_control(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) {
    return first < 0x20 || first == 0x7f;
  }
  const auto second = static_cast<unsigned char>(character[1]);
  if (character.size() == 2) {
    return first == 0xc2 && second < 0xa0;
  }
  const auto third = static_cast<unsigned char>(character[2]);
  return first == 0xe2 && ((second == 0x80 && third >= 0xaa && third <= 0xae) ||
                           (second == 0x81 && third >= 0xa6 && third <= 0xa9));
}

std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

std::string printable(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const std::size_t length = character_length(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(length, 1));
    shown += length == 0 || is_control(character) ? "?" : character;
    text.remove_prefix(character.size());
  }
  return shown;
}

void Table::add(std::vector<std::string> cells) {
  check(cells.size() == columns_.size(), "a row has a cell for each column");
  std::ranges::transform(cells, cells.begin(), printable);
  rows_.push_back(std::move(cells));
}

std::string Table::to_string() const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t widest = width(columns_[i].title);
    for (const auto& row : rows_) {
      widest = std::max(widest, width(row[i]));
    }
    widths.push_back(widest);
  }
  std::string text;
  const auto line = [&](auto cell_of) {
    std::string one;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const std::string& cell = cell_of(i);
      const std::string padding(widths[i] - width(cell), ' ');
      one += i == 0 ? "" : "  ";
      one += columns_[i].align == Align::right ? padding + cell : cell + padding;
    }
    one.erase(one.find_last_not_of(' ') + 1);
    text += one + "\n";
  };
  line([&](std::size_t i) -> const std::string& { return columns_[i].title; });
  for (const auto& row : rows_) {
    line([&](std::size_t i) -> const std::string& { return row[i]; });
  }
  return text;
}

}  // namespace ringpost::tool
