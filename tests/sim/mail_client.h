// A client of the simulated world that hands messages to a relay by SMTP, one transaction after the
// other, and remembers which of them were answered 250: those the relay must not lose.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ringpost/net/stream.h"
#include "sim/sim_process.h"

namespace ringpost::sim {

struct SentMessage {
  std::string sender;
  std::vector<std::string> recipients;
  std::string content;          // not dot-stuffed, without what the relay adds in front
  std::string mail_parameters;  // behind the path, beginning with a space
  std::vector<std::string> rcpt_parameters;  // of the recipients, as far as they go
  std::string reply;                         // to the dot; empty: none came
  std::vector<bool> accepted;                // the recipients, one by one

  [[nodiscard]] bool answered() const { return reply.starts_with("250"); }
};

class MailClient {
 public:
  MailClient(SimWorld& world, const IpAddress& address);
  ~MailClient();

  // Sends these over one connection, stops at the first trouble. `messages` must live until then.
  void send(const Endpoint& to, std::vector<SentMessage>& messages);
  // Runs the world until everything is sent.
  bool finish(Duration longest = 10min) { return process_->finish(longest); }
  [[nodiscard]] bool busy() const { return process_->gate.running() > 0; }

  bool pipelining = true;

 private:
  ring::Task<void> converse(Endpoint to, std::vector<SentMessage>& messages);
  // The next whole reply, without its CRLF; empty when the connection has ended.
  static ring::Task<std::string> reply(ring::Reactor& reactor, net::Stream& stream,
                                       std::string& pending);
  ring::Task<bool> transact(net::Stream& stream, std::string& pending, SentMessage& message);

  SimHost& host_;
  std::unique_ptr<SimProcess> process_;
};

}  // namespace ringpost::sim
