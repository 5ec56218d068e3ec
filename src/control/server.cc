#include "ringpost/control/server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "ringpost/base/log.h"
#include "ringpost/net/socket.h"
#include "ringpost/net/stream.h"

namespace ringpost::control {
namespace {

constexpr int listen_backlog = 128;
constexpr mode_t socket_mode = 0660;  // its owner and group may ask
constexpr Duration pause_without_descriptors = 100ms;
// How long a client may take its answer while the daemon goes down.
constexpr Duration farewell = 2s;

// Nothing where the path is too long for one.
std::optional<socklen_t> socket_address(const std::string& path, sockaddr_storage& address) {
  sockaddr_un name{};
  if (path.empty() || path.size() >= sizeof(name.sun_path)) {
    return std::nullopt;
  }
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, path.data(), path.size());
  std::memcpy(&address, &name, sizeof(name));
  return static_cast<socklen_t>(sizeof(name));
}

Response response_of(const Refusal& refusal) {
  return {refusal.http_status, to_json(refusal)};
}

}  // namespace

struct Server::Client : ListHook<ClientTag> {
  Client(ring::Reactor& reactor, int fd) : stream(reactor, fd) {}

  net::Stream stream;
};

Server::Server(ring::Reactor& reactor, std::string socket_path, Everybody& everybody,
               Duration request_timeout)
    : reactor_(reactor),
      path_(std::move(socket_path)),
      everybody_(everybody),
      request_timeout_(request_timeout),
      acceptor_(reactor.ready()),
      connections_(reactor.ready()) {}

Server::Server(ring::Reactor& reactor, const Endpoint& endpoint, Everybody& everybody,
               Duration request_timeout)
    : Server(reactor, std::string(), everybody, request_timeout) {
  endpoint_ = endpoint;
}

Result<> Server::listen_on_endpoint() {
  const Result<int> listener = net::listen_on(reactor_.kernel(), *endpoint_);
  if (!listener) {
    Error error = listener.error();
    error.remedy = "change metrics.listen";
    return std::unexpected(std::move(error));
  }
  listener_ = *listener;
  const Result<Endpoint> bound = net::local_endpoint(reactor_.kernel(), listener_);
  if (bound) {
    endpoint_ = *bound;
  }
  acceptor_.spawn(accept_clients());
  return {};
}

int Server::bind_and_listen() {
  ring::Kernel& kernel = reactor_.kernel();
  sockaddr_storage address{};
  const std::optional<socklen_t> length = socket_address(path_, address);
  if (!length) {
    return -ENAMETOOLONG;
  }
  const int fd = kernel.socket(AF_UNIX, SOCK_STREAM);
  if (fd < 0) {
    return fd;
  }
  int error = kernel.bind(fd, reinterpret_cast<const sockaddr*>(&address), *length);
  // Before anybody can connect: until it listens they are refused.
  error = error < 0 ? error : kernel.change_mode(path_, socket_mode);
  error = error < 0 ? error : kernel.listen(fd, listen_backlog);
  if (error < 0) {
    kernel.close(fd);
    return error;
  }
  return fd;
}

ring::Task<bool> Server::is_stale() {
  // Opening a socket's file fails like this; what else may lie there is not ours to remove.
  const int file = co_await reactor_.open(path_, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0);
  if (file >= 0) {
    reactor_.kernel().close(file);
  }
  if (file != -ENXIO) {
    co_return false;
  }
  const int fd = reactor_.kernel().socket(AF_UNIX, SOCK_STREAM);
  if (fd < 0) {
    co_return false;
  }
  sockaddr_storage address{};
  const std::optional<socklen_t> length = socket_address(path_, address);
  const int connected =
      co_await reactor_.connect(fd, address, length.value_or(0), reactor_.now() + request_timeout_);
  reactor_.kernel().close(fd);
  co_return connected == -ECONNREFUSED;
}

