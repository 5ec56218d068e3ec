#include "ringpost/shard/shard.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ringpost/base/log.h"
#include "ringpost/control/hold_file.h"

namespace ringpost::shard {
namespace {

spool::SpoolSettings spool_settings(const config::Config& config, std::uint32_t shard) {
  spool::SpoolSettings settings;
  settings.directory = fmt::format("{}/shard-{}", config.spool.directory, shard);
  settings.segment_size = config.spool.segment_size;
  settings.minimum_free = config.spool.minimum_free;
  return settings;
}

dns::ResolverSettings resolver_settings(const ShardSettings& settings) {
  const config::Config& config = settings.configuration.config;
  dns::ResolverSettings made;
  made.servers = settings.dns_servers;
  made.retransmit_after = config.timeouts.resolver_retrans;
  made.transmissions = static_cast<int>(config.timeouts.resolver_retry);
  made.max_queries = settings.descriptors.lookups;
  made.own.names.push_back(config.identity.hostname);
  for (const Endpoint& endpoint : settings.listening) {
    made.own.addresses.push_back(endpoint.address);
  }
  return made;
}

queue::GroupSettings group_settings(const config::Config& config, const config::QueueGroup& group) {
  queue::GroupSettings settings;
  settings.name = group.name;
  settings.runners = group.runners;
  settings.weight = group.weight;
  settings.egress = group.egress;
  settings.max_connections_per_destination = group.max_connections_per_destination;
  settings.max_messages_per_connection = group.max_messages_per_connection;
  settings.max_recipients_per_transaction = group.max_recipients_per_transaction;
  settings.streaming_depth = group.streaming_depth;
  settings.messages_per_second = group.rate_per_second;
  settings.delivery = group.delivery == config::DeliveryMode::hold ? queue::DeliveryMode::hold
                                                                   : queue::DeliveryMode::queue;
  settings.tls = config::name_of(group.tls);
  settings.retry.first = config.retry.first;
  settings.retry.longest = config.retry.max;
  settings.retry.expiry = config.timeouts.queuereturn;
  settings.host_status.believed = config.timeouts.hoststatus;
  return settings;
}

}  // namespace

Shard::Shard(ring::Kernel& kernel, PostOffice& post, ShardSettings settings)
    : number_(settings.number),
      configuration_(settings.configuration),
      post_(post),
      assignment_(configuration_.config, post.shards()),
      server_tls_(std::move(settings.server_tls)),
      client_tls_(std::move(settings.client_tls)),
      reactor_(kernel, {.receive_buffers = settings.receive_buffers}),
      ids_(static_cast<std::uint8_t>(number_)),
      events_(reactor_, configuration_.config.log.events),
      spool_(reactor_, spool_settings(configuration_.config, number_)),
      resolver_(reactor_, resolver_settings(settings)),
      cache_(reactor_, configuration_.config.connection_cache.size,
             configuration_.config.timeouts.quit),
      walk_(reactor_, resolver_, hosts_, cache_, configuration_.config, client_tls_.get(), tracer_,
            number_),
      routes_(configuration_.config, resolver_),
      in_flight_(configuration_.config.delivery.max_in_flight),
      ledger_(reactor_, spool_, events_, messages_, ids_, number_),
      read_ahead_(reactor_, spool_, messages_),
      groups_(assignment_.groups().size()),
      memory_(reactor_),
      links_(reactor_, post, number_, memory_),
      intake_(
          {reactor_, assignment_, spool_, events_, messages_, ledger_, links_, memory_, number_},
          groups_),
      reports_(reactor_, spool_, ledger_, configuration_.config.identity.hostname),
      listener_(reactor_, intake_, ids_, configuration_.config, server_tls_.get(),
                {settings.descriptors.clients, settings.descriptors.acceptors}),
      operator_({reactor_, messages_, groups_, ledger_, hosts_, intake_}),
      view_(make_view()),
      gate_(reactor_.ready()) {
  messages_.contents().set_budget(configuration_.config.spool.memory_budget / post.shards());
  share_memory();
  cache_.set_most_open(settings.descriptors.outbound);
  for (const std::uint32_t number : settings.adopted) {
    AdoptedSpool& adopted = adopted_.emplace_back(
        AdoptedSpool::Room{reactor_, assignment_, events_, ids_, links_, memory_}, number,
        spool_settings(configuration_.config, number), configuration_.config.identity.hostname);
    adopted_views_.push_back(adopted.view());
  }
  if (settings.suppressed != nullptr) {
    ledger_.use_suppressions(std::move(settings.suppressed));
  }
  make_groups();
}

void Shard::make_groups() {
  groups_.assign(assignment_.groups().size(), {});
  for (std::size_t number = 0; number < groups_.size(); ++number) {
    const intake::AssignedGroup& assigned = assignment_.groups()[number];
    if (assigned.shard == number_) {
      groups_[number] = group_for(assigned.settings);
    }
  }
  if (!queues_.empty()) {
    intake_.set_fallback({&queues_.front(), &services_.front()});
  }
}

intake::LocalGroup Shard::group_for(const config::QueueGroup& assigned) {
  const config::Config& config = configuration_.config;
  queue::GroupSettings settings = group_settings(config, assigned);
  const delivery::CacheLimits limits{assigned.connection_cache_size,
                                     assigned.connection_cache_timeout};
  for (std::size_t at = 0; at < queues_.size(); ++at) {
    if (queues_[at].settings().name == assigned.name) {
      const queue::Now now{reactor_.now(), reactor_.wall_now()};
      const queue::GroupSettings& before = queues_[at].settings();
      const bool other_lanes = before.egress != settings.egress || before.tls != settings.tls;
      queues_[at].change_settings(std::move(settings), now);
      if (other_lanes) {
        queues_[at].ask_routes_again(now);
      }
      services_[at].set_cache_limits(limits);
      return {&queues_[at], &services_[at]};
    }
  }
  queue::QueueGroup& queue = queues_.emplace_back(std::move(settings));
  const delivery::Conversation::Room conversation{
      reactor_, read_ahead_,     messages_, hosts_,
      ledger_,  config.timeouts, stopping_, in_flight_.join(assigned.weight)};
  delivery::GroupService& service = services_.emplace_back(
      delivery::GroupService::Room{conversation, cache_, walk_, routes_, intake_}, queue, limits);
  if (begun_) {
    service.start();
  }
  return {&queue, &service};
}

void Shard::reconfigure(NewConfiguration fresh) {
  if (stopping_) {
    return;
  }
  // In place: rooms refer to the configuration and its tables, and look into them anew each time.
  const config::Config before = std::exchange(configuration_, std::move(fresh.loaded)).config;
  const config::Config& config = configuration_.config;
  ledger_.use_suppressions(std::move(fresh.suppressed));
  intake::Assignment assignment(config, post_.shards());
  const bool moved = !assignment.places_alike(assignment_);
  const bool other_hosts = !assignment.same_mx(assignment_);
  assignment_ = std::move(assignment);
  make_groups();
  operator_.set_holds(queue::Holds(operator_.holds()));
  cache_.set_limits(config.connection_cache.size, config.timeouts.quit);
  listener_.configuration_changed();
  share_memory();
  if (before.routes != config.routes || before.delivery != config.delivery ||
      before.destinations != config.destinations || other_hosts) {
    for (queue::QueueGroup& queue : queues_) {
      queue.ask_routes_again({reactor_.now(), reactor_.wall_now()});
    }
  }
  for (delivery::GroupService& service : services_) {
    service.notify();
  }
  if (moved) {
    intake_.resettle();
  }
}

void Shard::share_memory() {
  constexpr std::uint64_t trace_field = 4096;  // more than what we put in front of a content
  const config::Listener& listener = configuration_.config.listener;
  memory_.set_budget(listener.memory_budget / post_.shards(),
                     listener.max_message_size + trace_field);
}

control::ShardView Shard::make_view() {
  return {number_,
          reactor_,
          configuration_.config,
          configuration_.origins,
          assignment_,
          groups_,
          messages_,
          cache_,
          ledger_,
          hosts_,
          resolver_,
          spool_,
          intake_,
          operator_.holds(),
          adopted_views_,
          tracer_};
}

ring::Task<Result<>> Shard::recover() {
  Result<> opened = co_await events_.open();
  if (!opened) {
    co_return opened;
  }
  Result<queue::Holds> holds =
      co_await control::read_holds(reactor_, configuration_.config.spool.directory);
  if (!holds) {
    co_return std::unexpected(holds.error());
  }
  operator_.set_holds(std::move(*holds));
  ledger_.start(reports_);
  spool::RecoverySink sink = [this](spool::RecoveredMessage&& message) {
    intake_.recover(std::move(message));
  };
  const Result<spool::Recovered> recovered = co_await spool_.open(std::move(sink));
  if (!recovered) {
    co_return std::unexpected(recovered.error());
  }
  note_highest(recovered->highest_id);
  for (AdoptedSpool& adopted : adopted_) {
    const Result<spool::Recovered> old = co_await adopted.recover();
    if (!old) {
      co_return std::unexpected(old.error());
    }
    note_highest(old->highest_id);
  }
  if (recovered->messages > 0 || recovered->quarantined > 0) {
    log::info("shard {}: {} messages recovered, {} torn tails, {} damaged places quarantined",
              number_, recovered->messages, recovered->torn_tails, recovered->quarantined);
  }
  co_return Result<>();
}

void Shard::note_highest(mail::MessageId id) {
  std::uint64_t highest = post_.highest_id.load();
  while (highest < id.value && !post_.highest_id.compare_exchange_weak(highest, id.value)) {
  }
}

intake::HandOvers Shard::hand_overs() const {
  intake::HandOvers all = intake_.hand_overs();
  for (const AdoptedSpool& adopted : adopted_) {
    all.add(adopted.hand_overs());
  }
  return all;
}

void Shard::begin(std::vector<int> listeners, const intake::HandOvers& all,
                  std::vector<int> proxied_listeners) {
  ids_.never_below(mail::MessageId{post_.highest_id.load()});
  links_.start(intake_, view_, operator_,
               [this](NewConfiguration fresh) { reconfigure(std::move(fresh)); });
  reports_.start(intake_);
  intake_.resume(all);
  for (AdoptedSpool& adopted : adopted_) {
    adopted.begin(all);
  }
  for (delivery::GroupService& service : services_) {
    service.start();
  }
  begun_ = true;
  listener_.start(std::move(listeners), std::move(proxied_listeners));
}

ring::Task<void> Shard::live() {
  std::uint32_t reopened = post_.reopen_logs.load();
  while (!post_.drain.load()) {
    const std::uint32_t asked = post_.reopen_logs.load();
    if (asked != reopened) {
      reopened = asked;
      events_.reopen();
    }
    co_await links_.news().wait();
  }
}

ring::Task<void> Shard::meet(std::atomic<std::uint32_t>& arrived) {
  ++arrived;
  while (arrived.load() < post_.shards()) {
    co_await reactor_.sleep(2ms);
  }
}

ring::Task<void> Shard::abort_at(Instant deadline) {
  while (!drained_ && reactor_.now() < deadline) {
    co_await drained_event_.wait_until(reactor_.timers(), deadline);
  }
  if (!drained_) {
    cache_.abort_held();
  }
}

ring::Task<void> Shard::drain(Instant deadline) {
  stopping_ = true;
  operator_.stop();
  walk_.stop();
  memory_.stop();
  for (delivery::GroupService& service : services_) {
    service.notify();
  }
  gate_.spawn(abort_at(deadline));
  co_await resolver_.close();
  co_await listener_.close(deadline);
  co_await meet(post_.listeners_closed);
  co_await reports_.close();
  for (AdoptedSpool& adopted : adopted_) {
    co_await adopted.stop_giving();
  }
  co_await intake_.close();
  co_await meet(post_.intakes_closed);
  co_await links_.close();
  for (delivery::GroupService& service : services_) {
    co_await service.close();
  }
  co_await read_ahead_.close();
  co_await cache_.close();
  drained_ = true;
  drained_event_.notify_all();
  co_await gate_.close();
  for (AdoptedSpool& adopted : adopted_) {
    co_await adopted.close();
  }
  co_await ledger_.close();
  co_await events_.close(1s);
  co_await spool_.close();
  reactor_.set_inbox(nullptr);
}

}  // namespace ringpost::shard
