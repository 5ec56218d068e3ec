#include "harness/name_server.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "harness/ring_thread.h"
#include "ringpost/base/text.h"

namespace ringpost::bench {
namespace {

constexpr std::size_t header_size = 12;
constexpr std::size_t max_clients = 256;
constexpr std::uint16_t type_a = 1;
constexpr std::uint16_t type_mx = 15;
constexpr std::uint32_t time_to_live_s = 3600;
// 127.1.0.0 up to 127.127.255.255; what lies below is for listeners.
constexpr std::uint32_t first_address = 127U << 24 | 1U << 16;
constexpr std::uint32_t addresses = 127U << 16;
constexpr std::string_view host_suffix = ".mx.sink.test";

void put16(std::string& out, std::size_t value) {
  out += static_cast<char>(value >> 8 & 0xff);
  out += static_cast<char>(value & 0xff);
}
void put32(std::string& out, std::uint32_t value) {
  put16(out, value >> 16);
  put16(out, value & 0xffff);
}
std::uint16_t get16(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(bytes[at]) << 8 |
                                    static_cast<unsigned char>(bytes[at + 1]));
}

struct Query {
  std::string name;  // lower case
  std::uint16_t type = 0;
  std::size_t question_end = 0;
};

// RFC 1035 section 4.1: one question, no compression.
std::optional<Query> parse(std::string_view bytes) {
  if (bytes.size() < header_size || (bytes[2] & 0xf8) != 0 || get16(bytes, 4) != 1) {
    return std::nullopt;
  }
  Query query;
  std::size_t at = header_size;
  while (at < bytes.size() && bytes[at] != 0) {
    const auto length = static_cast<unsigned char>(bytes[at]);
    if (length > 63 || at + 1 + length >= bytes.size() || query.name.size() > 250) {
      return std::nullopt;
    }
    query.name += query.name.empty() ? "" : ".";
    query.name += to_lower(bytes.substr(at + 1, length));
    at += 1U + length;
  }
  if (at + 5 > bytes.size()) {
    return std::nullopt;
  }
  query.type = get16(bytes, at + 1);
  query.question_end = at + 5;
  return query;
}

// The digits behind the first letter of the first label, if it is "d" or "h" and nothing else.
std::optional<std::uint64_t> number_in(std::string_view name, char letter) {
  const std::string_view label = name.substr(0, name.find('.'));
  if (label.size() < 2 || label[0] != letter) {
    return std::nullopt;
  }
  return parse_number(label.substr(1));
}

std::uint64_t hash_of(std::string_view name) {
  return XXH3_64bits(name.data(), name.size());
}

std::uint32_t address_of(std::string_view name) {
  if (name.ends_with(host_suffix)) {
    if (const std::optional<std::uint64_t> number = number_in(name, 'h')) {
      return first_address + static_cast<std::uint32_t>(*number % addresses);
    }
  }
  return first_address + static_cast<std::uint32_t>(hash_of(name) % addresses);
}

std::uint64_t host_number(std::string_view name, std::uint32_t destinations) {
  const std::uint64_t number = number_in(name, 'd').value_or(hash_of(name) % addresses);
  return destinations == 0 ? number : number % destinations;
}

std::string mail_host_of(std::string_view name, std::uint32_t destinations) {
  return fmt::format("h{}{}", host_number(name, destinations), host_suffix);
}

void put_name(std::string& out, std::string_view name) {
  while (!name.empty()) {
    const std::size_t end = std::min(name.find('.'), name.size());
    out += static_cast<char>(end);
    out += name.substr(0, end);
    name.remove_prefix(std::min(end + 1, name.size()));
  }
  out += '\0';
}

void put_record_head(std::string& out, std::size_t owner, std::uint16_t type) {
  put16(out, 0xc000 | owner);
  put16(out, type);
  put16(out, 1);
  put32(out, time_to_live_s);
}

}  // namespace

std::string answer_query(std::string_view query, std::uint32_t destinations) {
  const std::optional<Query> asked = parse(query);
  if (!asked) {
    return {};
  }
  const bool knows = asked->type == type_a || asked->type == type_mx;
  std::string out(query.substr(0, 2));
  put16(out, 0x8400U | (get16(query, 2) & 0x0100U));  // answer, authoritative, RD as asked
  put16(out, 1);
  put16(out, knows ? 1 : 0);
  put16(out, 0);
  put16(out, asked->type == type_mx ? 1 : 0);
  out += query.substr(header_size, asked->question_end - header_size);
  if (asked->type == type_a) {
    put_record_head(out, header_size, type_a);
    put16(out, 4);
    put32(out, address_of(asked->name));
  } else if (asked->type == type_mx) {
    const std::string host = mail_host_of(asked->name, destinations);
    put_record_head(out, header_size, type_mx);
    put16(out, 2 + host.size() + 2);
    put16(out, 10);
    const std::size_t host_at = out.size();
    put_name(out, host);
    put_record_head(out, host_at, type_a);
    put16(out, 4);
    put32(out, address_of(host));
  }
  return out;
}

