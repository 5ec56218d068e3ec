#include "sim/sim_network.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "sim/sim_host.h"
#include "sim/sim_kernel.h"

namespace ringpost::sim {
namespace {

constexpr Duration connect_gives_up = 127s;

}  // namespace

SimHost* SimNetwork::host_of(const IpAddress& address, SimHost& asking) {
  if (address.is_loopback()) {
    return &asking;
  }
  const auto found = addresses_.find(address);
  return found == addresses_.end() ? nullptr : found->second;
}

SocketPointer SimNetwork::listener_at(const Endpoint& endpoint, SimHost& asking) {
  SimHost* const host = host_of(endpoint.address, asking);
  std::vector<SocketPointer> found;
  std::erase_if(listeners_, [](const auto& listener) { return listener.expired(); });
  for (const auto& weak : listeners_) {
    const SocketPointer listener = weak.lock();
    const bool address_fits = listener->local.address == endpoint.address ||
                              (listener->local.address.is_unspecified() &&
                               listener->local.address.family() == endpoint.address.family());
    if (&listener->host() == host && !listener->shut_ && address_fits &&
        listener->local.port == endpoint.port) {
      found.push_back(listener);
    }
  }
  return found.empty() ? nullptr : found[random_.below(found.size())];
}

int SimNetwork::bind(SimSocket& socket, const Endpoint& endpoint) {
  const IpAddress& address = endpoint.address;
  if (!address.is_unspecified() && host_of(address, socket.host()) != &socket.host()) {
    return -EADDRNOTAVAIL;
  }
  for (const auto& weak : listeners_) {
    const SocketPointer other = weak.lock();
    if (other && &other->host() == &socket.host() && other->local == endpoint &&
        !(other->reuse_port && socket.reuse_port)) {
      return -EADDRINUSE;
    }
  }
  socket.local = endpoint;
  if (endpoint.port == 0) {
    socket.local.port = next_port_ = next_port_ == 65'535 ? 32'768 : next_port_ + 1;
  }
  socket.bound = true;
  if (socket.is_datagram()) {
    datagram_sockets_[socket.local] = socket.weak_from_this();
  }
  return 0;
}

int SimNetwork::listen(SimSocket& socket) {
  if (!socket.bound) {
    return -EINVAL;
  }
  socket.state_ = SimSocket::State::listening;
  listeners_.push_back(socket.weak_from_this());
  return 0;
}

void SimNetwork::forget(const SimSocket& socket) {
  std::erase_if(listeners_, [&](const auto& other) {
    return other.expired() || other.lock().get() == &socket;
  });
  if (socket.is_datagram()) {
    datagram_sockets_.erase(socket.local);
  }
}

void SimNetwork::bind_automatically(SimSocket& socket, const Endpoint& remote) {
  if (!socket.bound) {
    const IpAddress address = remote.address.is_loopback()
                                  ? remote.address
                                  : socket.host().address(remote.address.family());
    bind(socket, {address, 0});
  }
}

SimNetwork::Fate SimNetwork::fate_of(const Endpoint& endpoint) {
  for (const Endpoint& key : {endpoint, Endpoint{endpoint.address, 0}}) {
    const auto found = fates_.find(key);
    if (found != fates_.end()) {
      return found->second;
    }
  }
  if (chance(random_, faults.refused_connect)) {
    return Fate::refused;
  }
  return chance(random_, faults.lost_connect) ? Fate::lost : Fate::reached;
}

Path SimNetwork::draw_path() {
  Path path;
  path.latency = between(random_, faults.least_latency, faults.most_latency);
  path.window = faults.least_window + random_.below(faults.most_window - faults.least_window + 1);
  path.reset = faults.reset;
  return path;
}

void SimNetwork::connect(OperationPointer operation, const SocketPointer& socket,
                         const Endpoint& remote) {
  if (socket->state_ != SimSocket::State::fresh) {
    operation->kernel.complete(operation, -EISCONN);
    return;
  }
  bind_automatically(*socket, remote);
  socket->remote = remote;
  if (socket->is_datagram()) {
    operation->kernel.complete(operation, 0);
    return;
  }
  socket->state_ = SimSocket::State::connecting;
  socket->path_ = draw_path();
  const Fate fate = fate_of(remote);
  if (fate == Fate::lost || host_of(remote.address, socket->host()) == nullptr) {
    clock_.after(connect_gives_up,
                 [this, operation, socket] { answer_connect(operation, socket, -ETIMEDOUT); });
  } else if (fate == Fate::refused) {
    clock_.after(2 * socket->path_.latency,
                 [this, operation, socket] { answer_connect(operation, socket, -ECONNREFUSED); });
  } else {
    clock_.after(socket->path_.latency,
                 [this, operation, socket] { arrive_at_listener(operation, socket); });
  }
}

void SimNetwork::arrive_at_listener(const OperationPointer& operation,
                                    const SocketPointer& client) {
  const SocketPointer listener = listener_at(client->remote, client->host());
  if (listener == nullptr) {
    clock_.after(client->path_.latency,
                 [this, operation, client] { answer_connect(operation, client, -ECONNREFUSED); });
    return;
  }
  if (listener->backlog_.size() >= most_backlog) {
    clock_.after(1s, [this, operation, client] { arrive_at_listener(operation, client); });
    return;
  }
  const auto server = std::make_shared<SimSocket>(*this, listener->host(), false);
  server->state_ = SimSocket::State::connected;
  server->has_descriptor_ = true;  // the listener's backlog holds it
  server->local = client->remote;
  server->remote = client->local;
  server->path_ = client->path_;
  server->peer_ = client;
  client->peer_ = server;
  listener->backlog_.push_back(server);
  clock_.after(client->path_.latency,
               [this, operation, client] { answer_connect(operation, client, 0); });
  listener->pump_accepts();
}

void SimNetwork::answer_connect(const OperationPointer& operation, const SocketPointer& client,
                                int result) {
  if (operation->done || client->state_ != SimSocket::State::connecting) {
    // Given up in the meantime: the other side hears that nobody is here.
    client->state_ = SimSocket::State::released;
    carry_reset(*client);
    return;
  }
  client->state_ = result == 0 ? SimSocket::State::connected : SimSocket::State::fresh;
  if (result == 0) {
    ++opened_;
    std::erase_if(streams_, [](const auto& stream) { return stream.expired(); });
    streams_.push_back(client);
    count_open(client->remote);
  }
  operation->kernel.complete(operation, result);
  client->pump_receives();
}

void SimNetwork::count_open(const Endpoint& endpoint) {
  std::size_t open = 0;
  for (const auto& weak : streams_) {
    const SocketPointer stream = weak.lock();
    open += stream && stream->has_descriptor_ && stream->remote == endpoint ? 1 : 0;
  }
  most_open_[endpoint] = std::max(most_open_[endpoint], open);
}

std::size_t SimNetwork::most_open(const Endpoint& endpoint) const {
  const auto found = most_open_.find(endpoint);
  return found == most_open_.end() ? 0 : found->second;
}

Instant SimNetwork::arrival(SimSocket& from, std::size_t bytes) {
  constexpr std::int64_t bytes_per_us = 1000;
  const Duration jitter = between(random_, 0us, 50us);
  const Duration transfer =
      std::chrono::microseconds(static_cast<std::int64_t>(bytes) / bytes_per_us);
  from.last_arrival_ =
      std::max(from.last_arrival_, clock_.now() + from.path_.latency + jitter + transfer);
  return from.last_arrival_;
}

void SimNetwork::carry(SimSocket& from, std::string bytes) {
  const SocketPointer to = from.peer_.lock();
  if (to == nullptr) {
    carry_reset(from);
    from.reset_arrives(-ECONNRESET);
    return;
  }
  clock_.at(arrival(from, bytes.size()), [to, bytes = std::move(bytes)] {
    if (!to->path_.silent) {
      to->bytes_arrive(bytes);
    }
  });
}

void SimNetwork::carry_end(SimSocket& from) {
  if (const SocketPointer to = from.peer_.lock()) {
    clock_.at(arrival(from, 0), [to] {
      if (!to->path_.silent) {
        to->end_arrives();
      }
    });
  }
}

void SimNetwork::carry_reset(SimSocket& from) {
  if (const SocketPointer to = from.peer_.lock()) {
    clock_.at(arrival(from, 0), [to] {
      if (!to->path_.silent) {
        to->reset_arrives(-ECONNRESET);
      }
    });
  }
}

void SimNetwork::cut(SimSocket& socket) {
  carry_reset(socket);
  clock_.after(socket.path_.latency,
               [self = socket.shared_from_this()] { self->reset_arrives(-ECONNRESET); });
}

void SimNetwork::window_opens(SimSocket& reader, std::size_t bytes) {
  if (const SocketPointer writer = reader.peer_.lock()) {
    clock_.after(reader.path_.latency, [writer, bytes] {
      writer->outstanding_ -= std::min(bytes, writer->outstanding_);
      writer->pump_sends();
    });
  }
}

void SimNetwork::silence(const IpAddress& address) {
  for (const auto& weak : streams_) {
    const SocketPointer stream = weak.lock();
    if (stream == nullptr || stream->remote.address != address) {
      continue;
    }
    stream->path_.silent = true;
    if (const SocketPointer peer = stream->peer_.lock()) {
      peer->path_.silent = true;
    }
  }
}

void SimNetwork::serve_datagrams(const Endpoint& at, DatagramService service) {
  services_[at] = std::move(service);
}

void SimNetwork::send_datagram(const Endpoint& from, const Endpoint& to, std::string bytes) {
  if (chance(random_, faults.lost_datagram)) {
    return;
  }
  const Duration latency = between(random_, faults.least_latency, faults.most_latency);
  clock_.after(latency, [this, from, to, bytes = std::move(bytes)] {
    const auto service = services_.find(to);
    if (service != services_.end()) {
      service->second(from, bytes);
      return;
    }
    const auto socket = datagram_sockets_.find(to);
    const SocketPointer reader =
        socket == datagram_sockets_.end() ? nullptr : socket->second.lock();
    if (reader != nullptr && reader->remote == from) {
      reader->datagrams_.push_back(bytes);
      reader->pump_receives();
      return;
    }
    const auto asker = datagram_sockets_.find(from);  // hears of the closed port by ICMP
    const SocketPointer sender = asker == datagram_sockets_.end() ? nullptr : asker->second.lock();
    if (reader == nullptr && sender != nullptr && addresses_.contains(to.address)) {
      sender->error_ = -ECONNREFUSED;
      sender->pump_receives();
    }
  });
}

}  // namespace ringpost::sim
