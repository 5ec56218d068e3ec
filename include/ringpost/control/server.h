// HTTP over the control socket: takes one command a connection, asks every shard, answers. On shard
// 0's reactor. Knows neither what is behind the question nor who may ask: the socket's directory
// and mode decide that.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "ringpost/base/intrusive_list.h"
#include "ringpost/base/ip_address.h"
#include "ringpost/base/result.h"
#include "ringpost/base/time.h"
#include "ringpost/control/http.h"
#include "ringpost/control/inspect.h"
#include "ringpost/ring/reactor.h"

namespace ringpost::control {

class Everybody {
 public:
  // One part from every shard.
  virtual ring::Task<std::vector<Answer>> ask(Command command) = 0;
  [[nodiscard]] virtual DaemonFacts facts() const = 0;

 protected:
  ~Everybody() = default;
};

class Server {
 public:
  static constexpr std::size_t max_connections = 64;  // further ones wait for their turn

  // `request_timeout` bounds the reading of a request, and again the sending of its answer.
  Server(ring::Reactor& reactor, std::string socket_path, Everybody& everybody,
         Duration request_timeout);
  // The same for metrics alone, over TCP.
  Server(ring::Reactor& reactor, const Endpoint& endpoint, Everybody& everybody,
         Duration request_timeout);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Binds, with mode 0660, and listens. A socket that nobody listens on any more is replaced; one
  // that a daemon answers on is an error.
  ring::Task<Result<>> start();
  // Answers what was asked completely, breaks the rest off, and removes the socket file.
  ring::Task<void> close();

  // Of a server over TCP, once it has started.
  [[nodiscard]] const Endpoint& endpoint() const { return *endpoint_; }
  [[nodiscard]] std::size_t connections() const { return connections_.running(); }

 private:
  struct ClientTag {};
  struct Client;

  ring::Task<void> accept_clients();
  ring::Task<void> serve(int fd);
  // False where there is nobody to answer.
  ring::Task<bool> read_request(Client& client, RequestReader& request);
  ring::Task<Response> respond_to(RequestReader& request);
  int bind_and_listen();
  Result<> listen_on_endpoint();
  // Whether the file at our path is a socket that nobody listens on.
  ring::Task<bool> is_stale();

  ring::Reactor& reactor_;
  std::string path_;
  std::optional<Endpoint> endpoint_;  // instead of the path; the port as bound once it listens
  Everybody& everybody_;
  Duration request_timeout_;
  int listener_ = -1;
  bool closing_ = false;
  ring::Operation* accepting_ = nullptr;
  IntrusiveList<Client, ClientTag> clients_;
  ring::Event changed_;  // a connection ended, or closing_
  ring::Gate acceptor_;
  ring::Gate connections_;
};

}  // namespace ringpost::control
