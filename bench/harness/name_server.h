// The sink's name server: every name has one MX host and every MX host one loopback address, so
// that a relay under test meets as many destinations as there are. UDP and TCP, one thread with
// plain sockets: it is asked once a domain and costs nothing beside the mail. Answers only what
// comes from loopback.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "harness/counter.h"
#include "ringpost/base/ip_address.h"
#include "ringpost/base/result.h"
#include "ringpost/base/time.h"

namespace ringpost::bench {

// The answer to one query, empty if it is none. Names that begin with "d" and a number go to MX
// host number modulo `destinations`, others by a hash; with no destinations each name has an MX
// host of its own. TTL one hour.
[[nodiscard]] std::string answer_query(std::string_view query, std::uint32_t destinations);

// Where the mail of `domain` goes by these answers.
[[nodiscard]] IpAddress mail_address_of(std::string_view domain, std::uint32_t destinations);

class NameServer {
 public:
  NameServer() = default;
  NameServer(const NameServer&) = delete;
  NameServer& operator=(const NameServer&) = delete;
  ~NameServer();

  // Port 0 takes a free one.
  Result<> start(const Endpoint& listen, std::uint32_t destinations);
  void stop();

  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
  [[nodiscard]] std::uint64_t queries() const { return queries_.value(); }
  // Valid after stop().
  [[nodiscard]] Duration cpu_time() const { return cpu_time_; }

 private:
  struct Client {
    int fd;
    std::string received;
  };

  Result<> open(const Endpoint& listen);
  void close_sockets();
  void serve();
  void answer_datagrams();
  void accept_client();
  // False when it is to be closed.
  bool answer_client(Client& client);

  std::uint32_t destinations_ = 0;
  Endpoint endpoint_;
  int udp_ = -1;
  int tcp_ = -1;
  int wake_ = -1;
  std::vector<Client> clients_;
  Counter queries_;
  Duration cpu_time_{};
  std::thread thread_;
};

}  // namespace ringpost::bench
