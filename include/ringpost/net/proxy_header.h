// The header of the PROXY protocol, versions 1 and 2, by which a proxy in front of us tells for
// whom it connects ("The PROXY protocol", HAProxy, sections 2.1 and 2.2). Called by the listener
// with what has come so far. Never judges who may send one. (pure)
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ringpost/base/ip_address.h"

namespace ringpost::net {

struct ProxyHeader {
  enum class Status : std::uint8_t { need_more, complete, malformed };
  enum class Kind : std::uint8_t {
    client,   // `client` has come to the proxy
    proxy,    // LOCAL: the proxy itself, to see whether we are well
    unknown,  // somebody whose address the proxy does not know, or that is none of the Internet
  };

  Status status = Status::need_more;
  Kind kind = Kind::unknown;
  Endpoint client;
  std::size_t length = 0;  // of the header, once complete
};

// The longest header of version 2 that is read: addresses and TLVs, which are passed over.
inline constexpr std::size_t most_proxy_header = 4096;

// `bytes` begin with the header; what follows it is not looked at. Malformed as soon as no more
// bytes could mend it.
[[nodiscard]] ProxyHeader parse_proxy_header(std::string_view bytes);

}  // namespace ringpost::net
