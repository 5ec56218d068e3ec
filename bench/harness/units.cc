#include "harness/units.h"

#include <fmt/format.h>

#include "ringpost/base/text.h"

namespace ringpost::bench {

Result<std::uint64_t> parse_size(std::string_view text) {
  const std::size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::optional<std::uint64_t> number = parse_number(text.substr(0, end));
  const std::string unit = to_lower(text.substr(end));
  unsigned shift = 0;
  if (unit == "k" || unit == "kib") {
    shift = 10;
  } else if (unit == "m" || unit == "mib") {
    shift = 20;
  } else if (unit == "g" || unit == "gib") {
    shift = 30;
  } else if (!unit.empty() && unit != "b") {
    return fail(fmt::format("'{}' is no size", text), "write for example 5K, 100000 or 2M");
  }
  if (!number || *number > UINT64_MAX >> (shift + 1)) {
    return fail(fmt::format("'{}' is no size", text), "write for example 5K, 100000 or 2M");
  }
  return *number << shift;
}

std::string grouped(std::uint64_t number) {
  std::string digits = fmt::format("{}", number);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string readable_size(std::uint64_t bytes) {
  if (bytes < 10 * 1024) {
    return fmt::format("{} B", bytes);
  }
  if (bytes < std::uint64_t{10} << 20) {
    return fmt::format("{:.1f} KiB", static_cast<double>(bytes) / 1024);
  }
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1024 * 1024));
}

}  // namespace ringpost::bench
