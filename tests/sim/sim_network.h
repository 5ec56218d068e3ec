// The network between simulated hosts: who listens where, what connects, when bytes arrive. Draws
// latencies and faults from the world's seed. Streams keep their order; datagrams may be lost.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ringpost/base/random.h"
#include "sim/sim_clock.h"
#include "sim/sim_socket.h"

namespace ringpost::sim {

struct NetworkFaults {
  Duration least_latency = 20us;  // one way, drawn for each connection
  Duration most_latency = 3ms;
  std::size_t least_window = 4 << 10;  // bytes
  std::size_t most_window = 256 << 10;
  double short_read = 0.1;
  double split = 0.1;          // chance that a send leaves in pieces
  double reset = 0;            // for each piece
  double refused_connect = 0;  // although somebody listens
  double lost_connect = 0;     // nothing ever comes back
  double lost_datagram = 0;
};

class SimNetwork {
 public:
  SimNetwork(SimClock& clock, Random& random) : clock_(clock), random_(random) {}

  NetworkFaults faults;
  // What becomes of connections to an endpoint, whoever listens there. Port 0 = every port.
  enum class Fate : std::uint8_t { reached, refused, lost };
  void set_fate(const Endpoint& endpoint, Fate fate) { fates_[endpoint] = fate; }
  // All open streams to this address swallow what is sent from now on.
  void silence(const IpAddress& address);

  // A server of datagrams that runs outside of any kernel: gets who asked, and what.
  using DatagramService = std::function<void(const Endpoint& from, const std::string& bytes)>;
  void serve_datagrams(const Endpoint& at, DatagramService service);
  // Arrives after a latency, or never.
  void send_datagram(const Endpoint& from, const Endpoint& to, std::string bytes);

  // For hosts and their sockets.
  [[nodiscard]] SimClock& clock() { return clock_; }
  [[nodiscard]] Random& random() { return random_; }
  void add_address(const IpAddress& address, SimHost& host) { addresses_[address] = &host; }
  // The result of bind(2).
  int bind(SimSocket& socket, const Endpoint& endpoint);
  int listen(SimSocket& socket);
  void connect(OperationPointer operation, const SocketPointer& socket, const Endpoint& remote);
  void carry(SimSocket& from, std::string bytes);
  void carry_end(SimSocket& from);
  void carry_reset(SimSocket& from);
  // Both ends are reset, whoever sent what.
  void cut(SimSocket& socket);
  void window_opens(SimSocket& reader, std::size_t bytes);
  void forget(const SimSocket& socket);

  [[nodiscard]] std::uint64_t connections_opened() const { return opened_; }
  // The most connections to this endpoint that were open at once, as those saw it who opened them.
  [[nodiscard]] std::size_t most_open(const Endpoint& endpoint) const;

 private:
  [[nodiscard]] Fate fate_of(const Endpoint& endpoint);
  [[nodiscard]] SocketPointer listener_at(const Endpoint& endpoint, SimHost& asking);
  [[nodiscard]] SimHost* host_of(const IpAddress& address, SimHost& asking);
  void bind_automatically(SimSocket& socket, const Endpoint& remote);
  void arrive_at_listener(const OperationPointer& operation, const SocketPointer& client);
  void answer_connect(const OperationPointer& operation, const SocketPointer& client, int result);
  void count_open(const Endpoint& endpoint);
  Instant arrival(SimSocket& from, std::size_t bytes);
  [[nodiscard]] Path draw_path();

  static constexpr std::size_t most_backlog = 4096;

  SimClock& clock_;
  Random& random_;
  std::map<IpAddress, SimHost*> addresses_;
  std::map<Endpoint, Fate> fates_;
  std::vector<std::weak_ptr<SimSocket>> listeners_;
  std::map<Endpoint, std::weak_ptr<SimSocket>> datagram_sockets_;
  std::map<Endpoint, DatagramService> services_;
  std::vector<std::weak_ptr<SimSocket>> streams_;  // clients' ends
  std::map<Endpoint, std::size_t> most_open_;
  std::uint64_t opened_ = 0;
  std::uint16_t next_port_ = 32'768;
};

}  // namespace ringpost::sim
