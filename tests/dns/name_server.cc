#include "name_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "ringpost/base/check.h"
#include "ringpost/dns/name.h"

namespace ringpost::dns::testing {

namespace {

unsigned get_u16(std::string_view bytes, std::size_t at) {
  return static_cast<unsigned>(static_cast<unsigned char>(bytes[at])) << 8U |
         static_cast<unsigned char>(bytes[at + 1]);
}

Query read_query(std::string_view bytes) {
  check(bytes.size() >= 17, "a query that is too short");
  const std::size_t end = bytes.find('\0', 12) + 1;
  const std::string_view name = bytes.substr(12, end - 12);
  Query query;
  query.id = static_cast<std::uint16_t>(get_u16(bytes, 0));
  query.recursion_desired = (get_u16(bytes, 2) & 0x0100) != 0;
  query.question.name =
      text_of_wire_name({reinterpret_cast<const std::uint8_t*>(name.data()), name.size()}).value();
  query.question.type = static_cast<RecordType>(get_u16(bytes, end));
  query.edns = get_u16(bytes, 10) == 1;
  return query;
}

int bound_socket(int type, const Endpoint& at) {
  const int fd = ::socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_storage address{};
  const socklen_t length = at.to_sockaddr(address);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), length) != 0) {
    ::close(fd);
    return -1;
  }
  return fd;
}

}  // namespace

NameServer::NameServer(Script script) : script_(std::move(script)) {
  // A port that is free for both.
  for (int tries = 0; tcp_ < 0; ++tries) {
    check(tries < 100, "no port for a name server");
    udp_ = bound_socket(SOCK_DGRAM, {IpAddress::loopback(IpAddress::Family::v4), 0});
    check(udp_ >= 0, "no socket for a name server");
    sockaddr_storage address{};
    socklen_t length = sizeof(address);
    ::getsockname(udp_, reinterpret_cast<sockaddr*>(&address), &length);
    endpoint_ = Endpoint::from_sockaddr(address).value();
    tcp_ = bound_socket(SOCK_STREAM, endpoint_);
    if (tcp_ < 0) {
      ::close(udp_);
    }
  }
  ::listen(tcp_, 64);
}

NameServer::~NameServer() {
  ::close(udp_);
  ::close(tcp_);
  for (const auto& [fd, connection] : connections_) {
    ::close(fd);
  }
}

std::size_t NameServer::count(RecordType type) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      queries_, [=](const Query& query) { return query.question.type == type; }));
}

void NameServer::send(const Query& to, const std::string& message) const {
  sockaddr_storage address{};
  const socklen_t length = to.from.to_sockaddr(address);
  ::sendto(udp_, message.data(), message.size(), 0, reinterpret_cast<sockaddr*>(&address), length);
}

void NameServer::pump() {
  char buffer[4096];
  for (;;) {
    sockaddr_storage address{};
    socklen_t length = sizeof(address);
    const ssize_t size =
        ::recvfrom(udp_, buffer, sizeof(buffer), 0, reinterpret_cast<sockaddr*>(&address), &length);
    if (size < 0) {
      break;
    }
    Query query = read_query({buffer, static_cast<std::size_t>(size)});
    query.from = Endpoint::from_sockaddr(address).value();
    queries_.push_back(query);
    for (const std::string& message : script_(query)) {
      send(query, message);
    }
  }
  pump_tcp();
}

void NameServer::pump_tcp() {
  for (int fd = 0; (fd = ::accept4(tcp_, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
    connections_[fd];
  }
  for (auto at = connections_.begin(); at != connections_.end();) {
    if (serve(at->first, at->second)) {
      ++at;
    } else {
      ::close(at->first);
      at = connections_.erase(at);
    }
  }
}

bool NameServer::serve(int fd, Connection& connection) {
  char buffer[4096];
  const ssize_t size = ::recv(fd, buffer, sizeof(buffer), 0);
  if (size == 0 || (size < 0 && errno != EAGAIN)) {
    return false;
  }
  if (size > 0) {
    connection.in.append(buffer, static_cast<std::size_t>(size));
    if (connection.in.size() >= 2 && connection.in.size() >= 2 + get_u16(connection.in, 0)) {
      Query query = read_query(std::string_view(connection.in).substr(2));
      query.tcp = true;
      queries_.push_back(query);
      for (const std::string& message : script_(query)) {
        connection.out += u16(static_cast<unsigned>(message.size())) + message;
      }
      if (!tcp_raw_.empty()) {
        connection.out = tcp_raw_;
      }
      if (tcp_piece_ == 0) {
        return false;
      }
    }
  }
  // One piece a pump, so that they arrive apart.
  const std::string piece = connection.out.substr(0, tcp_piece_);
  if (!piece.empty()) {
    ::send(fd, piece.data(), piece.size(), MSG_NOSIGNAL);
    connection.out.erase(0, piece.size());
  }
  return true;
}

}  // namespace ringpost::dns::testing
