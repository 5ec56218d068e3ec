#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "harness/commands.h"
#include "harness/options.h"
#include "harness/progress.h"
#include "harness/signals.h"
#include "harness/source.h"
#include "harness/units.h"

namespace ringpost::bench {
namespace {

struct SourceCommand {
  MailOptions mail;
  std::string to;
  std::string ledger;
  bool ledger_sync = false;
  double reconnect_s = 0;
  bool json = false;

  Result<int> run();
  void report(Workload& workload, double seconds, Duration cpu, const std::string& complaint) const;
};

// Owns the source for as long as it runs on its thread.
ring::Task<void> source_body(ring::Reactor& reactor, StopSignal& stop, SourceSettings settings,
                             MessageMaker& maker, Workload& workload, std::string& complaint) {
  Source source(reactor, stop, settings, maker, workload);
  co_await source.run();
  complaint = source.first_complaint();
}

Result<int> SourceCommand::run() {
  const Result<Endpoint> endpoint = endpoint_from(to);
  const Result<std::uint64_t> bytes = parse_size(mail.size);
  Result<Domains> domains = domains_from(mail.domains, mail.seed);
  if (!endpoint || !bytes || !domains) {
    return std::unexpected(!endpoint ? endpoint.error() : !bytes ? bytes.error() : domains.error());
  }
  Result<MessageMaker> maker = MessageMaker::create(*bytes, mail.seed);
  if (!maker) {
    return std::unexpected(maker.error());
  }
  Result<Ledger> book = ledger.empty() ? Ledger()
                                       : Ledger::open(ledger, ledger_sync ? Ledger::Mode::sync
                                                                          : Ledger::Mode::buffered);
  if (!book) {
    return std::unexpected(book.error());
  }
  Workload workload({.run = random_run(), .messages = mail.messages, .recipients = mail.recipients},
                    std::move(*domains), std::move(*book));
  const SourceSettings settings = {.to = *endpoint,
                                   .connections = mail.connections,
                                   .pipelining = pipelining_from(mail.pipelining),
                                   .reconnect = std::chrono::duration_cast<Duration>(
                                       std::chrono::duration<double>(reconnect_s))};

  Signals signals;
  std::string complaint;
  RingThread thread;
  const auto start = std::chrono::steady_clock::now();
  Result<> started =
      thread.start({.receive_buffers = 256, .receive_buffer_size = 4096},
                   [&](ring::Reactor& reactor, StopSignal& stop) {
                     return source_body(reactor, stop, settings, *maker, workload, complaint);
                   });
  if (!started) {
    return std::unexpected(started.error());
  }
  Progress progress("source", mail.messages);
  while (!thread.ended()) {
    if (signals.wait(50ms) == Signals::Event::stop) {
      thread.stop();
    }
    const std::uint64_t acknowledged = workload.counters().acknowledged.value();
    progress.update(acknowledged, acknowledged);
  }
  thread.join();
  progress.finish();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  report(workload, seconds.count(), thread.cpu_time(), complaint);
  return workload.counters().acknowledged.value() == mail.messages ? 0 : 1;
}

void SourceCommand::report(Workload& workload, double seconds, Duration cpu,
                           const std::string& complaint) const {
  const Workload::Counters& counters = workload.counters();
  const auto acknowledged = static_cast<double>(counters.acknowledged.value());
  const double cpu_us = static_cast<double>(cpu / 1us) / std::max(acknowledged, 1.0);
  nlohmann::ordered_json object = {
      {"run", fmt::format("{:06x}", workload.settings().run)},
      {"messages", workload.settings().messages},
      {"acknowledged", counters.acknowledged.value()},
      {"acknowledged_recipients", counters.acknowledged_recipients.value()},
      {"refused", counters.refused.value()},
      {"refused_recipients", counters.refused_recipients.value()},
      {"unacknowledged", counters.unacknowledged.value()},
      {"retried", counters.retried.value()},
      {"connections_opened", counters.connections.value()},
      {"connections_lost", counters.connection_losses.value()},
      {"seconds", seconds},
      {"messages_per_second", acknowledged / seconds},
      {"source_cpu_us_per_message", cpu_us},
      {"first_failure", nullptr}};
  if (!complaint.empty()) {
    object["first_failure"] = complaint;
  }
  if (json) {
    fmt::print("{}\n", object.dump());
  } else {
    fmt::print("{} of {} messages acknowledged in {:.2f} s: {}/s, {:.1f} us of CPU a message\n",
               grouped(counters.acknowledged.value()), grouped(workload.settings().messages),
               seconds, grouped(static_cast<std::uint64_t>(acknowledged / seconds)), cpu_us);
    if (acknowledged < static_cast<double>(workload.settings().messages)) {
      fmt::print("refused {}, unacknowledged {}, connections lost {}\n", counters.refused.value(),
                 counters.unacknowledged.value(), counters.connection_losses.value());
    }
  }
  if (!complaint.empty()) {
    fmt::print(stderr, "ringpost-bench: {}\n", complaint);
  }
}

}  // namespace

void add_source_command(CLI::App& app, Run& run) {
  auto command = std::make_shared<SourceCommand>();
  CLI::App& source = *app.add_subcommand("source", "sends newsletters to a relay");
  source.add_option("--to", command->to, "address:port of the relay")->required();
  command->mail.add_to(source, true);
  source.add_option("--ledger", command->ledger,
                    "file that gets a line \"id recipient\" for each acknowledged recipient");
  source.add_flag("--ledger-sync", command->ledger_sync,
                  "write the ledger's lines at once, not in large pieces");
  source
      .add_option("--reconnect", command->reconnect_s,
                  "open lost connections again and send again what was not acknowledged, until the "
                  "relay could not be reached for so many seconds")
      ->expected(0, 1)
      ->default_str("30")
      ->check(CLI::NonNegativeNumber);
  source.add_flag("--json", command->json, "the result as one JSON object");
  source.callback([command, &run] {
    run = [command] {
      const Result<int> result = command->run();
      return result ? *result : report_failure(result.error(), command->json);
    };
  });
}

}  // namespace ringpost::bench
