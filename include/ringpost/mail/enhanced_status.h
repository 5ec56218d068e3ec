// RFC 3463 enhanced mail system status codes, as in `5.1.1`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringpost::mail {

struct EnhancedStatus {
  std::uint16_t status_class = 0;  // 2, 4 or 5; 0 = none given
  std::uint16_t subject = 0;
  std::uint16_t detail = 0;

  bool operator==(const EnhancedStatus&) const = default;
  [[nodiscard]] bool known() const { return status_class != 0; }
  [[nodiscard]] std::string to_string() const;  // "5.1.1"
};

// Reads a code at the start of `text`, which must be followed by a space or the end. Class 2, 4
// or 5; subject and detail of one to three digits (RFC 3463 section 2).
[[nodiscard]] std::optional<EnhancedStatus> parse_enhanced_status(std::string_view text);

}  // namespace ringpost::mail
