// How a message and its recipients are named, so that what arrives can be matched with what was
// sent without a look-up in text: an id is a run (24 bits, so that several sources can share a
// sink) and a number in that run, a recipient's local part is "r" and its serial number in the run.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace ringpost::bench {

inline constexpr unsigned number_bits = 40;
inline constexpr std::uint64_t most_messages = std::uint64_t{1} << 32;
inline constexpr std::size_t id_digits = 16;

[[nodiscard]] constexpr std::uint64_t message_id(std::uint32_t run, std::uint64_t number) {
  return std::uint64_t{run} << number_bits | number;
}
[[nodiscard]] constexpr std::uint32_t run_of(std::uint64_t id) {
  return static_cast<std::uint32_t>(id >> number_bits);
}
[[nodiscard]] constexpr std::uint64_t number_of(std::uint64_t id) {
  return id & ((std::uint64_t{1} << number_bits) - 1);
}

// Sixteen lower-case hexadecimal digits.
inline void write_hex(char* out, std::uint64_t value) {
  for (std::size_t i = id_digits; i-- > 0; value >>= 4) {
    out[i] = "0123456789abcdef"[value & 15];
  }
}

[[nodiscard]] inline std::optional<std::uint64_t> parse_hex(std::string_view digits) {
  if (digits.size() != id_digits) {
    return std::nullopt;
  }
  std::uint64_t value = 0;
  for (const char c : digits) {
    if (c >= '0' && c <= '9') {
      value = value << 4 | static_cast<std::uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      value = value << 4 | static_cast<std::uint64_t>(c - 'a' + 10);
    } else {
      return std::nullopt;
    }
  }
  return value;
}

}  // namespace ringpost::bench
