#include "ringpost/dns/transport.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace ringpost::dns {

namespace {

constexpr std::size_t length_prefix = 2;  // RFC 1035 section 4.2.2

int family_of(const Endpoint& server) {
  return server.address.is_v4() ? AF_INET : AF_INET6;
}

std::size_t announced_length(std::string_view bytes) {
  const auto octet = [&](std::size_t at) { return static_cast<unsigned char>(bytes[at]); };
  return std::size_t{octet(0)} << 8 | octet(1);
}

}  // namespace

std::uint16_t Transport::random_id() {
  return static_cast<std::uint16_t>(reactor_.random().below(0x10000));
}

ring::Task<Answer> Transport::ask_over_udp(Question question, Endpoint server, Edns edns,
                                           Instant deadline) {
  Answer answer;
  if (stopped_) {
    co_return answer;
  }
  Exchange exchange;
  exchange.id = random_id();
  exchange.deadline = deadline;
  std::string query = build_query(question, exchange.id, edns);
  exchange.fd = reactor_.kernel().socket(family_of(server), SOCK_DGRAM);
  if (exchange.fd < 0) {
    ++counters_.unanswered;
    co_return answer;
  }
  exchanges_.push_back(exchange);
  ++counters_.udp_queries;
  int result = co_await connect(exchange, server);
  if (result >= 0) {
    result = co_await send(exchange, std::move(query));
  }
  if (result >= 0) {
    answer = co_await receive_datagram(exchange, question);
  }
  if (answer.status == AnswerStatus::mismatched) {
    ++counters_.unanswered;
  }
  reactor_.kernel().close(exchange.fd);
  co_return answer;
}

ring::Task<Answer> Transport::ask_over_tcp(Question question, Endpoint server, Edns edns,
                                           Instant deadline) {
  Answer answer;
  if (stopped_) {
    co_return answer;
  }
  Exchange exchange;
  exchange.id = random_id();
  exchange.deadline = deadline;
  const std::string query = build_query(question, exchange.id, edns);
  std::string framed;
  framed.push_back(static_cast<char>(query.size() >> 8));
  framed.push_back(static_cast<char>(query.size() & 0xff));
  framed += query;
  exchange.fd = reactor_.kernel().socket(family_of(server), SOCK_STREAM);
  if (exchange.fd < 0) {
    ++counters_.unanswered;
    co_return answer;
  }
  exchanges_.push_back(exchange);
  ++counters_.tcp_queries;
  int result = co_await connect(exchange, server);
  if (result >= 0) {
    result = co_await send(exchange, std::move(framed));
  }
  if (result >= 0) {
    answer = co_await receive_stream(exchange, question);
  }
  if (answer.status == AnswerStatus::mismatched) {
    ++counters_.unanswered;
  }
  reactor_.kernel().close(exchange.fd);
  co_return answer;
}

ring::Task<int> Transport::connect(Exchange& exchange, Endpoint server) {
  sockaddr_storage address{};
  const socklen_t length = server.to_sockaddr(address);
  ring::Operation connecting = reactor_.connect(exchange.fd, address, length, exchange.deadline);
  exchange.pending = &connecting;
  const int result = co_await connecting;
  exchange.pending = nullptr;
  co_return stopped_ ? -ECANCELED : result;
}

ring::Task<int> Transport::send(Exchange& exchange, std::string bytes) {
  ring::Operation sending = reactor_.send(exchange.fd, std::move(bytes), exchange.deadline);
  exchange.pending = &sending;
  const int result = co_await sending;
  exchange.pending = nullptr;
  co_return stopped_ ? -ECANCELED : result;
}

ring::Task<Answer> Transport::receive_datagram(Exchange& exchange, const Question& question) {
  Answer answer;
  // The deadline bounds how much of what is not for us is read.
  while (!stopped_) {
    ring::ReceiveOperation receiving = reactor_.receive(exchange.fd, exchange.deadline);
    exchange.pending = &receiving;
    const ring::Received received = co_await receiving;
    exchange.pending = nullptr;
    if (received.result() < 0) {
      break;
    }
    answer = parse_answer(received.bytes(), question, exchange.id);
    if (answer.status != AnswerStatus::mismatched) {
      break;
    }
    ++counters_.ignored;
    if (reactor_.now() >= exchange.deadline) {
      break;
    }
  }
  co_return answer;
}

ring::Task<Answer> Transport::receive_stream(Exchange& exchange, const Question& question) {
  Answer answer;
  std::string bytes;
  while (!stopped_) {
    ring::ReceiveOperation receiving = reactor_.receive(exchange.fd, exchange.deadline);
    exchange.pending = &receiving;
    const ring::Received received = co_await receiving;
    exchange.pending = nullptr;
    if (received.result() <= 0) {
      break;
    }
    bytes += received.bytes();
    const std::size_t length = bytes.size() < length_prefix ? 0 : announced_length(bytes);
    const bool complete = bytes.size() >= length_prefix + length;
    if (!complete && length <= max_message_size) {
      // Data that drips in faster than timers are looked at must not outrun the deadline.
      if (reactor_.now() >= exchange.deadline) {
        break;
      }
      continue;
    }
    answer.status = AnswerStatus::malformed;
    if (length <= max_message_size) {
      const std::string_view message = std::string_view(bytes).substr(length_prefix, length);
      answer = parse_answer(message, question, exchange.id);
      if (answer.status == AnswerStatus::mismatched || answer.status == AnswerStatus::truncated) {
        answer.status = AnswerStatus::malformed;
      }
    }
    break;
  }
  co_return answer;
}

void Transport::stop() {
  stopped_ = true;
  for (Exchange& exchange : exchanges_) {
    if (exchange.pending != nullptr) {
      exchange.pending->cancel();
    }
  }
}

}  // namespace ringpost::dns
