// Sizes and numbers as people write and read them on the command line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ringpost/base/result.h"

namespace ringpost::bench {

// "5K", "5KiB", "100000", "2M": powers of 1024.
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text);
// 1234567 as "1,234,567".
[[nodiscard]] std::string grouped(std::uint64_t number);
// "61.3 MiB"
[[nodiscard]] std::string readable_size(std::uint64_t bytes);

}  // namespace ringpost::bench
