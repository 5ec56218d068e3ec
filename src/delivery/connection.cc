#include "ringpost/delivery/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace ringpost::delivery {
namespace {

constexpr Duration grace_after_quit = 1s;

}  // namespace

std::string describe_network_error(int result) {
  if (result == 0) {
    return "the server closed the connection";
  }
  if (result == -ETIMEDOUT) {
    return "timed out";
  }
  return std::generic_category().message(-result);
}

Connection::Connection(ring::Reactor& reactor, int fd, Peer peer, std::uint64_t id,
                       queue::QueueGroup& group, queue::Destination& destination, Tracer& tracer)
    : reactor_(reactor),
      stream_(reactor, fd),
      peer_(std::move(peer)),
      id_(id),
      group_(group),
      destination_(&destination),
      tracer_(tracer) {}

void Connection::tell(TraceKind kind, std::string_view text) const {
  if (followed()) {
    tracer_.note(
        destination_->name(),
        {reactor_.wall_now(), id_, peer_.mx, peer_.endpoint.to_string(), kind, std::string(text)},
        reactor_.now());
  }
}

ring::Task<Connection::Answer> Connection::read_reply(smtp::Stage stage, Instant deadline,
                                                      Trouble& trouble) {
  trouble = {stage, smtp::classify_silence(stage).status, {}};
  while (true) {
    const net::Received bytes = co_await stream_.receive(deadline);
    if (bytes.result() <= 0) {
      trouble.text = fmt::format("{} while waiting for the reply to {}", describe(bytes.result()),
                                 name_of(stage));
      tell(TraceKind::event, trouble.text);
      co_return Answer::silence;
    }
    const smtp::ReplyParser::Fed fed = parser_.feed(bytes.bytes());
    if (fed.status == smtp::ReplyParser::Status::malformed) {
      trouble.text = parser_.describe_malformed();
      co_return Answer::silence;
    }
    if (fed.status == smtp::ReplyParser::Status::reply) {
      if (fed.consumed != bytes.bytes().size()) {
        trouble.text = fmt::format("the server spoke out of turn at {}", name_of(stage));
        co_return Answer::surplus;
      }
      break;
    }
  }
  const smtp::Reply reply = parser_.reply();
  if (followed()) {
    tell(TraceKind::said, smtp::shown(reply));
  }
  if (reply.positive()) {
    co_return Answer::positive;
  }
  trouble = {stage, smtp::classify(stage, reply).status, smtp::one_line(reply)};
  co_return Answer::refused;
}

void Connection::say(std::string command) {
  tell(TraceKind::sent, command);
  stream_.write(std::move(command));
}

ring::Task<Connection::Answer> Connection::say_hello(const std::string& hostname,
                                                     const config::Timeouts& timeouts,
                                                     Trouble& trouble) {
  capabilities_ = {};  // what was offered in plain text holds no longer under TLS
  say(fmt::format("EHLO {}\r\n", hostname));
  Answer answer = co_await read_reply(smtp::Stage::ehlo, reactor_.now() + timeouts.helo, trouble);
  if (answer == Answer::positive) {
    capabilities_ = smtp::parse_capabilities(parser_.reply());
    co_return answer;
  }
  if (answer != Answer::refused ||
      smtp::classify(smtp::Stage::ehlo, parser_.reply()).action != smtp::Action::say_helo) {
    co_return answer;
  }
  say(fmt::format("HELO {}\r\n", hostname));
  co_return co_await read_reply(smtp::Stage::helo, reactor_.now() + timeouts.helo, trouble);
}

ring::Task<std::optional<Trouble>> Connection::greet(std::string hostname,
                                                     config::Timeouts timeouts, TlsWish wish) {
  Trouble trouble;
  tell(TraceKind::event, "connected");
  Answer answer =
      co_await read_reply(smtp::Stage::greeting, reactor_.now() + timeouts.initial, trouble);
  if (answer != Answer::positive) {
    co_return trouble;
  }
  answer = co_await say_hello(hostname, timeouts, trouble);
  if (answer != Answer::positive) {
    co_return trouble;
  }
  if (wish.policy != config::TlsPolicy::none) {
    const bool serves = co_await secure(hostname, timeouts, wish, trouble);
    if (!serves) {
      co_return trouble;
    }
  }
  co_return std::nullopt;
}

void Connection::start_transactions(smtp::Mode mode, std::size_t depth) {
  if (transactions_) {
    transactions_->use(mode, depth);
    return;
  }
  transactions_.emplace(capabilities_, mode, depth);
  bytes_confirmed = stream_.bytes_written();  // the greeting's share is not the machine's
}

ring::Task<void> Connection::quit(Instant deadline) {
  say("QUIT\r\n");
  while (true) {
    const net::Received bytes = co_await stream_.receive(deadline);
    if (bytes.result() <= 0 || reactor_.now() >= deadline) {
      break;
    }
    // It has answered. Who closes first keeps the port for a while: let that be the server.
    deadline = std::min(deadline, reactor_.now() + grace_after_quit);
  }
  tell(TraceKind::event, "closed");
  co_await stream_.close();
}

ring::Task<void> Connection::close() {
  tell(TraceKind::event, "closed");
  stream_.abort();
  co_await stream_.close();
}

}  // namespace ringpost::delivery
