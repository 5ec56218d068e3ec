// Opening TCP sockets: listeners, and connections to a peer. What flows over them is stream.h's.
#pragma once

#include <optional>

#include "ringpost/base/ip_address.h"
#include "ringpost/base/result.h"
#include "ringpost/ring/reactor.h"

namespace ringpost::net {

// A listening socket that several threads may open on the same endpoint (SO_REUSEPORT). Port 0
// takes a free one; ask local_endpoint() which.
Result<int> listen_on(ring::Kernel& kernel, const Endpoint& endpoint);
Result<Endpoint> local_endpoint(ring::Kernel& kernel, int fd);
std::optional<Endpoint> peer_endpoint(ring::Kernel& kernel, int fd);

// Connects, from `source` if given. Returns the descriptor or a negative errno, -ETIMEDOUT when
// `deadline` came first.
ring::Task<int> connect_to(ring::Reactor& reactor, Endpoint peer, std::optional<IpAddress> source,
                           Instant deadline);

}  // namespace ringpost::net
