// The daemon's listening sockets: bound while it may still be root, listened on when all shards
// have recovered, told to the world in the ready line.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "ringpost/daemon/daemon.h"
#include "ringpost/net/listening.h"
#include "ringpost/net/socket.h"

namespace ringpost::daemon {

Result<Endpoint> Daemon::bind_listener(Endpoint endpoint, std::vector<int> Worker::* into) {
  for (const auto& worker : workers_) {
    const Result<int> listener = net::bind_to(*worker->kernel, endpoint);
    if (!listener) {
      return std::unexpected(listener.error());
    }
    (*worker.*into).push_back(*listener);
    if (endpoint.port == 0) {  // the other shards take the port that the first one got
      const Result<Endpoint> bound = net::local_endpoint(*worker->kernel, *listener);
      if (!bound) {
        return std::unexpected(bound.error());
      }
      endpoint = *bound;
    }
  }
  return endpoint;
}

Result<> Daemon::bind_listeners() {
  const config::Listener& listener = configuration_.config.listener;
  const auto bind = [this](const std::vector<Endpoint>& wanted, std::vector<int> Worker::* into,
                           std::vector<Endpoint>& listening) -> Result<> {
    for (const Endpoint& endpoint : wanted) {
      const Result<Endpoint> bound = bind_listener(endpoint, into);
      if (!bound) {
        return std::unexpected(bound.error());
      }
      listening.push_back(*bound);
    }
    return {};
  };
  if (const Result<> bound = bind(listener.smtp, &Worker::listeners, listening_); !bound) {
    return bound;
  }
  return bind(listener.proxy_protocol, &Worker::proxied_listeners, listening_to_proxies_);
}

Result<> Daemon::open_listeners() {
  const auto open = [](Worker& worker, const std::vector<int>& sockets,
                       const std::vector<Endpoint>& endpoints) -> Result<> {
    for (std::size_t at = 0; at < sockets.size(); ++at) {
      if (const Result<> opened = net::start_listening(*worker.kernel, sockets[at], endpoints[at]);
          !opened) {
        return opened;
      }
    }
    return {};
  };
  for (const auto& worker : workers_) {
    Result<> opened = open(*worker, worker->listeners, listening_);
    if (opened) {
      opened = open(*worker, worker->proxied_listeners, listening_to_proxies_);
    }
    if (!opened) {
      return opened;
    }
  }
  return {};
}

void Daemon::print_ready(const std::string& metrics) const {
  const auto list = [](const std::vector<Endpoint>& endpoints) {
    std::vector<std::string> texts;
    for (const Endpoint& endpoint : endpoints) {
      texts.push_back(fmt::format("\"{}\"", endpoint.to_string()));
    }
    return fmt::format("{}", fmt::join(texts, ","));
  };
  fmt::print(
      "ready {{\"smtp\":[{}],\"proxied\":[{}],\"control\":\"{}\",\"metrics\":{},\"shards\":{},"
      "\"pid\":{}}}\n",
      list(listening_), list(listening_to_proxies_), configuration_.config.control.socket, metrics,
      workers_.size(), getpid());
  std::fflush(stdout);
}

}  // namespace ringpost::daemon
