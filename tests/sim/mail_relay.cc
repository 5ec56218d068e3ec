#include "sim/mail_relay.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "ringpost/net/socket.h"

namespace ringpost::sim {
namespace {

const std::string event_log = "/log/events";

}  // namespace

MailRelay::MailRelay(SimWorld& world, const IpAddress& address, const Endpoint& name_server,
                     std::uint32_t shards, const std::vector<std::string>& settings)
    : world_(world),
      host_(world.add_host("relay", {address})),
      endpoint_(address, 25),
      name_server_(name_server),
      shards_(shards),
      settings_(settings) {
  host_.disk().make_directory("/log");
  host_.disk().sync_directory(*host_.disk().find("/"), host_.disk().changes());
}

MailRelay::~MailRelay() {
  if (running()) {
    crash(Crash::killed);
  }
}

config::Loaded MailRelay::load(const std::vector<std::string>& more) const {
  std::vector<std::string> settings{"identity.hostname=relay.example",
                                    "spool.directory=/spool",
                                    "spool.segment_size=1048576",
                                    "listener.max_message_size=262144",
                                    "log.events=" + event_log,
                                    "listener.relay_from=[\"10.0.0.0/8\"]",
                                    "control.socket=/control",
                                    "delivery.prohibited_networks=[]",
                                    fmt::format("shards.count={}", shards_),
                                    fmt::format("listener.smtp=[\"{}\"]", endpoint_.to_string())};
  settings.insert(settings.end(), more.begin(), more.end());
  config::LoadResult loaded = config::load_file({}, settings, {.hostname = "relay", .cores = 1});
  check(loaded.has_value(), loaded ? "" : loaded.error().front().describe());
  return std::move(*loaded);
}

void MailRelay::start() {
  most_shards_ = std::max(most_shards_, shards_);
  configuration_ = load(settings_);
  post_ = std::make_unique<shard::PostOffice>(shards_);
  hand_overs_ = {};
  ready_ = false;
  for (std::uint32_t number = 0; number < shards_; ++number) {
    auto worker = std::make_unique<Worker>();
    worker->kernel = std::make_unique<SimKernel>(host_);
    worker->shard =
        std::make_unique<shard::Shard>(*worker->kernel, *post_,
                                       shard::ShardSettings{.number = number,
                                                            .configuration = configuration_,
                                                            .dns_servers = {name_server_},
                                                            .listening = {endpoint_},
                                                            .descriptors = descriptors,
                                                            .receive_buffers = 256,
                                                            .adopted = adopted_by(number)});
    ring::Reactor& reactor = worker->shard->reactor();
    worker->gate = std::make_unique<ring::Gate>(reactor.ready());
    post_->enroll(number, reactor);
    check(reactor.start().has_value(), "a shard's reactor did not start");
    worker->kernel->drive(&reactor);
    workers_.push_back(std::move(worker));
  }
  for (const auto& worker : workers_) {
    worker->gate->spawn(live(*worker));
  }
}

// The directories of shards that are no more, as the daemon deals them out.
std::vector<std::uint32_t> MailRelay::adopted_by(std::uint32_t number) {
  std::vector<std::uint32_t> adopted;
  for (std::uint32_t old = shards_ + number; old < most_shards_; old += shards_) {
    if (host_.disk().find(fmt::format("/spool/shard-{}", old)) != nullptr) {
      adopted.push_back(old);
    }
  }
  return adopted;
}

bool MailRelay::start_and_wait(Duration longest) {
  start();
  return world_.run_until([this] { return ready_; }, longest);
}

ring::Task<void> MailRelay::live(Worker& worker) {
  shard::Shard& shard = *worker.shard;
  const Result<> recovered = co_await shard.recover();
  check(recovered.has_value(), recovered ? "" : recovered.error().describe());
  worker.recovered = true;
  hand_overs_.add(shard.hand_overs());
  const auto has_recovered = [](const auto& each) { return each->recovered; };
  while (!std::ranges::all_of(workers_, has_recovered)) {
    co_await shard.reactor().sleep(1ms);
  }
  const Result<int> listener = net::listen_on(*worker.kernel, endpoint_);
  check(listener.has_value(), "the relay cannot listen");
  std::vector<int> listeners(1, *listener);
  hand_overs_.sort();
  if (behind_proxy) {
    shard.begin({}, hand_overs_, std::move(listeners));
  } else {
    shard.begin(std::move(listeners), hand_overs_);
  }
  worker.began = true;
  ready_ = std::ranges::all_of(workers_, [](const auto& each) { return each->began; });
  co_await shard.live();
  co_await shard.drain(shard.reactor().now() + 5min);
}

void MailRelay::reload(const std::vector<std::string>& settings,
                       std::shared_ptr<const mail::SuppressionList> suppressed) {
  settings_ = settings;
  configuration_ = load(settings_);
  if (suppressed == nullptr) {
    suppressed = std::make_shared<const mail::SuppressionList>();
  }
  for (std::uint32_t number = 0; number < shards_; ++number) {
    auto copy = std::make_unique<shard::NewConfiguration>(configuration_, suppressed);
    check(post_->configurations(number).try_push(std::move(copy)),
          "a shard takes no configuration");
    post_->wake(number);
  }
}

void MailRelay::crash(Crash kind) {
  host_.crash(kind);
  for (const auto& worker : workers_) {
    worker->gate.reset();
    worker->shard.reset();
  }
  workers_.clear();
  post_.reset();
  ready_ = false;
}

bool MailRelay::drain(Duration longest) {
  post_->drain = true;
  post_->wake_all();
  const bool ended = world_.run_until(
      [this] {
        return std::ranges::all_of(workers_,
                                   [](const auto& worker) { return worker->gate->running() == 0; });
      },
      longest);
  if (ended) {
    for (const auto& worker : workers_) {
      worker->gate.reset();
      worker->shard.reset();
    }
    workers_.clear();
    post_.reset();
    ready_ = false;
  }
  return ended;
}

std::string MailRelay::events() const {
  const FilePointer file = const_cast<SimHost&>(host_).disk().find(event_log);
  return file == nullptr ? std::string() : file->bytes();
}

}  // namespace ringpost::sim
