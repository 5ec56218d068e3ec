#include "ringpost/net/socket.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>

#include "ringpost/net/listening.h"

namespace ringpost::net {
namespace {

constexpr int listen_backlog = 4096;

int family_of(const IpAddress& address) {
  return address.is_v4() ? AF_INET : AF_INET6;
}

std::string remedy_for_bind(int error) {
  switch (-error) {
    case EADDRINUSE:
      return "another program listens there: stop it or change listener.smtp";
    case EADDRNOTAVAIL:
      return "no interface of this machine has that address: change listener.smtp";
    case EACCES:
      return "ports below 1024 need root or CAP_NET_BIND_SERVICE";
    default:
      return {};
  }
}

}  // namespace

Result<int> listen_on(ring::Kernel& kernel, const Endpoint& endpoint) {
  Result<int> fd = bind_to(kernel, endpoint);
  if (!fd) {
    return fd;
  }
  if (const Result<> listening = start_listening(kernel, *fd, endpoint); !listening) {
    kernel.close(*fd);
    return std::unexpected(listening.error());
  }
  return fd;
}

Result<> start_listening(ring::Kernel& kernel, int fd, const Endpoint& endpoint) {
  if (const int error = kernel.listen(fd, listen_backlog); error < 0) {
    return fail_errno(error, fmt::format("cannot listen on {}", endpoint.to_string()),
                      remedy_for_bind(error));
  }
  return {};
}

Result<int> bind_to(ring::Kernel& kernel, const Endpoint& endpoint) {
  const int fd = kernel.socket(family_of(endpoint.address), SOCK_STREAM);
  if (fd < 0) {
    return fail_errno(fd, "cannot open a listening socket");
  }
  kernel.set_socket_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  kernel.set_socket_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (endpoint.address.is_v6()) {
    kernel.set_socket_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  }
  sockaddr_storage address{};
  const socklen_t length = endpoint.to_sockaddr(address);
  const int error = kernel.bind(fd, reinterpret_cast<const sockaddr*>(&address), length);
  if (error < 0) {
    kernel.close(fd);
    return fail_errno(error, fmt::format("cannot listen on {}", endpoint.to_string()),
                      remedy_for_bind(error));
  }
  return fd;
}

Result<Endpoint> local_endpoint(ring::Kernel& kernel, int fd) {
  sockaddr_storage address{};
  if (const int error = kernel.local_address(fd, address); error < 0) {
    return fail_errno(error, "cannot learn a socket's own address");
  }
  const std::optional<Endpoint> endpoint = Endpoint::from_sockaddr(address);
  if (!endpoint) {
    return fail("a socket's own address is neither IPv4 nor IPv6");
  }
  return *endpoint;
}

std::optional<Endpoint> peer_endpoint(ring::Kernel& kernel, int fd) {
  sockaddr_storage address{};
  if (kernel.peer_address(fd, address) < 0) {
    return std::nullopt;
  }
  return Endpoint::from_sockaddr(address);
}

void Connects::stop() {
  stopped_ = true;
  for (ring::Operation* const connecting : under_way_) {
    connecting->cancel();
  }
}

ring::Task<int> connect_to(ring::Reactor& reactor, Endpoint peer, std::optional<IpAddress> source,
                           Instant deadline, Connects* among) {
  if (among != nullptr && among->stopped()) {
    co_return -ECANCELED;
  }
  ring::Kernel& kernel = reactor.kernel();
  const int fd = kernel.socket(family_of(peer.address), SOCK_STREAM);
  if (fd < 0) {
    co_return fd;
  }
  sockaddr_storage address{};
  if (source) {
    const Endpoint from{*source, 0};
    const socklen_t from_length = from.to_sockaddr(address);
    const int bound = kernel.bind(fd, reinterpret_cast<const sockaddr*>(&address), from_length);
    if (bound < 0) {
      kernel.close(fd);
      co_return bound;
    }
  }
  const socklen_t length = peer.to_sockaddr(address);
  ring::Operation connecting = reactor.connect(fd, address, length, deadline);
  if (among != nullptr) {
    among->add(connecting);
  }
  const int connected = co_await connecting;
  if (among != nullptr) {
    among->remove(connecting);
  }
  if (connected < 0) {
    kernel.close(fd);
    co_return connected;
  }
  // Whole flights leave in one send: waiting for more to say only costs time.
  kernel.set_socket_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  co_return fd;
}

}  // namespace ringpost::net
