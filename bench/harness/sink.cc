#include "harness/sink.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <utility>

#include "harness/self_signed.h"
#include "ringpost/net/socket.h"

namespace ringpost::bench {
namespace {

// A client that reads no answers is left waiting.
constexpr std::uint64_t most_unsent = 256 * 1024;
constexpr std::size_t most_delayed = 4096;
constexpr Duration handshake_deadline = 30s;

}  // namespace

struct Sink::Connection : ListHook<SinkConnectionTag> {
  struct Late {
    Instant due;
    std::string bytes;
  };

  Connection(ring::Reactor& reactor, int fd, const SinkOffers& offers, Arrivals& arrivals,
             const IpAddress& local)
      : stream(reactor, fd),
        session(offers, arrivals, arrivals.connected(local)),
        writer(reactor.ready()) {}

  net::Stream stream;
  SinkSession session;
  ring::Gate writer;
  std::deque<Late> late;
  bool no_more = false;
  ring::Event late_changed;
};

Sink::Sink(ring::Reactor& reactor, StopSignal& stop, const SinkSettings& settings,
           Arrivals& arrivals)
    : reactor_(reactor),
      stop_(stop),
      settings_(settings),
      arrivals_(arrivals),
      gate_(reactor.ready()) {
  if (settings_.offers.tls) {
    const SelfSigned identity = make_self_signed("sink.test");
    tls_ = net::TlsContext::server(identity.certificate, identity.key).value();
  }
}

ring::Task<bool> Sink::start_tls(Connection& connection) {
  while (!connection.late.empty()) {
    co_await reactor_.sleep(1ms);
  }
  const Result<> shaken =
      co_await connection.stream.start_tls(tls_->accept(), reactor_.now() + handshake_deadline);
  co_return shaken.has_value();
}

ring::Task<void> Sink::run(int fd) {
  gate_.spawn(accept_all(fd));
  co_await stop_.wait();
  reactor_.kernel().shutdown(fd);
  for (Connection& connection : connections_) {
    connection.stream.abort();
  }
  co_await gate_.close();
  reactor_.kernel().close(fd);
  arrivals_.ledger().flush();
}

ring::Task<void> Sink::accept_all(int fd) {
  while (!stop_.requested()) {
    const int accepted = co_await reactor_.accept(fd);
    if (accepted >= 0 && stop_.requested()) {
      reactor_.kernel().close(accepted);
    } else if (accepted >= 0) {
      gate_.spawn(serve(accepted));
    } else if (!stop_.requested()) {
      co_await reactor_.sleep(10ms);  // out of descriptors, or a peer that went away again
    }
  }
}

bool Sink::from_loopback(int fd, IpAddress& local) {
  const std::optional<Endpoint> peer = net::peer_endpoint(reactor_.kernel(), fd);
  const Result<Endpoint> ours = net::local_endpoint(reactor_.kernel(), fd);
  if (!peer || !ours || !peer->address.is_loopback()) {
    return false;
  }
  local = ours->address;
  return true;
}

ring::Task<void> Sink::serve(int fd) {
  IpAddress local;
  if (!from_loopback(fd, local)) {
    reactor_.kernel().close(fd);
    co_return;
  }
  reactor_.kernel().set_socket_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  Connection connection(reactor_, fd, settings_.offers, arrivals_, local);
  connections_.push_back(connection);
  const bool delayed = settings_.delay > Duration::zero();
  if (delayed) {
    connection.writer.spawn(answer_late(connection));
  }
  std::string replies(SinkSession::greeting);
  bool go_on = true;
  while (true) {
    if (!replies.empty() && delayed) {
      connection.late.push_back({reactor_.now() + settings_.delay, std::move(replies)});
      connection.late_changed.notify_all();
    } else if (!replies.empty()) {
      connection.stream.write(std::move(replies));
    }
    if (!go_on || connection.late.size() > most_delayed) {
      break;
    }
    if (connection.session.take_tls_wish()) {
      go_on = co_await start_tls(connection);
      replies = {};
      continue;
    }
    if (connection.stream.bytes_unsent() > most_unsent) {
      co_await connection.stream.sent_down_to(0, never);
    }
    net::Received received = co_await connection.stream.receive();
    if (received.result() <= 0) {
      break;
    }
    replies = {};
    go_on = connection.session.feed(received.bytes(), reactor_.now(), replies);
    received.release();
    arrivals_.ledger().flush_if_sync();
  }
  connection.no_more = true;
  connection.late_changed.notify_all();
  co_await connection.writer.close();
  co_await connection.stream.sent_down_to(0, reactor_.now() + 5s);
  connection.unlink();
  co_await connection.stream.close();
}

ring::Task<void> Sink::answer_late(Connection& connection) {
  while (true) {
    if (connection.late.empty()) {
      if (connection.no_more) {
        co_return;
      }
      co_await connection.late_changed.wait();
      continue;
    }
    const Instant due = connection.late.front().due;
    if (due > reactor_.now() && connection.stream.error() == 0) {
      co_await reactor_.sleep(due - reactor_.now());
    }
    connection.stream.write(std::move(connection.late.front().bytes));
    connection.late.pop_front();
  }
}

Result<int> open_sink_listener(const Endpoint& listen, Endpoint& bound) {
  Endpoint wanted = listen;
  if (wanted.address.is_v4() && wanted.address.is_loopback()) {
    wanted.address = IpAddress::any(IpAddress::Family::v4);
  }
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return fail_errno(errno, "cannot open a listening socket");
  }
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_storage address{};
  const socklen_t length = wanted.to_sockaddr(address);
  sockaddr_storage local{};
  socklen_t local_length = sizeof(local);
  if (!wanted.address.is_v4() ||
      ::bind(fd, reinterpret_cast<const sockaddr*>(&address), length) < 0 ||
      ::listen(fd, 4096) < 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &local_length) < 0) {
    const int error = wanted.address.is_v4() ? errno : EAFNOSUPPORT;
    ::close(fd);
    return fail_errno(error, fmt::format("cannot listen on {}", listen.to_string()),
                      "choose another --listen address and port");
  }
  bound = *Endpoint::from_sockaddr(local);
  return fd;
}

}  // namespace ringpost::bench
