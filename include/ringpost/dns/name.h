// Domain names as this program holds them: lower-case text without a trailing dot, the root as "".
// Used by whatever asks for or compares names. Pure: never asks a server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ringpost::dns {

// Octets of the text form without the trailing dot (RFC 1035 section 3.1: 255 on the wire).
inline constexpr std::size_t max_name_length = 253;
inline constexpr std::size_t max_label_length = 63;

// A name that may be asked for and connected to: labels of letters, digits, hyphens and (seen in
// the wild) underscores. One trailing dot is dropped, "." gives "". Nothing on anything else:
// empty labels, over-long ones, other characters.
[[nodiscard]] std::optional<std::string> canonical_name(std::string_view text);

// The text of an uncompressed wire name, in canonical form. Octets that canonical_name() refuses
// come out as \DDD, so that no two names share a text and no control character gets into a log.
// Nothing if the octets are no complete name.
[[nodiscard]] std::optional<std::string> text_of_wire_name(std::span<const std::uint8_t> wire);

}  // namespace ringpost::dns
