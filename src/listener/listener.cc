#include "ringpost/listener/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>

#include "ringpost/base/log.h"
#include "ringpost/net/socket.h"

namespace ringpost::listener {
namespace {

// Each takes one client a turn; together they empty a burst quickly.
constexpr int acceptors_per_socket = 8;
constexpr Duration pause_without_descriptors = 100ms;
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
                   const config::Config& config)
    : reactor_(reactor),
      intake_(intake),
      ids_(ids),
      config_(config),
      settings_(settings_from(config)),
      acceptors_(reactor.ready()),
      sessions_(reactor.ready()) {}

void Listener::start(std::vector<int> descriptors) {
  descriptors_ = std::move(descriptors);
  for (const int descriptor : descriptors_) {
    for (int number = 0; number < acceptors_per_socket; ++number) {
      acceptors_.spawn(accept_from(descriptor));
    }
  }
}

ring::Task<void> Listener::accept_from(int descriptor) {
  bool complained = false;
  while (!closing_) {
    ring::Operation accepting = reactor_.accept(descriptor);
    accepts_.push_back(&accepting);
    const int fd = co_await accepting;
    std::erase(accepts_, &accepting);
    if (fd >= 0 && !closing_) {
      complained = false;
      if (sessions_.running() >= config_.listener.max_connections) {
        sessions_.spawn(turn_away(fd, too_many));
      } else {
        sessions_.spawn(serve(fd));
      }
      continue;
    }
    if (fd >= 0) {
      reactor_.kernel().close(fd);
      continue;
    }
    if (closing_ || fd == -ECONNABORTED || fd == -EINTR) {
      continue;
    }
    if (!complained) {
      complained = true;
      log::warning("cannot accept a client: {}; trying again",
                   fail_errno(fd, "accept").error().describe());
    }
    co_await stop_.wait_until(reactor_.timers(), reactor_.now() + pause_without_descriptors);
  }
}

ring::Task<void> Listener::serve(int fd) {
  reactor_.kernel().set_socket_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  const std::optional<Endpoint> peer = net::peer_endpoint(reactor_.kernel(), fd);
  const IpAddress address = peer ? peer->address.unmapped() : IpAddress();
  if (!enter(address)) {
    co_await turn_away(fd, too_many_of_yours);
    co_return;
  }
  {
    Session session(reactor_, intake_, fd, settings_,
                    describe_client(peer, config_.listener.relay_from), ids_,
                    config_.timeouts.command, config_.timeouts.datablock);
    open_.push_back(session);
    co_await session.run();
  }
  leave(address);
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
