// Plays all the mail servers of the world on one port of the whole of 127.0.0.0/8. Owns its
// connections and, for its lifetime, writes into the Arrivals it was given. Refuses peers from
// elsewhere. Runs on a RingThread; its name server (name_server.h) has a thread of its own.
#pragma once

#include <memory>

#include "harness/arrivals.h"
#include "harness/ring_thread.h"
#include "harness/sink_session.h"
#include "ringpost/base/intrusive_list.h"
#include "ringpost/net/stream.h"
#include "ringpost/net/tls_context.h"

namespace ringpost::bench {

struct SinkSettings {
  Endpoint listen;
  SinkOffers offers;
  Duration delay{};  // between what arrives and the answer to it
};

struct SinkConnectionTag;

class Sink {
 public:
  Sink(ring::Reactor& reactor, StopSignal& stop, const SinkSettings& settings, Arrivals& arrivals);

  // Serves on the listening socket `fd` until it is asked to stop.
  ring::Task<void> run(int fd);

 private:
  struct Connection;

  ring::Task<void> accept_all(int fd);
  ring::Task<void> serve(int fd);
  // STARTTLS was said: false if it came to nothing.
  ring::Task<bool> start_tls(Connection& connection);
  // Sends each answer when its delay has passed, without holding up what is read.
  ring::Task<void> answer_late(Connection& connection);
  bool from_loopback(int fd, IpAddress& local);

  ring::Reactor& reactor_;
  StopSignal& stop_;
  SinkSettings settings_;
  Arrivals& arrivals_;
  std::unique_ptr<net::TlsContext> tls_;  // null: not offered
  ring::Gate gate_;
  IntrusiveList<Connection, SinkConnectionTag> connections_;
};

// Opens the socket: on all of 127.0.0.0/8 when `listen` is a loopback address.
Result<int> open_sink_listener(const Endpoint& listen, Endpoint& bound);

}  // namespace ringpost::bench
