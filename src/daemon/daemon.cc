#include "ringpost/daemon/daemon.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <utility>

#include "ringpost/base/log.h"
#include "ringpost/base/text.h"
#include "ringpost/control/hold_file.h"
#include "ringpost/control/server.h"
#include "ringpost/daemon/version.h"
#include "ringpost/dns/resolv_conf.h"
#include "ringpost/net/socket.h"

namespace ringpost::daemon {
namespace {

// How long transactions under way may take to end after TERM; then connections are broken, which
// costs no message, and a little later the process ends whatever is left.
constexpr Duration drain_time = 10s;
constexpr Duration last_resort = 15s;

std::vector<Endpoint> name_servers(const config::Config& config) {
  if (!config.dns.servers.empty()) {
    return config.dns.servers;
  }
  std::ifstream file("/etc/resolv.conf");
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return dns::parse_resolv_conf(text);
}

// A spool of more shards than there are now would leave mail where nobody looks.
Result<> refuse_orphaned_shards(ring::Kernel& kernel, const config::Config& config) {
  std::vector<std::string> names;
  kernel.list_directory(config.spool.directory, names);
  std::uint64_t written_by = 0;
  for (const std::string& name : names) {
    constexpr std::string_view prefix = "shard-";
    if (name.starts_with(prefix)) {
      const auto number = parse_number(std::string_view(name).substr(prefix.size()));
      written_by = std::max(written_by, number ? *number + 1 : 0);
    }
  }
  if (written_by <= config.shards.count) {
    return {};
  }
  return fail(fmt::format("{} was written by {} shards, but shards.count is {}",
                          config.spool.directory, written_by, config.shards.count),
              fmt::format("start with shards.count = {}, or, once its queue is empty, remove the "
                          "shard directories that are too many",
                          written_by));
}

sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    sigaddset(&set, signal);
  }
  return set;
}

// Answers the control socket's questions from every shard.
class Desk final : public control::Everybody {
 public:
  Desk(shard::Shard& shard, const shard::PostOffice& post, const config::Config& config,
       Instant started)
      : shard_(shard),
        links_(shard.links()),
        post_(post),
        reactor_(shard.reactor()),
        config_(config),
        started_(started) {}

  ring::Task<std::vector<control::Answer>> ask(control::Command command) override {
    if (!control::changes_holds(command)) {
      return links_.ask_all(std::move(command));
    }
    return change_holds(std::get<control::ChangeCommand>(std::move(command)));
  }
  [[nodiscard]] control::DaemonFacts facts() const override {
    control::DaemonFacts facts;
    facts.version = version;
    facts.pid = getpid();
    facts.draining = post_.drain.load();
    facts.uptime_ms = static_cast<std::uint64_t>((reactor_.now() - started_) / 1ms);
    return facts;
  }

 private:
  // One order after the other; durable before anybody acts on it.
  ring::Task<std::vector<control::Answer>> change_holds(control::ChangeCommand command) {
    while (changing_holds_) {
      co_await holds_changed_.wait();
    }
    changing_holds_ = true;
    std::vector<control::Answer> answers;
    queue::Holds holds = control::holds_after(shard_.hand().holds(), command);
    std::optional<control::Refusal> refusal = control::why_not(command, holds, shard_.view());
    if (!refusal) {
      const int error = co_await control::write_holds(reactor_, config_.spool.directory, holds);
      if (error != 0) {
        refusal = control::not_recorded(error);
      }
    }
    if (refusal) {
      answers.emplace_back(std::move(*refusal));
    } else {
      answers = co_await links_.ask_all(command);
    }
    changing_holds_ = false;
    holds_changed_.notify_one();
    co_return answers;
  }

  shard::Shard& shard_;
  shard::Links& links_;
  const shard::PostOffice& post_;
  ring::Reactor& reactor_;
  const config::Config& config_;
  Instant started_;
  bool changing_holds_ = false;
  ring::Event holds_changed_;
};

}  // namespace

Daemon::Daemon(config::Loaded configuration)
    : configuration_(std::move(configuration)),
      service_manager_(ServiceManager::from_environment()) {}

Daemon::~Daemon() = default;

Result<> Daemon::prepare() {
  const config::Config& config = configuration_.config;
  Result<spool::SpoolLock> lock = spool::SpoolLock::take(config.spool.directory);
  if (!lock) {
    return std::unexpected(lock.error());
  }
  lock_.push_back(std::move(*lock));
  post_ = std::make_unique<shard::PostOffice>(config.shards.count);
  for (std::uint32_t number = 0; number < config.shards.count; ++number) {
    auto worker = std::make_unique<Worker>();
    Result<std::unique_ptr<ring::LinuxKernel>> kernel = ring::LinuxKernel::create();
    if (!kernel) {
      return std::unexpected(kernel.error());
    }
    worker->kernel = std::move(*kernel);
    worker->shard = std::make_unique<shard::Shard>(
        *worker->kernel, *post_,
        shard::ShardSettings{number, configuration_, name_servers(config), config.listener.smtp});
    post_->enroll(number, worker->shard->reactor());
    workers_.push_back(std::move(worker));
  }
  started_ = workers_.front()->kernel->clocks().monotonic;
  return refuse_orphaned_shards(*workers_.front()->kernel, config);
}

