// Opens a connection for a lane: walks its MX hosts in order of preference and each host's
// addresses, until one greets us. Passes over prohibited networks and addresses that are down;
// remembers those that fail. Called by a runner that found nothing in the connection cache.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ringpost/config/config.h"
#include "ringpost/delivery/connection.h"
#include "ringpost/delivery/connection_cache.h"
#include "ringpost/delivery/host_table.h"
#include "ringpost/dns/resolver.h"
#include "ringpost/net/socket.h"
#include "ringpost/ring/reactor.h"

namespace ringpost::delivery {

class MxWalk {
 public:
  struct Result {
    std::unique_ptr<Connection> connection;  // registered with the cache; null: see trouble
    Trouble trouble;
    bool permanent = false;        // no attempt can ever succeed: recipients bounce
    std::optional<Instant> until;  // all addresses are down: when the first may be tried again
    bool slow = false;             // an address did not answer in time
    // Descriptors, ports or memory ran out here, or we go down: no host is to blame.
    bool own_fault = false;
  };

  // All of these outlive the walk. `tls` may be null: then no TLS is spoken.
  MxWalk(ring::Reactor& reactor, dns::Resolver& resolver, HostTable& hosts, ConnectionCache& cache,
         const config::Config& config, net::TlsContext* tls, Tracer& tracer, std::uint32_t shard);

  // We go down: whoever has not greeted us yet is left at once, as is who is asked later. It is our
  // own fault then.
  void stop();

  ring::Task<Result> open(queue::QueueGroup& group, const queue::Lane& lane, bool first_attempt);

 private:
  struct Candidate {
    std::string mx;
    Endpoint endpoint;
  };
  struct Candidates {
    std::vector<Candidate> usable;
    std::optional<Instant> up_at;  // of suspended addresses, the first
    std::size_t prohibited = 0;
    bool temporary = false;  // some host's addresses could not be learnt
    Trouble trouble;         // the last one met
  };

  ring::Task<Candidates> find_candidates(const queue::LaneKey& lane);
  void sort_in(Candidates& candidates, const queue::RouteHost& host, bool from_dns,
               const std::vector<IpAddress>& addresses, const queue::LaneKey& lane);
  // Null: the default. One that is no longer configured has no address of any family.
  [[nodiscard]] const config::Egress* source_of(const queue::LaneKey& lane) const;
  [[nodiscard]] bool prohibited(const Endpoint& endpoint) const;
  void tell_failure(const Candidate& candidate, const queue::Lane& lane, int error);
  // Connects and greets; in `result` a connection, or the trouble.
  ring::Task<void> try_address(Candidate candidate, queue::QueueGroup& group,
                               const queue::Lane& lane, Duration connect_timeout, Result& result);
  ring::Task<void> try_with_policy(Candidate candidate, queue::QueueGroup& group,
                                   const queue::Lane& lane, config::TlsPolicy policy,
                                   Duration connect_timeout, Result& result);

  ring::Reactor& reactor_;
  dns::Resolver& resolver_;
  HostTable& hosts_;
  ConnectionCache& cache_;
  const config::Config& config_;
  net::TlsContext* tls_;
  Tracer& tracer_;
  net::Connects connects_;
  std::vector<Connection*> greeting_;
  std::uint64_t next_connection_;
};

}  // namespace ringpost::delivery
