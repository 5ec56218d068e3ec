#include "ringpost/delivery/connection_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace ringpost::delivery {
namespace {

// Whoever waits for room also looks for connections that have become idle.
constexpr Duration look_again_after = 1s;
// How long the reply to QUIT is waited for when we go down.
constexpr Duration longest_last_farewell = 2s;

}  // namespace

void Connection::IdleTimer::expired() {
  cache->end(cache->remove_idle(*connection), true);
}

ConnectionCache::ConnectionCache(ring::Reactor& reactor, std::uint32_t most_idle,
                                 Duration quit_timeout)
    : reactor_(reactor),
      most_idle_(most_idle),
      quit_timeout_(quit_timeout),
      farewells_(reactor.ready()) {}

std::string ConnectionCache::key_of(const queue::QueueGroup& group, const queue::LaneKey& lane,
                                    std::string_view host, std::uint16_t port) {
  return fmt::format("{}\n{}\n{}\n{}\n{}", group.settings().name, host, port, lane.egress,
                     lane.tls);
}

void ConnectionCache::adopt(Connection& connection, const queue::LaneKey& lane) {
  connection.cache_key =
      key_of(connection.group(), lane, connection.peer().mx, connection.peer().endpoint.port);
  connection.idle_timer.cache = this;
  connection.idle_timer.connection = &connection;
  held_.push_back(connection);
  ++open_;
  ++counts_of(connection.group()).opened;
}

ring::Task<void> ConnectionCache::reserve(queue::QueueGroup& group,
                                          queue::Destination& destination) {
  // Who asks is one of as many runners as there may be connections. So if there is no room, some
  // connection is idle or about to be closed.
  const std::uint32_t most = group.settings().max_connections_per_destination;
  while (destination.connections_open >= most || full()) {
    if (destination.connections_open < most) {
      ++waiting_;
      end_oldest();
      co_await closed_.wait_until(reactor_.timers(), reactor_.now() + look_again_after);
      --waiting_;
      continue;
    }
    end_idle(destination);
    co_await closed_.wait_until(reactor_.timers(), reactor_.now() + look_again_after);
  }
  ++reserved_;
  group.connection_opened(destination);
}

void ConnectionCache::give_up(queue::QueueGroup& group, queue::Destination& destination) {
  --reserved_;
  group.connection_closed(destination);
  closed_.notify_all();
}

std::uint64_t ConnectionCache::opened_total(const queue::QueueGroup& group) const {
  const auto found = counts_.find(group.settings().name);
  return found == counts_.end() ? 0 : found->second.opened;
}

std::unique_ptr<Connection> ConnectionCache::remove_idle(Connection& connection) {
  connection.idle_timer.disarm();
  connection.ListHook<IdleTag>::unlink();
  connection.ListHook<SameKeyTag>::unlink();
  const auto same_key = by_key_.find(connection.cache_key);
  if (same_key->second.empty()) {
    by_key_.erase(same_key);
  }
  --counts_of(connection.group()).idle;
  --connection.destination().connections_idle;
  const auto owned = idle_.find(connection.id());
  std::unique_ptr<Connection> removed = std::move(owned->second);
  idle_.erase(owned);
  held_.push_back(*removed);
  return removed;
}

std::unique_ptr<Connection> ConnectionCache::take(queue::QueueGroup& group,
                                                  const queue::Lane& lane) {
  for (const queue::RouteHost& host : lane.key().hosts) {
    const std::string key = key_of(group, lane.key(), host.name, host.port);
    for (auto same = by_key_.find(key); same != by_key_.end(); same = by_key_.find(key)) {
      if (!may_count_for(same->second.back(), lane.destination())) {
        break;
      }
      std::unique_ptr<Connection> connection = remove_idle(same->second.back());
      if (!connection->disturbed()) {
        count_for(*connection, lane.destination());
        connection->reused = true;
        return connection;
      }
      end(std::move(connection), false);
    }
  }
  return nullptr;
}

bool ConnectionCache::may_count_for(const Connection& connection,
                                    const queue::Destination& destination) {
  return &connection.destination() == &destination ||
         destination.connections_open <
             connection.group().settings().max_connections_per_destination;
}

// What one destination lends another may not stay on its own account: its limit might be used up
// by connections that it cannot have back.
void ConnectionCache::count_for(Connection& connection, queue::Destination& destination) {
  if (&connection.destination() != &destination) {
    queue::Destination& lender = connection.destination();
    connection.group().connection_opened(destination);
    connection.count_for(destination);
    connection.group().connection_closed(lender);
    closed_.notify_all();
  }
}

void ConnectionCache::put(std::unique_ptr<Connection> connection, const CacheLimits& limits) {
  GroupCounts& group = counts_of(connection->group());
  // Who waits for a descriptor needs it more than a connection that has nothing to do.
  if (limits.size == 0 || limits.timeout <= Duration::zero() || most_idle_ == 0 || waiting_ > 0) {
    end(std::move(connection), true);
    return;
  }
  if (idle_.size() >= most_idle_ || group.idle >= limits.size) {
    for (Connection& oldest : by_idle_time_) {
      if (idle_.size() >= most_idle_ || &oldest.group() == &connection->group()) {
        end(remove_idle(oldest), true);
        break;
      }
    }
  }
  Connection& kept = *connection;
  kept.ListHook<HeldTag>::unlink();
  kept.watch();
  reactor_.timers().arm(kept.idle_timer, reactor_.now() + limits.timeout);
  by_key_[kept.cache_key].push_back(kept);
  by_idle_time_.push_back(kept);
  ++group.idle;
  ++kept.destination().connections_idle;
  idle_.emplace(kept.id(), std::move(connection));
}

void ConnectionCache::end(std::unique_ptr<Connection> connection, bool politely) {
  farewells_.spawn(farewell(std::move(connection), politely));
}

void ConnectionCache::end_idle(const queue::Destination& destination) {
  if (destination.connections_idle == 0) {
    return;
  }
  for (Connection& connection : by_idle_time_) {
    if (&connection.destination() == &destination) {
      end(remove_idle(connection), true);
      return;
    }
  }
}

void ConnectionCache::end_oldest() {
  if (!by_idle_time_.empty()) {
    end(remove_idle(by_idle_time_.front()), true);
  }
}

ring::Task<void> ConnectionCache::farewell(std::unique_ptr<Connection> connection, bool politely) {
  queue::QueueGroup& group = connection->group();
  queue::Destination& destination = connection->destination();
  if (politely) {
    co_await connection->quit(reactor_.now() + quit_timeout_);
  } else {
    co_await connection->close();
  }
  --open_;
  --reserved_;
  group.connection_closed(destination);
  closed_.notify_all();
}

void ConnectionCache::abort_held() {
  for (Connection& connection : held_) {
    connection.abort();
  }
}

ring::Task<void> ConnectionCache::close() {
  quit_timeout_ = std::min(quit_timeout_, longest_last_farewell);
  while (!by_idle_time_.empty()) {
    end(remove_idle(by_idle_time_.front()), true);
  }
  co_await farewells_.close();
}

}  // namespace ringpost::delivery