Result<> Daemon::open_listeners() {
  for (Endpoint endpoint : configuration_.config.listener.smtp) {
    for (const auto& worker : workers_) {
      const Result<int> listener = net::listen_on(*worker->kernel, endpoint);
      if (!listener) {
        return std::unexpected(listener.error());
      }
      worker->listeners.push_back(*listener);
      if (endpoint.port == 0) {  // the other shards take the port that the first one got
        const Result<Endpoint> bound = net::local_endpoint(*worker->kernel, *listener);
        if (!bound) {
          return std::unexpected(bound.error());
        }
        endpoint = *bound;
      }
    }
    listening_.push_back(endpoint);
  }
  return {};
}

void Daemon::wait_for_go(Worker& worker, Result<> recovered) {
  std::unique_lock lock(mutex_);
  worker.recovered = std::move(recovered);
  worker.on_their_way = worker.shard->intake().parts_on_their_way();
  ++recovered_;
  changed_.notify_all();
  changed_.wait(lock, [this] { return go_; });
}

ring::Task<void> Daemon::live(Worker& worker) {
  shard::Shard& shard = *worker.shard;
  Result<> recovered = co_await shard.recover();
  wait_for_go(worker, std::move(recovered));
  shard.begin(worker.listeners, on_their_way_);
  if (&worker == workers_.front().get()) {
    const config::Config& config = configuration_.config;
    Desk desk(shard, *post_, config, started_);
    control::Server server(shard.reactor(), config.control.socket, desk, config.timeouts.control);
    const Result<> listening = co_await server.start();
    if (!listening) {
      log::error("{}", listening.error().describe());
      std::_Exit(EXIT_FAILURE);
    }
    print_ready();
    service_manager_.tell("READY=1");
    co_await shard.live();
    co_await server.close();
  } else {
    co_await shard.live();
  }
  const Instant deadline = shard.reactor().now() + drain_time;
  co_await shard.drain(deadline);
}

void Daemon::work(Worker& worker) {
  ring::Reactor& reactor = worker.shard->reactor();
  if (const Result<> started = reactor.start(); !started) {
    wait_for_go(worker, started);
    return;
  }
  reactor.run(live(worker));
  {
    const std::lock_guard lock(mutex_);
    ++ended_;
  }
  kill(getpid(), SIGHUP);  // the main thread waits for signals only
}

Result<> Daemon::wait_for_recovery() {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return recovered_ == workers_.size(); });
  }
  for (const auto& worker : workers_) {
    if (!worker->recovered) {
      return worker->recovered;
    }
    on_their_way_.insert(on_their_way_.end(), worker->on_their_way.begin(),
                         worker->on_their_way.end());
  }
  return open_listeners();
}

void Daemon::print_ready() const {
  std::vector<std::string> endpoints;
  for (const Endpoint& endpoint : listening_) {
    endpoints.push_back(fmt::format("\"{}\"", endpoint.to_string()));
  }
  fmt::print(
      "ready {{\"smtp\":[{}],\"control\":\"{}\",\"metrics\":null,\"shards\":{},\"pid\":{}}}\n",
      fmt::join(endpoints, ","), configuration_.config.control.socket, workers_.size(), getpid());
  std::fflush(stdout);
}

// Also tells the service manager that we are alive, as long as every shard takes its turns.
int Daemon::next_signal(const sigset_t& signals) {
  int signal = 0;
  if (service_manager_.alive_every() <= Duration::zero()) {
    sigwait(&signals, &signal);
    return signal;
  }
  const auto nanoseconds = service_manager_.alive_every().count();
  timespec patience{};
  patience.tv_sec = nanoseconds / 1'000'000'000;
  patience.tv_nsec = nanoseconds % 1'000'000'000;
  while (true) {
    signal = sigtimedwait(&signals, nullptr, &patience);
    if (signal > 0) {
      return signal;
    }
    if (post_->all_turned()) {
      service_manager_.tell("WATCHDOG=1");
    }
    post_->wake_all();  // who sleeps takes a turn
  }
}

void Daemon::watch_signals() {
  const sigset_t signals = watched_signals();
  timespec patience{};
  patience.tv_sec = std::chrono::duration_cast<std::chrono::seconds>(last_resort).count();
  while (next_signal(signals) == SIGHUP) {
    ++post_->reopen_logs;
    post_->wake_all();
  }
  service_manager_.tell("STOPPING=1");
  post_->drain = true;
  post_->wake_all();
  // Each thread that ends sends a HUP.
  while (true) {
    const int next = sigtimedwait(&signals, nullptr, &patience);
    const std::lock_guard lock(mutex_);
    if (ended_ == workers_.size()) {
      return;
    }
    if (next == SIGTERM || next == SIGINT || next < 0) {
      log::warning("ending at once: what is under way will be sent again");
      std::fflush(nullptr);
      std::_Exit(EXIT_SUCCESS);
    }
  }
}

int Daemon::run() {
  std::signal(SIGPIPE, SIG_IGN);
  const sigset_t signals = watched_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  if (const Result<> prepared = prepare(); !prepared) {
    log::error("{}", prepared.error().describe());
    return EXIT_FAILURE;
  }
  for (const auto& worker : workers_) {
    worker->thread = std::thread([this, &worker = *worker] { work(worker); });
  }
  if (const Result<> recovered = wait_for_recovery(); !recovered) {
    // Nothing was accepted yet, and the spool bears being left like this.
    log::error("{}", recovered.error().describe());
    std::fflush(nullptr);
    std::_Exit(EXIT_FAILURE);
  }
  {
    const std::lock_guard lock(mutex_);
    go_ = true;
  }
  changed_.notify_all();
  watch_signals();
  for (const auto& worker : workers_) {
    worker->thread.join();
  }
  return EXIT_SUCCESS;
}

}  // namespace ringpost::daemon
