#include "ringpost/mail/enhanced_status.h"

#include <fmt/format.h>

#include "ringpost/base/text.h"

namespace ringpost::mail {
namespace {

// One to three digits at the start of `text`, which moves on behind them.
std::optional<std::uint16_t> take_number(std::string_view& text) {
  std::uint16_t number = 0;
  std::size_t digits = 0;
  while (digits < 3 && digits < text.size() && is_digit(text[digits])) {
    number = static_cast<std::uint16_t>(number * 10 + (text[digits] - '0'));
    ++digits;
  }
  if (digits == 0) {
    return std::nullopt;
  }
  text.remove_prefix(digits);
  return number;
}

bool take_dot(std::string_view& text) {
  if (!text.starts_with('.')) {
    return false;
  }
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::string EnhancedStatus::to_string() const {
  return fmt::format("{}.{}.{}", status_class, subject, detail);
}

std::optional<EnhancedStatus> parse_enhanced_status(std::string_view text) {
  const auto status_class = take_number(text);
  if (!status_class || (*status_class != 2 && *status_class != 4 && *status_class != 5) ||
      !take_dot(text)) {
    return std::nullopt;
  }
  const auto subject = take_number(text);
  if (!subject || !take_dot(text)) {
    return std::nullopt;
  }
  const auto detail = take_number(text);
  if (!detail || !(text.empty() || text.front() == ' ')) {
    return std::nullopt;
  }
  return EnhancedStatus{*status_class, *subject, *detail};
}

}  // namespace ringpost::mail