IpAddress mail_address_of(std::string_view domain, std::uint32_t destinations) {
  const std::uint32_t address = address_of(mail_host_of(domain, destinations));
  const std::array<std::uint8_t, 4> bytes = {
      static_cast<std::uint8_t>(address >> 24), static_cast<std::uint8_t>(address >> 16),
      static_cast<std::uint8_t>(address >> 8), static_cast<std::uint8_t>(address)};
  return IpAddress::v4(bytes);
}

NameServer::~NameServer() {
  stop();
  close_sockets();
}

void NameServer::close_sockets() {
  for (int* const fd : {&udp_, &tcp_, &wake_}) {
    if (*fd >= 0) {
      ::close(*fd);
    }
    *fd = -1;
  }
}

Result<> NameServer::open(const Endpoint& listen) {
  const int family = listen.address.is_v4() ? AF_INET : AF_INET6;
  udp_ = ::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  tcp_ = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  const int on = 1;
  const int receive_buffer = 4 << 20;
  ::setsockopt(tcp_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  ::setsockopt(udp_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
  sockaddr_storage address{};
  socklen_t length = listen.to_sockaddr(address);
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  if (udp_ < 0 || tcp_ < 0 || wake_ < 0 || ::bind(udp_, raw, length) < 0 ||
      ::getsockname(udp_, raw, &length) < 0 || ::bind(tcp_, raw, length) < 0 ||
      ::listen(tcp_, 64) < 0) {
    return fail_errno(errno, fmt::format("cannot serve names on {}", listen.to_string()),
                      "choose another --dns address and port");
  }
  endpoint_ = *Endpoint::from_sockaddr(address);
  return {};
}

Result<> NameServer::start(const Endpoint& listen, std::uint32_t destinations) {
  destinations_ = destinations;
  // The port that the system chose for UDP may be taken for TCP: then it chooses again.
  Result<> opened = open(listen);
  for (int tries = 1; tries < 20 && !opened && listen.port == 0; ++tries) {
    close_sockets();
    opened = open(listen);
  }
  if (!opened) {
    return opened;
  }
  thread_ = std::thread([this] {
    serve();
    cpu_time_ = thread_cpu_time();
  });
  return {};
}

void NameServer::stop() {
  if (thread_.joinable()) {
    ::eventfd_write(wake_, 1);
    thread_.join();
  }
}

void NameServer::serve() {
  while (true) {
    std::vector<pollfd> polled = {{wake_, POLLIN, 0}, {udp_, POLLIN, 0}, {tcp_, POLLIN, 0}};
    for (const Client& client : clients_) {
      polled.push_back({client.fd, POLLIN, 0});
    }
    ::poll(polled.data(), polled.size(), -1);
    if (polled[0].revents != 0) {
      break;
    }
    for (std::size_t i = clients_.size(); i-- > 0;) {
      if (polled[3 + i].revents != 0 && !answer_client(clients_[i])) {
        ::close(clients_[i].fd);
        clients_.erase(clients_.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
    if (polled[1].revents != 0) {
      answer_datagrams();
    }
    if (polled[2].revents != 0) {
      accept_client();
    }
  }
  for (const Client& client : clients_) {
    ::close(client.fd);
  }
  clients_.clear();
}

void NameServer::answer_datagrams() {
  std::array<char, 4096> buffer;
  while (true) {
    sockaddr_storage peer{};
    socklen_t length = sizeof(peer);
    auto* const raw = reinterpret_cast<sockaddr*>(&peer);
    const ssize_t got = ::recvfrom(udp_, buffer.data(), buffer.size(), 0, raw, &length);
    if (got < 0) {
      return;
    }
    const std::optional<Endpoint> from = Endpoint::from_sockaddr(peer);
    const std::string answer =
        answer_query({buffer.data(), static_cast<std::size_t>(got)}, destinations_);
    if (from && from->address.is_loopback() && !answer.empty()) {
      queries_.add();
      ::sendto(udp_, answer.data(), answer.size(), MSG_NOSIGNAL, raw, length);
    }
  }
}

void NameServer::accept_client() {
  const int fd = ::accept4(tcp_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd >= 0 && clients_.size() >= max_clients) {
    ::close(fd);
  } else if (fd >= 0) {
    clients_.push_back({fd, {}});
  }
}

// RFC 1035 section 4.2.2: each message behind its length.
bool NameServer::answer_client(Client& client) {
  std::array<char, 4096> buffer;
  const ssize_t got = ::recv(client.fd, buffer.data(), buffer.size(), 0);
  if (got <= 0) {
    return got < 0 && errno == EAGAIN;
  }
  client.received.append(buffer.data(), static_cast<std::size_t>(got));
  while (client.received.size() >= 2) {
    const std::size_t length = get16(client.received, 0);
    if (client.received.size() < 2 + length) {
      break;
    }
    const std::string answer =
        answer_query(std::string_view(client.received).substr(2, length), destinations_);
    if (answer.empty()) {
      return false;
    }
    queries_.add();
    std::string framed;
    put16(framed, answer.size());
    framed += answer;
    if (::send(client.fd, framed.data(), framed.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(framed.size())) {
      return false;
    }
    client.received.erase(0, 2 + length);
  }
  return true;
}

}  // namespace ringpost::bench
