#include "sim/mail_client.h"

#include "ringpost/net/socket.h"

namespace ringpost::sim {
namespace {

std::string dot_stuffed(const std::string& content) {
  std::string stuffed;
  bool line_start = true;
  for (const char c : content) {
    if (line_start && c == '.') {
      stuffed += '.';
    }
    stuffed += c;
    line_start = c == '\n';
  }
  return stuffed;
}

}  // namespace

MailClient::MailClient(SimWorld& world, const IpAddress& address)
    : host_(world.add_host("client", {address})), process_(std::make_unique<SimProcess>(host_)) {}

MailClient::~MailClient() {
  host_.crash(Crash::killed);
}

void MailClient::send(const Endpoint& to, std::vector<SentMessage>& messages) {
  process_->spawn(converse(to, messages));
}

ring::Task<std::string> MailClient::reply(ring::Reactor& reactor, net::Stream& stream,
                                          std::string& pending) {
  std::string whole;
  while (true) {
    const std::size_t end = pending.find("\r\n");
    if (end == std::string::npos) {
      const net::Received received = co_await stream.receive(reactor.now() + 10min);
      if (received.result() <= 0) {
        co_return std::string();
      }
      pending += received.bytes();
      continue;
    }
    whole += pending.substr(0, end);
    const bool more = pending.size() > 3 && pending[3] == '-';
    pending.erase(0, end + 2);
    if (!more) {
      co_return whole;
    }
  }
}

ring::Task<bool> MailClient::transact(net::Stream& stream, std::string& pending,
                                      SentMessage& message) {
  ring::Reactor& reactor = process_->reactor;
  std::vector<std::string> commands;
  commands.push_back("MAIL FROM:<" + message.sender + ">" + message.mail_parameters + "\r\n");
  message.rcpt_parameters.resize(message.recipients.size());
  for (std::size_t at = 0; at < message.recipients.size(); ++at) {
    commands.push_back("RCPT TO:<" + message.recipients[at] + ">" + message.rcpt_parameters[at] +
                       "\r\n");
  }
  commands.push_back("DATA\r\n");
  if (pipelining) {
    std::string all;
    for (const std::string& command : commands) {
      all += command;
    }
    stream.write(std::move(all));
  }
  message.accepted.clear();
  std::string answer;
  for (std::size_t number = 0; number < commands.size(); ++number) {
    if (!pipelining) {
      stream.write(commands[number]);
    }
    answer = co_await reply(reactor, stream, pending);
    if (answer.empty()) {
      co_return false;
    }
    if (number > 0 && number + 1 < commands.size()) {
      message.accepted.push_back(answer.starts_with("250"));
    }
  }
  if (!answer.starts_with("354")) {
    message.reply = answer;
    co_return !answer.starts_with("421");
  }
  stream.write(dot_stuffed(message.content) + ".\r\n");
  message.reply = co_await reply(reactor, stream, pending);
  co_return !message.reply.empty() && !message.reply.starts_with("421");
}

ring::Task<void> MailClient::converse(Endpoint to, std::vector<SentMessage>& messages) {
  ring::Reactor& reactor = process_->reactor;
  const int fd = co_await net::connect_to(reactor, to, std::nullopt, reactor.now() + 1min);
  if (fd < 0) {
    co_return;
  }
  net::Stream stream(reactor, fd);
  std::string pending;
  std::string answer = co_await reply(reactor, stream, pending);
  bool open = answer.starts_with("220");
  if (open) {
    stream.write("EHLO client.example\r\n");
    answer = co_await reply(reactor, stream, pending);
    open = answer.starts_with("250");
  }
  for (SentMessage& message : messages) {
    if (!open) {
      break;
    }
    open = co_await transact(stream, pending, message);
  }
  if (open) {
    stream.write("QUIT\r\n");
    answer = co_await reply(reactor, stream, pending);
  }
  co_await stream.close();
}

}  // namespace ringpost::sim
