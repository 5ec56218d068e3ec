#include "harness/relay.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>

#include "harness/disk.h"
#include "harness/message_id.h"
#include "harness/name_server.h"
#include "harness/options.h"
#include "harness/process_tree.h"
#include "harness/progress.h"
#include "harness/ring_thread.h"
#include "harness/sink.h"
#include "harness/system_under_test.h"

namespace ringpost::bench {
namespace {

// A thread that works more than this share of the time may be what limits the rest.
constexpr double busy = 0.9;
constexpr Duration look_every = 100ms;
constexpr Duration sample_every = 500ms;
// After the last arrival the system still writes its outcomes down; that is part of the work.
constexpr Duration settle = 300ms;

Instant clock_now() {
  return Instant(std::chrono::steady_clock::now().time_since_epoch());
}

double seconds_of(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

ring::Task<void> sink_body(ring::Reactor& reactor, StopSignal& stop, SinkSettings settings, int fd,
                           Arrivals& arrivals) {
  Sink sink(reactor, stop, settings, arrivals);
  co_await sink.run(fd);
}

ring::Task<void> source_body(ring::Reactor& reactor, StopSignal& stop, SourceSettings settings,
                             MessageMaker& maker, Workload& workload, std::string& complaint) {
  Source source(reactor, stop, settings, maker, workload);
  co_await source.run();
  complaint = source.first_complaint();
}

class RelayRun {
 public:
  RelayRun(const RelaySettings& settings, Domains domains, MessageMaker maker, Signals& signals)
      : settings_(settings),
        signals_(signals),
        maker_(std::move(maker)),
        domain_names_(domains.names()),
        workload_(
            {.run = random_run(), .messages = settings.messages, .recipients = settings.recipients},
            std::move(domains), Ledger()),
        arrivals_(Ledger()) {}

  ~RelayRun() {
    if (system_) {
      system_->stop();
    }
  }

  Result<> prepare(const std::string& system);
  Result<> measure();
  RelayResult result();

 private:
  Result<> start_sink();
  Result<> start_source();
  // True as long as there is something to wait for.
  bool look(Progress& progress);
  void sample();
  void run_at_end();
  void count_recipients(RelayResult& result);
  void add_latencies(RelayResult& result);

  const RelaySettings& settings_;
  Signals& signals_;
  MessageMaker maker_;
  std::vector<std::string> domain_names_;
  Workload workload_;
  Arrivals arrivals_;
  NameServer names_;
  Endpoint sink_endpoint_;
  RingThread sink_;
  RingThread source_;
  std::optional<TemporaryDirectory> directory_;
  std::unique_ptr<SystemUnderTest> system_;
  std::string file_system_;
  double disk_sync_us_ = 0;
  std::string complaint_;
  std::string failure_;
  Instant started_{};
  Instant source_ended_{};
  Instant last_progress_{};
  Instant last_sample_{};
  std::uint64_t progress_mark_ = 0;
  std::uint64_t peak_pss_ = 0;
  Duration cpu_before_{};
  Duration cpu_after_{};
};

Result<> RelayRun::prepare(const std::string& name) {
  Result<TemporaryDirectory> directory = TemporaryDirectory::create(settings_.spool_parent);
  if (!directory) {
    return std::unexpected(directory.error());
  }
  directory_.emplace(std::move(*directory));
  if (settings_.keep) {
    directory_->keep();
  }
  const Result<std::string> file_system = file_system_of(directory_->path());
  const Result<double> sync_us = disk_sync_us(directory_->path());
  if (!file_system || !sync_us) {
    return std::unexpected(!file_system ? file_system.error() : sync_us.error());
  }
  file_system_ = *file_system;
  disk_sync_us_ = *sync_us;
  if (Result<> started = start_sink(); !started) {
    return started;
  }
  Result<std::unique_ptr<SystemUnderTest>> system = make_system(name);
  if (!system) {
    return std::unexpected(system.error());
  }
  system_ = std::move(*system);
  SystemSetup setup{.directory = directory_->path(),
                    .names = names_.endpoint(),
                    .sink_port = sink_endpoint_.port,
                    .hosts = {},
                    .source_connections = settings_.connections,
                    .ringpostd = settings_.ringpostd,
                    .overrides = settings_.overrides};
  for (const std::string& domain : domain_names_) {
    setup.hosts.emplace_back(domain, mail_address_of(domain, settings_.destinations).to_string());
  }
  return system_->start(setup);
}

Result<> RelayRun::start_sink() {
  const Endpoint any_port{IpAddress::loopback(IpAddress::Family::v4), 0};
  if (Result<> served = names_.start(any_port, settings_.destinations); !served) {
    return served;
  }
  const Result<int> fd = open_sink_listener(any_port, sink_endpoint_);
  if (!fd) {
    return std::unexpected(fd.error());
  }
  arrivals_.measure_latency(
      [this](std::uint64_t id) {
        const bool ours =
            run_of(id) == workload_.settings().run && number_of(id) < workload_.settings().messages;
        return ours ? workload_.sent_at(number_of(id)) : Instant::max();
      },
      settings_.messages);
  const SinkSettings sink{.offers = settings_.offers, .delay = settings_.delay};
  return sink_.start({.receive_buffers = 256, .receive_buffer_size = 16 * 1024},
                     [this, sink, fd = *fd](ring::Reactor& reactor, StopSignal& stop) {
                       return sink_body(reactor, stop, sink, fd, arrivals_);
                     });
}

Result<> RelayRun::start_source() {
  const SourceSettings source{.to = system_->smtp(),
                              .connections = settings_.connections,
                              .pipelining = settings_.pipelining};
  return source_.start({.receive_buffers = 256, .receive_buffer_size = 4096},
                       [this, source](ring::Reactor& reactor, StopSignal& stop) {
                         return source_body(reactor, stop, source, maker_, workload_, complaint_);
                       });
}

Result<> RelayRun::measure() {
  cpu_before_ = cpu_after_ = cpu_time_of(tree_of(system_->pid()));
  started_ = last_progress_ = clock_now();
  if (Result<> started = start_source(); !started) {
    return started;
  }
  Progress progress("relay", settings_.messages);
  while (look(progress)) {
    if (signals_.wait(look_every) == Signals::Event::stop) {
      failure_ = "interrupted";
      break;
    }
  }
  progress.finish();
  if (failure_.empty()) {
    signals_.wait(settle);
  }
  sample();
  if (system_->running()) {
    run_at_end();
  }
  source_.stop();
  source_.join();
  system_->stop();
  sink_.stop();
  sink_.join();
  names_.stop();
  return {};
}

bool RelayRun::look(Progress& progress) {
  const Instant now = clock_now();
  const std::uint64_t in = workload_.counters().acknowledged.value();
  const std::uint64_t out = arrivals_.counters().messages.value();
  progress.update(in, out);
  if (in + out + arrivals_.counters().foreign.value() != progress_mark_) {
    progress_mark_ = in + out + arrivals_.counters().foreign.value();
    last_progress_ = now;
  }
  if (now - last_sample_ >= sample_every) {
    sample();
    last_sample_ = now;
  }
  if (source_.ended() && source_ended_ == Instant{}) {
    source_ended_ = now;
  }
  if (!system_->running()) {
    failure_ = fmt::format("the system under test has ended with {}: {}", system_->status(),
                           last_lines(directory_->path() + "/stderr.log"));
    return false;
  }
  if (now - last_progress_ >= settings_.stall) {
    failure_ = fmt::format("no progress for {}", format_duration(settings_.stall));
    return false;
  }
  return !source_.ended() || arrivals_.counters().recipients.value() <
                                 workload_.counters().acknowledged_recipients.value();
}

void RelayRun::sample() {
  const std::vector<pid_t> processes = tree_of(system_->pid());
  peak_pss_ = std::max(peak_pss_, pss_of(processes));
  cpu_after_ = std::max(cpu_after_, cpu_time_of(processes));
}

void RelayRun::run_at_end() {
  if (settings_.at_end.empty()) {
    return;
  }
  ChildProcess command;
  const Result<> started =
      command.start({.command = {"/bin/sh", "-c", settings_.at_end},
                     .environment = system_->environment(),
                     .output = settings_.json ? Launch::Output::our_error : Launch::Output::ours});
  if (!started) {
    failure_ = started.error().describe();
  } else if (const std::optional<int> status = command.wait(60s); status != 0) {
    failure_ = fmt::format("the command at the end failed with {}", status.value_or(-1));
  }
}

RelayResult RelayRun::result() {
  RelayResult result;
  const double messages =
      static_cast<double>(std::max<std::uint64_t>(workload_.counters().acknowledged.value(), 1));
  const auto per_message_us = [messages](Duration time) {
    return seconds_of(time) * 1e6 / messages;
  };
  const Instant last = std::max(arrivals_.last_arrival(), started_ + 1ms);
  result.seconds = seconds_of(last - started_);
  // An interrupted source had not ended.
  const Instant source_ended = source_ended_ == Instant{} ? last : source_ended_;
  result.inject_seconds = seconds_of(std::max(source_ended, started_ + 1ms) - started_);
  result.cpu_us_per_message = per_message_us(cpu_after_ - cpu_before_);
  result.refused =
      workload_.counters().refused.value() + workload_.counters().unacknowledged.value();
  result.duplicates = arrivals_.counters().duplicates.value();
  result.corrupt = arrivals_.counters().corrupt.value();
  result.foreign = arrivals_.counters().foreign.value();
  result.messages_arrived = arrivals_.counters().messages.value();
  result.connections_opened = arrivals_.counters().connections.value();
  result.peak_pss_bytes = peak_pss_;
  result.source_cpu_us_per_message = per_message_us(source_.cpu_time());
  result.sink_cpu_us_per_message = per_message_us(sink_.cpu_time() + names_.cpu_time());
  result.file_system = file_system_;
  result.disk_sync_us_p50 = disk_sync_us_;
  if (result.messages_arrived == 0) {
    result.bottleneck = {};
  } else if (seconds_of(source_.cpu_time()) > busy * result.inject_seconds) {
    result.bottleneck = "source";
  } else if (seconds_of(sink_.cpu_time()) > busy * result.seconds) {
    result.bottleneck = "sink";
  }
  count_recipients(result);
  add_latencies(result);
  result.failure = failure_;
  if (result.failure.empty() && workload_.counters().acknowledged.value() != settings_.messages) {
    result.failure = fmt::format("{} of {} messages were acknowledged{}{}",
                                 workload_.counters().acknowledged.value(), settings_.messages,
                                 complaint_.empty() ? "" : "; first loss: ", complaint_);
  }
  return result;
}

void RelayRun::count_recipients(RelayResult& result) {
  const std::vector<bool>& acknowledged = workload_.acknowledged_serials();
  const std::vector<std::uint8_t>& seen = arrivals_.seen(workload_.settings().run);
  for (std::size_t serial = 0; serial < acknowledged.size(); ++serial) {
    const bool arrived = serial < seen.size() && seen[serial] > 0;
    result.accepted += acknowledged[serial] ? 1 : 0;
    result.delivered += arrived ? 1 : 0;
    result.missing += acknowledged[serial] && !arrived ? 1 : 0;
  }
}

void RelayRun::add_latencies(RelayResult& result) {
  std::vector<std::uint32_t>& all = arrivals_.latencies_us();
  if (all.empty()) {
    return;
  }
  const auto quantile_ms = [&all](double share) {
    const auto at = static_cast<std::ptrdiff_t>(share * static_cast<double>(all.size() - 1));
    std::nth_element(all.begin(), all.begin() + at, all.end());
    return static_cast<double>(all[static_cast<std::size_t>(at)]) / 1000;
  };
  result.latency_p50_ms = quantile_ms(0.5);
  result.latency_p99_ms = quantile_ms(0.99);
}

}  // namespace

Result<RelayResult> run_relay(const std::string& system, std::uint32_t repetition,
                              const RelaySettings& settings, Signals& signals) {
  Result<MessageMaker> maker = MessageMaker::create(settings.size, settings.seed);
  if (!maker) {
    return std::unexpected(maker.error());
  }
  RelayRun run(settings, Domains::long_tailed(settings.destinations, settings.seed),
               std::move(*maker), signals);
  if (Result<> prepared = run.prepare(system); !prepared) {
    return std::unexpected(prepared.error());
  }
  if (Result<> measured = run.measure(); !measured) {
    return std::unexpected(measured.error());
  }
  RelayResult result = run.result();
  result.system = system;
  result.repetition = repetition;
  return result;
}

}  // namespace ringpost::bench
