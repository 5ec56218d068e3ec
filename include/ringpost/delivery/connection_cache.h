// The open connections of a shard: those that runners hold, and the idle ones that wait for the
// next message. Idle connections are found by what makes them interchangeable (queue group, MX
// host, port, egress source, TLS policy), the one used last first; they end by their own timer, and
// the one idle for longest ends when there are too many. Keeps within the shard's share of the
// process's descriptors: beyond it, who wants to connect waits until a connection has ended. Grew
// from sendmail's ConnectionCacheSize and ConnectionCacheTimeout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>

#include "ringpost/delivery/connection.h"
#include "ringpost/ring/reactor.h"

namespace ringpost::delivery {

struct CacheLimits {
  std::uint32_t size = 1000;  // idle connections of the queue group
  Duration timeout = 30s;     // idle
};

class ConnectionCache {
 public:
  // Keeps at most `most_idle` over all groups.
  ConnectionCache(ring::Reactor& reactor, std::uint32_t most_idle, Duration quit_timeout);

  // From the next connection that is put back on.
  void set_limits(std::uint32_t most_idle, Duration quit_timeout) {
    most_idle_ = most_idle;
    quit_timeout_ = quit_timeout;
  }

  // Connections that may be open at once, attempts at some included.
  void set_most_open(std::size_t most) { most_open_ = most; }

  // Waits until one more connection to the destination may be opened, and counts it as open from
  // now on. Idle ones make room; those that are being ended count until they are closed.
  ring::Task<void> reserve(queue::QueueGroup& group, queue::Destination& destination);
  // It could not be opened.
  void give_up(queue::QueueGroup& group, queue::Destination& destination);
  // Registers a new connection that was reserved, which the caller holds.
  void adopt(Connection& connection, const queue::LaneKey& lane);
  // An idle connection that serves this lane, or null. Those that their servers ended are dropped.
  std::unique_ptr<Connection> take(queue::QueueGroup& group, const queue::Lane& lane);
  // Keeps it, or ends it where the limits leave no room.
  void put(std::unique_ptr<Connection> connection, const CacheLimits& limits);
  // Ends it: with QUIT, or at once where nothing may be sent any more.
  void end(std::unique_ptr<Connection> connection, bool politely);
  [[nodiscard]] std::size_t idle() const { return idle_.size(); }
  [[nodiscard]] std::size_t open() const { return open_; }
  [[nodiscard]] std::uint64_t opened_total(const queue::QueueGroup& group) const;

  // Breaks every connection that is not idle: held by a runner, or saying QUIT.
  void abort_held();
  // Ends all idle connections and waits until those being ended are closed.
  ring::Task<void> close();

 private:
  friend struct Connection::IdleTimer;
  using SameKey = IntrusiveList<Connection, SameKeyTag>;
  struct GroupCounts {
    std::uint32_t idle = 0;
    std::uint64_t opened = 0;
  };

  static std::string key_of(const queue::QueueGroup& group, const queue::LaneKey& lane,
                            std::string_view host, std::uint16_t port);
  GroupCounts& counts_of(const queue::QueueGroup& group) { return counts_[group.settings().name]; }
  std::unique_ptr<Connection> remove_idle(Connection& connection);
  static bool may_count_for(const Connection& connection, const queue::Destination& destination);
  void count_for(Connection& connection, queue::Destination& destination);
  // Ends an idle connection to this destination, if there is one.
  void end_idle(const queue::Destination& destination);
  void end_oldest();
  [[nodiscard]] bool full() const { return reserved_ >= most_open_; }
  ring::Task<void> farewell(std::unique_ptr<Connection> connection, bool politely);

  ring::Reactor& reactor_;
  std::uint32_t most_idle_;
  Duration quit_timeout_;
  std::map<std::uint64_t, std::unique_ptr<Connection>> idle_;  // by id
  std::map<std::string, SameKey> by_key_;                      // idle for longest first
  IntrusiveList<Connection, IdleTag> by_idle_time_;            // likewise
  IntrusiveList<Connection, HeldTag> held_;
  std::map<std::string, GroupCounts> counts_;
  std::size_t open_ = 0;
  std::size_t reserved_ = 0;  // open or being opened
  std::size_t most_open_ = std::numeric_limits<std::size_t>::max();
  std::size_t waiting_ = 0;  // for a descriptor
  ring::Event closed_;
  ring::Gate farewells_;
};

}  // namespace ringpost::delivery
