// A name server that a test plays, on real loopback sockets without a thread: the test pumps it
// between two turns of the reactor. What it answers, how often and with what lies is scripted.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "packet.h"
#include "ringpost/base/ip_address.h"

namespace ringpost::dns::testing {

struct Query {
  std::uint16_t id = 0;
  Question question;
  bool recursion_desired = false;
  bool edns = false;
  bool tcp = false;
  Endpoint from;
};

class NameServer {
 public:
  // Messages to send back, in order; none: silence.
  using Script = std::function<std::vector<std::string>(const Query&)>;

  explicit NameServer(Script script);
  NameServer(const NameServer&) = delete;
  NameServer& operator=(const NameServer&) = delete;
  ~NameServer();

  void pump();
  [[nodiscard]] Endpoint endpoint() const { return endpoint_; }
  [[nodiscard]] const std::vector<Query>& queries() const { return queries_; }
  [[nodiscard]] std::size_t count(RecordType type) const;
  void set_script(Script script) { script_ = std::move(script); }
  // Later, to whoever asked.
  void send(const Query& to, const std::string& message) const;
  // How TCP answers leave: framed, in pieces of this size; 0 closes without a word.
  void set_tcp_piece(std::size_t size) { tcp_piece_ = size; }
  // Sent over TCP in place of the framed answer.
  void set_tcp_raw(std::string bytes) { tcp_raw_ = std::move(bytes); }

 private:
  struct Connection {
    std::string in;
    std::string out;
  };
  void pump_tcp();
  bool serve(int fd, Connection& connection);

  Script script_;
  int udp_ = -1;
  int tcp_ = -1;
  Endpoint endpoint_;
  std::map<int, Connection> connections_;
  std::vector<Query> queries_;
  std::size_t tcp_piece_ = 65'535;
  std::string tcp_raw_;
};

// The answer to `query` that has these records.
[[nodiscard]] inline Message reply_to(const Query& query, std::vector<std::string> answers = {},
                                      unsigned rcode = 0) {
  return {
      .id = query.id, .question = query.question, .rcode = rcode, .answers = std::move(answers)};
}

}  // namespace ringpost::dns::testing
