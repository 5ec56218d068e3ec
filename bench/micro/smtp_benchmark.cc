// What SMTP itself costs a message, without network: both sides of Ringpost and of the harness.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "harness/message_maker.h"
#include "harness/sink_session.h"
#include "harness/source_session.h"
#include "ringpost/smtp/client_transaction.h"
#include "ringpost/smtp/dot_stuffing.h"
#include "ringpost/smtp/reply.h"
#include "ringpost/smtp/server_session.h"

namespace ringpost {
namespace {

constexpr std::size_t message_size = 5 * 1024;
constexpr std::string_view replies_of_a_message =
    "250 2.0.0 Ok: queued as 4F2A\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n"
    "354 End data with <CR><LF>.<CR><LF>\r\n";

std::string content() {
  std::string text = "Subject: news\r\n\r\n";
  while (text.size() < message_size) {
    text += "All the news that fits a line of seventy-two characters, every day now\r\n";
  }
  return text;
}

// A flight as an overlapping client sends it: content, dot, the next envelope.
std::string flight() {
  return content() + ".\r\nMAIL FROM:<news@source.test>\r\nRCPT TO:<reader@d1.test>\r\nDATA\r\n";
}

void reply_parser(benchmark::State& state) {
  smtp::ReplyParser parser;
  for (auto _ : state) {
    std::string_view rest = replies_of_a_message;
    while (!rest.empty()) {
      const smtp::ReplyParser::Fed fed = parser.feed(rest);
      rest.remove_prefix(fed.consumed);
      benchmark::DoNotOptimize(parser.reply().code);
    }
  }
}
BENCHMARK(reply_parser);

void dot_stuffing(benchmark::State& state) {
  const std::string text = content();
  std::string out;
  for (auto _ : state) {
    out.clear();
    smtp::DotStuffer stuffer;
    stuffer.append(out, text);
    stuffer.finish(out);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}
BENCHMARK(dot_stuffing);

void send_all(smtp::ClientTransactions& client, std::string& out) {
  out.clear();
  while (client.fill(out, 1 << 20)) {
  }
  client.sent(out.size());
}

// One overlapped transaction a turn: content, dot and the next envelope out, four replies in.
void client_transaction(benchmark::State& state) {
  smtp::ClientTransactions client({.pipelining = true}, smtp::Mode::overlapped);
  const std::string text = content();
  const std::vector<std::string_view> recipients = {"reader@d1.test"};
  const smtp::Transaction transaction{
      .token = 1, .sender = "news@source.test", .recipients = recipients, .content = text};
  const smtp::Reply ok{.code = 250, .status = {}, .text = "Ok"};
  const smtp::Reply go{.code = 354, .status = {}, .text = "go"};
  std::string out;
  smtp::TransactionResult result;
  const auto answer_envelope = [&] {
    client.feed(ok);
    client.feed(ok);
    client.feed(go);
  };
  client.offer(transaction);
  client.offer(transaction);
  send_all(client, out);
  answer_envelope();
  for (auto _ : state) {
    send_all(client, out);
    client.feed(ok);
    client.take_result(result);
    answer_envelope();
    client.offer(transaction);
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(client_transaction);

void server_session(benchmark::State& state) {
  const smtp::ServerSettings settings{.hostname = "relay.test"};
  mail::IdSequence ids(0);
  smtp::ServerSession session(settings, {.address = "127.0.0.1", .may_relay = true}, ids);
  session.greet();
  constexpr WallTime now{std::chrono::milliseconds(1'700'000'000'000)};
  session.feed(
      "EHLO source.test\r\nMAIL FROM:<news@source.test>\r\nRCPT TO:<reader@d1.test>\r\nDATA\r\n",
      now);
  const std::string bytes = flight();
  for (auto _ : state) {
    std::string_view rest = bytes;
    while (!rest.empty()) {
      const smtp::ServerSession::Progress progress = session.feed(rest, now);
      rest.remove_prefix(progress.consumed);
      if (progress.step == smtp::ServerSession::Step::message) {
        const mail::Message message = session.take_message();
        benchmark::DoNotOptimize(message.content.data());
        session.complete(session.last_message_number(), "250 2.0.0 Ok\r\n");
      }
    }
    benchmark::DoNotOptimize(session.take_output());
  }
}
BENCHMARK(server_session);

void harness_message(benchmark::State& state) {
  Result<bench::MessageMaker> maker = bench::MessageMaker::create(message_size, 1);
  std::string wire;
  std::uint64_t id = 0;
  for (auto _ : state) {
    wire.clear();
    maker->append(wire, id++);
    benchmark::DoNotOptimize(wire.data());
  }
}
BENCHMARK(harness_message);

void harness_sink(benchmark::State& state) {
  bench::Arrivals arrivals{bench::Ledger()};
  bench::SinkSession sink({}, arrivals, arrivals.connected(IpAddress()));
  std::string replies;
  sink.feed("EHLO relay.test\r\n", Instant{}, replies);
  std::string bytes = "MAIL FROM:<bounces@source.test>\r\nRCPT TO:<r1@d1.test>\r\nDATA\r\n";
  bench::MessageMaker::create(message_size, 1)->append(bytes, 1);
  for (auto _ : state) {
    replies.clear();
    sink.feed(bytes, Instant{}, replies);
    benchmark::DoNotOptimize(replies.data());
  }
}
BENCHMARK(harness_sink);

}  // namespace
}  // namespace ringpost
