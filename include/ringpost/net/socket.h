// Opening TCP sockets: listeners, and connections to a peer. What flows over them is stream.h's.
#pragma once

#include <optional>
#include <vector>

#include "ringpost/base/ip_address.h"
#include "ringpost/base/result.h"
#include "ringpost/ring/reactor.h"

namespace ringpost::net {

// A listening socket that several threads may open on the same endpoint (SO_REUSEPORT). Port 0
// takes a free one; ask local_endpoint() which.
Result<int> listen_on(ring::Kernel& kernel, const Endpoint& endpoint);
Result<Endpoint> local_endpoint(ring::Kernel& kernel, int fd);
std::optional<Endpoint> peer_endpoint(ring::Kernel& kernel, int fd);

// Connects that are under way, for whoever has to end them all. Owned by who makes them; outlives
// each.
class Connects {
 public:
  // Those under way and all later ones end with -ECANCELED.
  void stop();
  [[nodiscard]] bool stopped() const { return stopped_; }

  void add(ring::Operation& connecting) { under_way_.push_back(&connecting); }
  void remove(ring::Operation& connecting) { std::erase(under_way_, &connecting); }

 private:
  std::vector<ring::Operation*> under_way_;
  bool stopped_ = false;
};

// Connects, from `source` if given. Returns the descriptor or a negative errno, -ETIMEDOUT when
// `deadline` came first.
ring::Task<int> connect_to(ring::Reactor& reactor, Endpoint peer, std::optional<IpAddress> source,
                           Instant deadline, Connects* among = nullptr);

}  // namespace ringpost::net
