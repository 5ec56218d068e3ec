// A configuration's text before it is parsed: read whole from its file, and kept from what the TOML
// parser cannot bear. Called by the loader only; knows no keys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringpost::config {

// A million domains of a queue group take half of it.
inline constexpr std::size_t max_text_bytes = std::size_t{64} << 20;

// Parts of a key, as in a.b.c; more dots than that are not expected of a line, strings left out.
inline constexpr std::size_t max_dots_in_line = 64;

// Returns 0 or an errno: EFBIG where the file is larger than max_text_bytes.
[[nodiscard]] int read_text(const std::string& path, std::string& out);

// The first line, from 1, with more than max_dots_in_line: each part of a key is a table within the
// one before it, and the parser's stack ends where enough of them are.
[[nodiscard]] std::optional<std::uint32_t> line_with_too_long_a_key(std::string_view text);

}  // namespace ringpost::config