ring::Task<Result<>> Server::start() {
  if (endpoint_) {
    co_return listen_on_endpoint();
  }
  int listener = bind_and_listen();
  if (listener == -EADDRINUSE) {
    const bool stale = co_await is_stale();
    if (stale) {
      const int removed = co_await reactor_.unlink(path_);
      listener = removed < 0 ? removed : bind_and_listen();
    }
  }
  if (listener < 0) {
    co_return fail_errno(listener, fmt::format("cannot listen on the control socket {}", path_),
                         listener == -EADDRINUSE
                             ? "a daemon answers there, or a file that is no socket is in the way: "
                               "change control.socket"
                             : "change control.socket");
  }
  listener_ = listener;
  acceptor_.spawn(accept_clients());
  co_return Result<>();
}

ring::Task<void> Server::accept_clients() {
  bool complained = false;
  while (!closing_) {
    if (connections_.running() >= max_connections) {
      co_await changed_.wait();
      continue;
    }
    ring::Operation accepting = reactor_.accept(listener_);
    accepting_ = &accepting;
    const int fd = co_await accepting;
    accepting_ = nullptr;
    if (fd >= 0) {
      complained = false;
      connections_.spawn(serve(fd));
      continue;
    }
    if (closing_ || fd == -ECONNABORTED || fd == -EINTR) {
      continue;
    }
    if (!complained) {
      complained = true;
      log::warning("cannot accept on the control socket: {}; trying again",
                   fail_errno(fd, "accept").error().describe());
    }
    co_await changed_.wait_until(reactor_.timers(), reactor_.now() + pause_without_descriptors);
  }
}

ring::Task<bool> Server::read_request(Client& client, RequestReader& request) {
  const Instant deadline = reactor_.now() + request_timeout_;
  while (request.state() == ReadState::need_more) {
    if (closing_) {
      co_return false;
    }
    const net::Received received = co_await client.stream.receive(deadline);
    if (received.result() == -ETIMEDOUT) {
      co_return true;
    }
    if (received.result() <= 0) {
      co_return false;
    }
    request.feed(received.bytes());
  }
  co_return true;
}

ring::Task<Response> Server::respond_to(RequestReader& request) {
  if (request.state() == ReadState::need_more) {
    co_return response_of(Refusal(408, "timeout", "the request did not come in time", ""));
  }
  if (request.state() == ReadState::malformed) {
    co_return response_of(Refusal(request.fault_status(), "bad_request", request.fault(), ""));
  }
  const std::expected<Command, Refusal> command = parse_command(request.method(), request.target());
  if (!command) {
    co_return response_of(command.error());
  }
  if (endpoint_ && !std::holds_alternative<MetricsCommand>(*command)) {
    co_return response_of(
        Refusal(404, "not_found", "only /metrics is served here", "use the control socket"));
  }
  std::vector<Answer> parts = co_await everybody_.ask(*command);
  co_return merge(*command, std::move(parts), everybody_.facts());
}

ring::Task<void> Server::serve(int fd) {
  Client client(reactor_, fd);
  clients_.push_back(client);
  RequestReader request;
  const bool wants_answer = co_await read_request(client, request);
  if (wants_answer) {
    const Response response = co_await respond_to(request);
    client.stream.write(format_response(response.http_status, response.type, response.text + '\n'));
    co_await client.stream.sent_down_to(0, reactor_.now() + request_timeout_);
  }
  co_await client.stream.close();
  changed_.notify_all();
}

ring::Task<void> Server::close() {
  closing_ = true;
  if (accepting_ != nullptr) {
    accepting_->cancel();
  }
  changed_.notify_all();
  co_await acceptor_.close();
  if (listener_ >= 0) {
    reactor_.kernel().close(std::exchange(listener_, -1));
    int removed = 0;
    if (!endpoint_) {
      removed = co_await reactor_.unlink(path_);
    }
    if (removed < 0 && removed != -ENOENT) {
      log::warning("cannot remove the control socket {}: {}", path_,
                   fail_errno(removed, "unlink").error().describe());
    }
  }
  for (Client& client : clients_) {
    client.stream.cancel_receive();
  }
  const Instant deadline = reactor_.now() + farewell;
  while (connections_.running() > 0 && reactor_.now() < deadline) {
    co_await changed_.wait_until(reactor_.timers(), deadline);
  }
  for (Client& client : clients_) {
    client.stream.abort();
  }
  co_await connections_.close();
}

}  // namespace ringpost::control
