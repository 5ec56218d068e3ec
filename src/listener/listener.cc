#include "ringpost/listener/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "ringpost/base/log.h"
#include "ringpost/net/proxy_header.h"
#include "ringpost/net/socket.h"

namespace ringpost::listener {
namespace {

constexpr Duration pause_without_descriptors = 100ms;
// The protocol's own advice is at least 3 s, for a lost segment.
constexpr Duration proxy_header_within = 10s;
constexpr std::string_view too_many = "421 4.3.2 Too many connections, try again later\r\n";

constexpr std::string_view too_many_of_yours =
    "421 4.7.0 Too many connections from your address, close some first\r\n";

smtp::ServerSettings settings_from(const config::Config& config) {
  smtp::ServerSettings settings;
  settings.hostname = config.identity.hostname;
  settings.max_message_size = config.listener.max_message_size;
  settings.max_recipients = config.listener.max_recipients;
  settings.max_line_length = config.listener.max_line_length;
  settings.max_command_length = config.listener.max_command_length;
  settings.unasked_memory = intake::ContentMemory::unasked;
  return settings;
}

smtp::ClientInfo describe_client(const std::optional<Endpoint>& peer,
                                 const std::vector<Network>& relay_from) {
  if (!peer) {
    return {"unknown", false};
  }
  const IpAddress address = peer->address.unmapped();
  const auto contains = [&](const Network& network) { return network.contains(address); };
  return {address.is_v4() ? address.to_string() : "IPv6:" + address.to_string(),
          std::ranges::any_of(relay_from, contains)};
}

}  // namespace

Listener::Listener(ring::Reactor& reactor, intake::Intake& intake, mail::IdSequence& ids,
                   const config::Config& config, net::TlsContext* tls, Share share)
    : reactor_(reactor),
      intake_(intake),
      ids_(ids),
      config_(config),
      tls_(tls),
      share_(share),
      settings_(settings_from(config)),
      acceptors_(reactor.ready()),
      sessions_(reactor.ready()) {
  settings_.starttls = tls != nullptr;
}

void Listener::configuration_changed() {
  settings_ = settings_from(config_);
}

void Listener::start(std::vector<int> descriptors, std::vector<int> proxied) {
  take_spare();
  // Each takes one client a turn; together they empty a burst quickly.
  for (std::uint32_t number = 0; number < share_.acceptors; ++number) {
    for (const int descriptor : descriptors) {
      acceptors_.spawn(accept_from(descriptor, false));
    }
    for (const int descriptor : proxied) {
      acceptors_.spawn(accept_from(descriptor, true));
    }
  }
  descriptors_ = std::move(descriptors);
  descriptors_.insert(descriptors_.end(), proxied.begin(), proxied.end());
}

bool Listener::full() const {
  return sessions_.running() >= std::min(config_.listener.max_connections, share_.clients);
}

void Listener::take_spare() {
  if (spare_ < 0) {
    spare_ = std::max(reactor_.kernel().socket(AF_INET, SOCK_DGRAM), -1);
  }
}

// Who is sent away holds up its acceptor, so that no more of them have descriptors than there are
// acceptors; all others wait in the kernel's queue.
ring::Task<void> Listener::accept_from(int descriptor, bool proxied) {
  while (!closing_) {
    ring::Operation accepting = reactor_.accept(descriptor);
    accepts_.push_back(&accepting);
    const int fd = co_await accepting;
    std::erase(accepts_, &accepting);
    if (fd >= 0 && closing_) {
      reactor_.kernel().close(fd);
    } else if (fd >= 0) {
      take_spare();  // without one this client may have the very last descriptor
      if (spare_ < 0 || full()) {
        co_await turn_away(fd, too_many);
        take_spare();
      } else {
        complained_ = false;
        sessions_.spawn(serve(fd, proxied));
      }
    } else if (!closing_ && (fd == -EMFILE || fd == -ENFILE) && spare_ >= 0) {
      complain(fd);
      co_await accept_on_spare(descriptor, proxied);
    } else if (!closing_ && fd != -ECONNABORTED && fd != -EINTR) {
      complain(fd);
      co_await stop_.wait_until(reactor_.timers(), reactor_.now() + pause_without_descriptors);
      if (!spare_lent_) {
        take_spare();
      }
    }
  }
}

void Listener::complain(int error) {
  if (!std::exchange(complained_, true)) {
    log::warning("cannot accept a client: {}; clients are told 421 until it can",
                 fail_errno(error, "accept").error().describe());
  }
}

ring::Task<void> Listener::accept_on_spare(int descriptor, bool proxied) {
  reactor_.kernel().close(std::exchange(spare_, -1));
  spare_lent_ = true;
  ring::Operation accepting = reactor_.accept(descriptor);
  accepts_.push_back(&accepting);
  const int fd = co_await accepting;
  std::erase(accepts_, &accepting);
  spare_lent_ = false;
  if (fd >= 0 && !closing_) {
    take_spare();  // perhaps there are some again
    if (spare_ >= 0 && !full()) {
      sessions_.spawn(serve(fd, proxied));
    } else {
      co_await turn_away(fd, too_many);
    }
  } else if (fd >= 0) {
    reactor_.kernel().close(fd);
  }
  take_spare();
}

Listener::Client Listener::client_at(const std::optional<Endpoint>& peer) const {
  return {peer ? peer->address.unmapped() : IpAddress(),
          describe_client(peer, config_.listener.relay_from)};
}

ring::Task<void> Listener::serve(int fd, bool proxied) {
  reactor_.kernel().set_socket_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  Client client = client_at(net::peer_endpoint(reactor_.kernel(), fd));
  std::string early;
  if (proxied) {
    const bool good = co_await read_proxy_header(fd, client, early);
    if (!good) {
      reactor_.kernel().close(fd);
      co_return;
    }
  }
  const IpAddress address = client.address;
  if (!enter(address)) {
    co_await turn_away(fd, too_many_of_yours);
    co_return;
  }
  {
    Session session(reactor_, intake_, fd, settings_, std::move(client.info), ids_, tls_,
                    config_.timeouts.command, config_.timeouts.datablock);
    open_.push_back(session);
    co_await session.run(std::move(early));
  }
  leave(address);
}

ring::Task<bool> Listener::read_proxy_header(int fd, Client& client, std::string& behind) {
  const std::vector<Network>& proxies = config_.listener.proxy_networks;
  const IpAddress proxy = client.address;
  const auto contains = [&](const Network& network) { return network.contains(proxy); };
  if (std::ranges::none_of(proxies, contains)) {
    log::info("[{}] is in none of listener.proxy_networks", client.info.address);
    co_return false;
  }
  const Instant deadline = reactor_.now() + proxy_header_within;
  net::ProxyHeader header;
  while (header.status == net::ProxyHeader::Status::need_more && !closing_) {
    ring::ReceiveOperation receiving = reactor_.receive(fd, deadline);
    accepts_.push_back(&receiving);
    const ring::Received received = co_await receiving;
    std::erase(accepts_, &receiving);
    if (received.result() <= 0) {
      co_return false;
    }
    behind += received.bytes();
    header = net::parse_proxy_header(behind);
  }
  if (header.status != net::ProxyHeader::Status::complete) {
    log::info("proxy [{}] sends no header of the PROXY protocol", client.info.address);
    co_return false;
  }
  behind.erase(0, header.length);
  if (header.kind == net::ProxyHeader::Kind::client) {
    client = client_at(header.client);
  } else if (header.kind == net::ProxyHeader::Kind::unknown) {
    client.info = describe_client(std::nullopt, {});  // nothing that the proxy may do itself
  }
  co_return true;
}

bool Listener::enter(const IpAddress& client) {
  const std::uint32_t most = config_.listener.max_connections_per_client;
  std::uint32_t& connections = clients_[client];
  if (most != 0 && connections >= most) {
    return false;
  }
  ++connections;
  return true;
}

void Listener::leave(const IpAddress& client) {
  const auto found = clients_.find(client);
  if (--found->second == 0) {
    clients_.erase(found);
  }
}

ring::Task<void> Listener::turn_away(int fd, std::string_view words) {
  const int sent = co_await reactor_.send(fd, std::string(words), reactor_.now() + 5s);
  static_cast<void>(sent);  // a courtesy: whether it arrived changes nothing
  reactor_.kernel().close(fd);
}

ring::Task<void> Listener::close(Instant deadline) {
  closing_ = true;
  for (ring::Operation* const accepting : accepts_) {
    accepting->cancel();
  }
  stop_.notify_all();
  co_await acceptors_.close();
  for (const int descriptor : descriptors_) {
    reactor_.kernel().close(descriptor);
  }
  if (spare_ >= 0) {
    reactor_.kernel().close(std::exchange(spare_, -1));
  }
  for (Session& session : open_) {
    session.shut_down();
  }
  while (sessions_.running() > 0 && reactor_.now() < deadline) {
    co_await reactor_.sleep(10ms);
  }
  for (Session& session : open_) {
    session.abort();
  }
  co_await sessions_.close();
}

}  // namespace ringpost::listener
