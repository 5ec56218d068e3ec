// Where mail goes, asked of recursive name servers: MX hosts of a domain, addresses of a host.
// Owns the shard's DNS cache and all its queries. Called by the router (at RCPT) and by delivery.
// Never connects to a mail host, and never judges which addresses may be connected to.
//
// A temporary failure is remembered for seconds, so that a domain that cannot be resolved is not
// asked for once a recipient.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/base/ip_address.h"
#include "ringpost/base/time.h"
#include "ringpost/dns/cache.h"
#include "ringpost/dns/lookup.h"
#include "ringpost/dns/message.h"
#include "ringpost/dns/mx.h"
#include "ringpost/dns/pending.h"
#include "ringpost/dns/transport.h"
#include "ringpost/ring/gate.h"
#include "ringpost/ring/reactor.h"
#include "ringpost/ring/task.h"

namespace ringpost::dns {

struct ResolverSettings {
  std::vector<Endpoint> servers;  // recursive ones, at least one
  Duration retransmit_after = 5s;
  int transmissions = 4;               // of one question, over the servers in turn
  std::size_t cache_entries = 65'536;  // of each kind: MX, addresses
  std::size_t max_queries = 1000;      // in flight; further ones wait in order
  AddressOrder address_order = AddressOrder::v6_first;
  OwnHost own;
};

class Resolver {
 public:
  struct Counters {
    std::uint64_t lookups = 0;     // mx() and addresses()
    std::uint64_t cache_hits = 0;  // of these
    std::uint64_t joined = 0;      // of these: waited for another one's query
    std::uint64_t failed_queries = 0;
  };

  Resolver(ring::Reactor& reactor, ResolverSettings settings);

  // Names in any case, with or without a trailing dot; domains may be address literals
  // ("[192.0.2.1]"), hosts also bare addresses.
  ring::Task<MxAnswer> mx(std::string domain);
  ring::Task<AddressAnswer> addresses(std::string host);

  // What is known without waiting; valid until the reactor runs something else. The name must be
  // canonical. Null: ask.
  [[nodiscard]] const MxAnswer* cached_mx(std::string_view domain);
  [[nodiscard]] const AddressAnswer* cached_addresses(std::string_view host);

  // Ends all queries; who waits gets a temporary failure, as does who asks later.
  ring::Task<void> close();

  [[nodiscard]] const Counters& counters() const { return counters_; }
  [[nodiscard]] const Transport::Counters& transport_counters() const {
    return transport_.counters();
  }
  [[nodiscard]] std::size_t queries_in_flight() const { return queries_in_flight_; }

 private:
  struct Reply {
    Answer answer;
    std::string server;  // who was asked last
  };
  // The other family's answer, awaited by a look-up of addresses.
  struct SideQuery {
    Reply reply;
    bool done = false;
    ring::Event answered;
  };

  ring::Task<void> look_up_mx(std::string domain);
  ring::Task<void> look_up_addresses(std::string host);
  ring::Task<void> ask_beside(Question question, SideQuery& side);
  ring::Task<Reply> ask(Question question);
  ring::Task<Reply> ask_servers(Question question);
  ring::Task<Answer> ask_server(Question question, Endpoint server, Instant deadline);

  [[nodiscard]] Instant expiry(Duration time_to_live, Polarity polarity) const;

  ring::Reactor& reactor_;
  ResolverSettings settings_;
  Transport transport_;
  Cache<MxAnswer> mx_cache_;
  Cache<AddressAnswer> address_cache_;
  Pending<MxAnswer> pending_mx_;
  Pending<AddressAnswer> pending_addresses_;
  std::size_t preferred_ = 0;  // the server that answered last
  std::size_t queries_in_flight_ = 0;
  ring::Event query_ended_;
  ring::Event closed_;  // wakes who waits for time to pass
  bool closing_ = false;
  Counters counters_;
  ring::Gate gate_;
};

}  // namespace ringpost::dns
