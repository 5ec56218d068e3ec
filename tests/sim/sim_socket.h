// A socket of the simulated network: a listener, one end of a stream, or a datagram socket, with
// the requests that wait at it. Owned by the descriptor table of its host and by those requests;
// closing it takes effect only when both have let go, as in Linux.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "ringpost/base/ip_address.h"
#include "ringpost/base/time.h"
#include "sim/sim_operation.h"

namespace ringpost::sim {

class SimHost;
class SimNetwork;

// What lies between the two ends of a stream, drawn when it is opened.
struct Path {
  Duration latency{};
  std::size_t window = 0;  // bytes that may be under way or unread, each way
  double reset = 0;        // chance, for each piece that is sent
  bool silent = false;     // swallows everything from now on
};

class SimSocket : public std::enable_shared_from_this<SimSocket> {
 public:
  enum class State : std::uint8_t { fresh, listening, connecting, connected, released };

  SimSocket(SimNetwork& network, SimHost& host, bool datagram)
      : network_(network), host_(host), datagram_(datagram) {}

  [[nodiscard]] bool is_datagram() const { return datagram_; }
  [[nodiscard]] SimHost& host() { return host_; }
  [[nodiscard]] State state() const { return state_; }

  // Requests. Each may complete at once.
  void receive(OperationPointer operation);
  void send(OperationPointer operation);
  void accept(OperationPointer operation);
  // Takes a waiting request out of the queues; false if it does not wait here.
  bool withdraw(const SimOperation& operation);

  [[nodiscard]] bool has_peer() const { return state_ == State::connected; }
  int shut_down();
  // The descriptor is gone. What still waits keeps the connection open.
  void descriptor_closed();
  // Without a word to the peer, as when the power fails.
  void vanish();

  Endpoint local;
  Endpoint remote;
  bool bound = false;
  bool reuse_port = false;

 private:
  friend class SimNetwork;

  void pump_receives();
  void pump_sends();
  void pump_accepts();
  void send_piece(SimOperation& operation);
  void complete_receive(SimOperation& operation);
  void release_if_unused();
  void release();
  // What arrives from the peer.
  void bytes_arrive(std::string_view bytes);
  void end_arrives();
  void reset_arrives(int error);
  void send_end();
  void send_reset();
  void requeue_pump();
  void finish(std::deque<OperationPointer>& queue, int result, std::uint32_t flags = 0);

  SimNetwork& network_;
  SimHost& host_;
  bool datagram_;
  State state_ = State::fresh;
  bool has_descriptor_ = true;
  bool shut_ = false;
  bool end_sent_ = false;
  bool end_arrived_ = false;
  bool dead_ = false;  // vanished: the peer gets a reset for whatever it sends
  int error_ = 0;      // of the connection; told once
  bool broken_ = false;
  bool pump_scheduled_ = false;

  Path path_;
  std::weak_ptr<SimSocket> peer_;
  Instant last_arrival_;         // of what this end sent
  std::size_t outstanding_ = 0;  // sent by this end and not yet read by the peer
  std::string inbox_;
  std::size_t inbox_read_ = 0;
  std::deque<std::string> datagrams_;
  std::deque<std::shared_ptr<SimSocket>> backlog_;
  std::deque<OperationPointer> receives_;
  std::deque<OperationPointer> sends_;
  std::deque<OperationPointer> accepts_;
};

using SocketPointer = std::shared_ptr<SimSocket>;

}  // namespace ringpost::sim
