#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "harness/commands.h"
#include "harness/name_server.h"
#include "harness/options.h"
#include "harness/signals.h"
#include "harness/sink.h"

namespace ringpost::bench {
namespace {

constexpr std::size_t most_destinations_shown = 20;

struct SinkCommand {
  std::string listen = "127.0.0.1:0";
  std::string dns;
  std::string ledger;
  bool ledger_sync = false;
  double delay_ms = 0;
  std::uint32_t destinations = 0;
  std::uint64_t messages = 0;
  bool no_pipelining = false;
  bool chunking = false;
  bool no_eight_bit = false;
  bool no_size = false;
  bool tls = false;

  Result<int> run();
  [[nodiscard]] SinkSettings sink_settings() const;
};

nlohmann::ordered_json counts_of(const Arrivals& arrivals) {
  const Arrivals::Counters& counters = arrivals.counters();
  const std::uint64_t connections = counters.connections.value();
  nlohmann::ordered_json object = {
      {"messages", counters.messages.value()},     {"recipients", counters.recipients.value()},
      {"duplicates", counters.duplicates.value()}, {"corrupt", counters.corrupt.value()},
      {"foreign", counters.foreign.value()},       {"bytes", counters.bytes.value()},
      {"connections_opened", connections}};
  object["messages_per_connection"] =
      connections == 0 ? nlohmann::ordered_json()
                       : nlohmann::ordered_json(static_cast<double>(counters.messages.value()) /
                                                static_cast<double>(connections));
  return object;
}

// Only when the sink has ended: its thread owns these.
void add_destinations(nlohmann::ordered_json& object, const Arrivals& arrivals) {
  std::vector<std::pair<std::string, Arrivals::Destination>> list;
  for (const auto& [address, destination] : arrivals.destinations()) {
    list.emplace_back(address.to_string(), destination);
  }
  std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) {
    return a.second.messages != b.second.messages ? a.second.messages > b.second.messages
                                                  : a.first < b.first;
  });
  object["destinations"] = list.size();
  list.resize(std::min(list.size(), most_destinations_shown));
  object["top_destinations"] = nlohmann::ordered_json::array();
  for (const auto& [address, destination] : list) {
    object["top_destinations"].push_back({{"address", address},
                                          {"messages", destination.messages},
                                          {"connections", destination.connections}});
  }
}

ring::Task<void> sink_body(ring::Reactor& reactor, StopSignal& stop, SinkSettings settings, int fd,
                           Arrivals& arrivals) {
  Sink sink(reactor, stop, settings, arrivals);
  co_await sink.run(fd);
}

SinkSettings SinkCommand::sink_settings() const {
  return {.offers = {.pipelining = !no_pipelining,
                     .eight_bit = !no_eight_bit,
                     .size = !no_size,
                     .chunking = chunking,
                     .tls = tls},
          .delay = std::chrono::duration_cast<Duration>(
              std::chrono::duration<double, std::milli>(delay_ms))};
}

Result<int> SinkCommand::run() {
  const SinkSettings settings = sink_settings();
  const Result<Endpoint> wanted = endpoint_from(listen);
  if (!wanted) {
    return std::unexpected(wanted.error());
  }
  Result<Ledger> book = ledger.empty() ? Ledger()
                                       : Ledger::open(ledger, ledger_sync ? Ledger::Mode::sync
                                                                          : Ledger::Mode::buffered);
  if (!book) {
    return std::unexpected(book.error());
  }
  Signals signals;
  signals.read_standard_input();
  NameServer names;
  if (!dns.empty()) {
    const Result<Endpoint> endpoint = endpoint_from(dns);
    const Result<> served = endpoint ? names.start(*endpoint, destinations)
                                     : Result<>(std::unexpected(endpoint.error()));
    if (!served) {
      return std::unexpected(served.error());
    }
  }
  Endpoint bound;
  const Result<int> fd = open_sink_listener(*wanted, bound);
  if (!fd) {
    return std::unexpected(fd.error());
  }
  Arrivals arrivals(std::move(*book));
  RingThread thread;
  Result<> started = thread.start({.receive_buffers = 128, .receive_buffer_size = 16 * 1024},
                                  [&](ring::Reactor& reactor, StopSignal& stop) {
                                    return sink_body(reactor, stop, settings, *fd, arrivals);
                                  });
  if (!started) {
    return std::unexpected(started.error());
  }
  nlohmann::ordered_json ready = {{"smtp", bound.to_string()}, {"dns", nullptr}};
  if (!dns.empty()) {
    ready["dns"] = names.endpoint().to_string();
  }
  fmt::print("ready {}\n", ready.dump());
  std::fflush(stdout);
  while (messages == 0 || arrivals.counters().messages.value() < messages) {
    const Signals::Event event = signals.wait(50ms);
    if (event == Signals::Event::stop) {
      break;
    }
    if (event == Signals::Event::report) {
      fmt::print("{}\n", counts_of(arrivals).dump());
      std::fflush(stdout);
    }
  }
  thread.stop();
  thread.join();
  names.stop();
  nlohmann::ordered_json summary = counts_of(arrivals);
  add_destinations(summary, arrivals);
  summary["dns_queries"] = names.queries();
  summary["sink_cpu_us_per_message"] =
      static_cast<double>((thread.cpu_time() + names.cpu_time()) / 1us) /
      static_cast<double>(std::max<std::uint64_t>(arrivals.counters().messages.value(), 1));
  fmt::print("{}\n", summary.dump());
  return arrivals.counters().corrupt.value() == 0 ? 0 : 1;
}

}  // namespace

void add_sink_command(CLI::App& app, Run& run) {
  auto command = std::make_shared<SinkCommand>();
  CLI::App& sink = *app.add_subcommand(
      "sink",
      "plays all mail servers of the world; a JSON summary at its end (INT, TERM) and, so far, for "
      "a line on standard input or USR1");
  sink.add_option("--listen", command->listen,
                  "address:port; a loopback address stands for all of 127.0.0.0/8")
      ->capture_default_str();
  sink.add_option("--dns", command->dns, "address:port of its name server; none without it");
  sink.add_option("--ledger", command->ledger,
                  "file that gets a line for each recipient: id, address, ok or corrupt, "
                  "connection, transaction, microseconds");
  sink.add_flag("--ledger-sync", command->ledger_sync,
                "write the ledger's lines before they are acknowledged");
  sink.add_option("--delay-ms", command->delay_ms, "wait so long before each answer")
      ->check(CLI::NonNegativeNumber);
  sink.add_option("--destinations", command->destinations,
                  "how many MX hosts the name server spreads all domains over; 0 = one a domain");
  sink.add_option("--messages", command->messages, "end after so many messages; 0 = when asked");
  sink.add_flag("--chunking", command->chunking, "offer CHUNKING");
  sink.add_flag("--no-pipelining", command->no_pipelining, "do not offer PIPELINING");
  sink.add_flag("--no-8bitmime", command->no_eight_bit, "do not offer 8BITMIME");
  sink.add_flag("--no-size", command->no_size, "do not offer SIZE");
  sink.add_flag("--tls", command->tls, "offer STARTTLS, with a certificate made on the spot");
  sink.callback([command, &run] {
    run = [command] {
      const Result<int> result = command->run();
      return result ? *result : report_failure(result.error(), false);
    };
  });
}

}  // namespace ringpost::bench
