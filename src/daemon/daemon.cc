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
#include "ringpost/control/hold_file.h"
#include "ringpost/control/server.h"
#include "ringpost/daemon/system_check.h"
#include "ringpost/daemon/version.h"
#include "ringpost/dns/resolv_conf.h"
#include "ringpost/events/torn_line.h"
#include "ringpost/spool/shard_directories.h"

namespace ringpost::daemon {
namespace {

// How long transactions under way may take to end after TERM; then connections are broken, which
// costs no message, and a little later the process ends whatever is left.
constexpr Duration drain_time = 10s;
constexpr Duration last_resort = 15s;
// A shard looks into its mailbox once a turn, so this is an eternity.
constexpr Duration patience_with_shards = 10s;
constexpr Duration look_again = 2ms;

std::vector<Endpoint> name_servers(const config::Config& config) {
  if (!config.dns.servers.empty()) {
    return config.dns.servers;
  }
  std::ifstream file("/etc/resolv.conf");
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return dns::parse_resolv_conf(text);
}

std::vector<Endpoint> listening_endpoints(const config::Config& config) {
  std::vector<Endpoint> all = config.listener.smtp;
  const std::vector<Endpoint>& proxied = config.listener.proxy_protocol;
  all.insert(all.end(), proxied.begin(), proxied.end());
  return all;
}

shard::DescriptorShares shares_of_descriptors(const config::Config& config) {
  const std::uint64_t limit = descriptor_limit();
  const shard::DescriptorShares shares =
      shard::share_descriptors(limit, config.shards.count, listening_endpoints(config).size());
  if (shares.clients < config.listener.max_connections) {
    log::warning(
        "{} descriptors leave each shard {} client connections, fewer than "
        "listener.max_connections, and {} to mail servers; raise RLIMIT_NOFILE (LimitNOFILE= in "
        "the systemd unit) to have more",
        limit, shares.clients, shares.outbound);
  }
  return shares;
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
  Desk(shard::Shard& shard, shard::PostOffice& post, const config::Config& config, Instant started)
      : shard_(shard),
        links_(shard.links()),
        post_(post),
        reactor_(shard.reactor()),
        config_(config),
        started_(started) {}

  ring::Task<std::vector<control::Answer>> ask(control::Command command) override {
    if (std::holds_alternative<control::ReloadCommand>(command)) {
      return reload();
    }
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
    facts.events_log = config_.log.events;
    facts.uptime_ms = static_cast<std::uint64_t>((reactor_.now() - started_) / 1ms);
    return facts;
  }

 private:
  // The main thread reads files; here we only wait, until every shard has what it read.
  ring::Task<std::vector<control::Answer>> reload() {
    const std::uint32_t wanted = ++post_.reloads_wanted;
    kill(getpid(), SIGHUP);
    shard::ReloadReport report = post_.newest_report();
    while (report.answers < wanted && !post_.drain.load()) {
      co_await reactor_.sleep(look_again);
      report = post_.newest_report();
    }
    while (report.problems.empty() && !post_.drain.load() &&
           post_.configurations_taken.load() < report.round * post_.shards()) {
      co_await reactor_.sleep(look_again);
    }
    std::vector<control::Answer> answers;
    if (report.problems.empty()) {
      answers.emplace_back(control::Reloaded(post_.shards(), report.suppressed));
    } else {
      answers.emplace_back(control::Refusal(409, "bad_configuration",
                                            fmt::format("{}", fmt::join(report.problems, "; ")),
                                            "nothing was changed; mend it and reload again"));
    }
    co_return answers;
  }

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
  shard::PostOffice& post_;
  ring::Reactor& reactor_;
  const config::Config& config_;
  Instant started_;
  bool changing_holds_ = false;
  ring::Event holds_changed_;
};

}  // namespace

Daemon::Daemon(Configuration configuration, ConfigurationSource source, std::vector<ShardTls> tls,
               std::optional<Account> account)
    : configuration_(configuration.loaded),
      running_(std::move(configuration)),
      source_(std::move(source)),
      account_(std::move(account)),
      tls_(std::move(tls)),
      service_manager_(ServiceManager::from_environment()) {}

Daemon::~Daemon() = default;

Result<> Daemon::prepare() {
  for (std::uint32_t number = 0; number < configuration_.config.shards.count; ++number) {
    auto worker = std::make_unique<Worker>();
    Result<std::unique_ptr<ring::LinuxKernel>> kernel = ring::LinuxKernel::create();
    if (!kernel) {
      return std::unexpected(kernel.error());
    }
    worker->kernel = std::move(*kernel);
    workers_.push_back(std::move(worker));
  }
  if (const Result<> bound = bind_listeners(); !bound) {
    return bound;
  }
  if (account_) {
    if (const Result<> become_it = become(*account_); !become_it) {
      return become_it;
    }
  }
  return make_shards();
}

Result<> Daemon::make_shards() {
  const config::Config& config = configuration_.config;
  Result<spool::SpoolLock> lock = spool::SpoolLock::take(config.spool.directory);
  if (!lock) {
    return std::unexpected(lock.error());
  }
  lock_.push_back(std::move(*lock));
  events::end_torn_line(config.log.events);
  const Result<std::vector<std::uint32_t>> old =
      spool::directories_beyond(config.spool.directory, config.shards.count);
  if (!old) {
    return std::unexpected(old.error());
  }
  post_ = std::make_unique<shard::PostOffice>(config.shards.count);
  const shard::DescriptorShares shares = shares_of_descriptors(config);
  for (std::uint32_t number = 0; number < config.shards.count; ++number) {
    Worker* const worker = workers_[number].get();
    std::vector<std::uint32_t> adopted;
    std::ranges::copy_if(*old, std::back_inserter(adopted), [&](std::uint32_t other) {
      return other % config.shards.count == number;
    });
    worker->shard = std::make_unique<shard::Shard>(
        *worker->kernel, *post_,
        shard::ShardSettings{.number = number,
                             .configuration = configuration_,
                             .dns_servers = name_servers(config),
                             .listening = listening_endpoints(config),
                             .descriptors = shares,
                             .server_tls = std::move(tls_[number].server),
                             .client_tls = std::move(tls_[number].client),
                             .suppressed = running_.suppressed,
                             .adopted = std::move(adopted)});
    post_->enroll(number, worker->shard->reactor());
  }
  started_ = workers_.front()->kernel->clocks().monotonic;
  return {};
}

void Daemon::wait_for_go(Worker& worker, Result<> recovered) {
  std::unique_lock lock(mutex_);
  worker.recovered = std::move(recovered);
  worker.hand_overs = worker.shard->hand_overs();
  ++recovered_;
  changed_.notify_all();
  changed_.wait(lock, [this] { return go_; });
}

ring::Task<void> Daemon::live(Worker& worker) {
  shard::Shard& shard = *worker.shard;
  Result<> recovered = co_await shard.recover();
  wait_for_go(worker, std::move(recovered));
  shard.begin(worker.listeners, hand_overs_, worker.proxied_listeners);
  if (&worker == workers_.front().get()) {
    const config::Config& config = configuration_.config;
    Desk desk(shard, *post_, config, started_);
    control::Server server(shard.reactor(), config.control.socket, desk, config.timeouts.control);
    const Result<> listening = co_await server.start();
    if (!listening) {
      log::error("{}", listening.error().describe());
      std::_Exit(EXIT_FAILURE);
    }
    std::optional<control::Server> metrics;
    if (config.metrics.listen) {
      metrics.emplace(shard.reactor(), *config.metrics.listen, desk, config.timeouts.control);
      const Result<> serving = co_await metrics->start();
      if (!serving) {
        log::error("{}", serving.error().describe());
        std::_Exit(EXIT_FAILURE);
      }
    }
    print_ready(metrics ? fmt::format("\"{}\"", metrics->endpoint().to_string()) : "null");
    service_manager_.tell("READY=1");
    co_await shard.live();
    if (metrics) {
      co_await metrics->close();
    }
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
    hand_overs_.add(std::move(worker->hand_overs));
  }
  hand_overs_.sort();
  return open_listeners();
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

bool Daemon::give_to_shards(const Configuration& configuration) {
  ++given_rounds_;
  for (std::uint32_t number = 0; number < post_->shards(); ++number) {
    auto copy =
        std::make_unique<shard::NewConfiguration>(configuration.loaded, configuration.suppressed);
    int tries = 0;
    while (!post_->configurations(number).try_push(std::move(copy))) {
      if (++tries > patience_with_shards / look_again) {
        return false;
      }
      post_->wake(number);
      std::this_thread::sleep_for(look_again);
    }
    post_->wake(number);
  }
  return true;
}

void Daemon::reload() {
  shard::ReloadReport report;
  report.answers = post_->reloads_wanted.load();
  auto fresh = read_again(source_, running_.loaded.config);
  if (fresh && give_to_shards(*fresh)) {
    running_ = std::move(*fresh);
    report.round = given_rounds_;
    report.suppressed = running_.suppressed->entries();
    log::info("the configuration was read again");
  } else {
    report.problems = fresh ? std::vector<std::string>{"a shard does not take the configuration"}
                            : std::move(fresh.error());
    log::error("the configuration was not changed:");
    for (const std::string& problem : report.problems) {
      log::error("{}", problem);
    }
  }
  post_->report(std::move(report));
}

void Daemon::watch_signals() {
  const sigset_t signals = watched_signals();
  timespec patience{};
  patience.tv_sec = std::chrono::duration_cast<std::chrono::seconds>(last_resort).count();
  while (next_signal(signals) == SIGHUP) {
    ++post_->reopen_logs;
    reload();
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
  if (is_root()) {
    log::warning("runs as root, which it need not: give --user NAME, or start it as another user");
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
