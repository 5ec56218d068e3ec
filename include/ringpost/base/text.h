// Small helpers for ASCII protocol text. Nothing here knows a locale.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringpost {

[[nodiscard]] constexpr char ascii_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
[[nodiscard]] constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

[[nodiscard]] std::string to_lower(std::string_view text);
[[nodiscard]] bool equals_ignoring_case(std::string_view a, std::string_view b);
[[nodiscard]] bool starts_with_ignoring_case(std::string_view text, std::string_view prefix);
// Without spaces and tabs at both ends.
[[nodiscard]] std::string_view trim(std::string_view text);
// All of `text` as a decimal number; nothing on empty text, other characters or overflow.
[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view text);

}  // namespace ringpost
