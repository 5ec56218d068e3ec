// Opening a listening socket in two steps, for who must bind it as root and may take clients later
// only; until then they are refused. In one step: socket.h.
#pragma once

#include "ringpost/base/ip_address.h"
#include "ringpost/base/result.h"
#include "ringpost/ring/kernel.h"

namespace ringpost::net {

// As listen_on(), but for the listening.
Result<int> bind_to(ring::Kernel& kernel, const Endpoint& endpoint);
Result<> start_listening(ring::Kernel& kernel, int fd, const Endpoint& endpoint);

}  // namespace ringpost::net
