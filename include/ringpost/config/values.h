// The forms that values take in the configuration, each read from its text: sizes, rates, hosts,
// domains. Called by the loader and by tests. Pure; an error says what is wrong, its remedy shows
// the right form.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ringpost/base/result.h"
#include "ringpost/config/config.h"

namespace ringpost::config {

// "4096", "64K", "64M", "2G": powers of 1024.
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text);
// "100/s", "60/m", "5000/h", "20000/d" as messages per second; never 0.
[[nodiscard]] Result<double> parse_rate(std::string_view text);
// "mx.example", "mx.example:2525", "192.0.2.1", "[192.0.2.1]:25", "[2001:db8::1]:25". The port
// stays 0 where none is given.
[[nodiscard]] Result<Host> parse_host(std::string_view text);
// "example.com" in lower case; with `suffix_allowed` also "*.example.com". Letters, digits, `-`
// and `_` in labels of 1 to 63 bytes, 253 in all; one final dot is dropped.
[[nodiscard]] Result<std::string> parse_domain(std::string_view text, bool suffix_allowed);

// What tables are called by: 1 to max_name lower case letters, digits, '-' and '_'.
inline constexpr std::size_t max_name = 64;
[[nodiscard]] bool is_name(std::string_view text);

}  // namespace ringpost::config
