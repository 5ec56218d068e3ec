// The system's list of name servers. Called once at start-up with the file's text. Pure: never
// reads the file itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "ringpost/base/ip_address.h"

namespace ringpost::dns {

inline constexpr std::uint16_t dns_port = 53;
// glibc heeds three; further ones only lengthen what is tried when nobody answers.
inline constexpr std::size_t max_servers = 3;

// The `nameserver` lines of resolv.conf(5) text, in order, without repetitions. Lines that cannot
// be read are passed over, as the system's own resolver does. None at all: 127.0.0.1.
[[nodiscard]] std::vector<Endpoint> parse_resolv_conf(std::string_view text);

}  // namespace ringpost::dns
