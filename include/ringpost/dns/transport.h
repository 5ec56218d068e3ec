// One question to one server, over UDP or TCP, on the ring. Called by the resolver, which decides
// whom to ask, how often, and what to make of it. Each exchange has a socket of its own, so that
// the kernel picks a fresh random port, and a random id; the socket is connected, so that only the
// server asked can answer (RFC 5452). What is not an answer to our question is passed over.
#pragma once

#include <cstdint>
#include <string>

#include "ringpost/base/intrusive_list.h"
#include "ringpost/dns/message.h"
#include "ringpost/ring/reactor.h"

namespace ringpost::dns {

class Transport {
 public:
  struct Counters {
    std::uint64_t udp_queries = 0;
    std::uint64_t tcp_queries = 0;
    std::uint64_t unanswered = 0;  // until the deadline, or the network refused
    std::uint64_t ignored = 0;     // datagrams that answered something else
  };

  explicit Transport(ring::Reactor& reactor) : reactor_(reactor) {}
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // Without an answer before `deadline` the status is `mismatched`.
  ring::Task<Answer> ask_over_udp(Question question, Endpoint server, Edns edns, Instant deadline);
  // An answer that is again truncated or not ours is `malformed`: nobody else can write on it.
  ring::Task<Answer> ask_over_tcp(Question question, Endpoint server, Edns edns, Instant deadline);

  // Ends all exchanges, now and later, without an answer.
  void stop();
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  // What an exchange waits for, so that stop() can cancel it.
  struct ExchangeTag {};
  struct Exchange : ListHook<ExchangeTag> {
    int fd = -1;
    std::uint16_t id = 0;
    Instant deadline;
    ring::Operation* pending = nullptr;
  };

  std::uint16_t random_id();
  ring::Task<int> connect(Exchange& exchange, Endpoint server);
  ring::Task<int> send(Exchange& exchange, std::string bytes);
  ring::Task<Answer> receive_datagram(Exchange& exchange, const Question& question);
  ring::Task<Answer> receive_stream(Exchange& exchange, const Question& question);

  ring::Reactor& reactor_;
  IntrusiveList<Exchange, ExchangeTag> exchanges_;
  bool stopped_ = false;
  Counters counters_;
};

}  // namespace ringpost::dns
