// The service of one queue group: finds routes for its domains, lets what is due become ready and
// what has expired end, and sends runners to its lanes. Sleeps until the queue has something for
// it. All waiting is here, all deciding in the queue room.
#pragma once

#include <cstdint>
#include <memory>

#include "ringpost/delivery/conversation.h"
#include "ringpost/delivery/mx_walk.h"
#include "ringpost/delivery/placing.h"
#include "ringpost/delivery/routes.h"
#include "ringpost/queue/queue_group.h"

namespace ringpost::delivery {

class GroupService {
 public:
  struct Room {  // what outlives the service
    Conversation::Room conversation;
    ConnectionCache& cache;
    MxWalk& walk;
    Routes& routes;
    Placing& placing;
  };

  GroupService(Room room, queue::QueueGroup& group, CacheLimits cache_limits);

  void start();
  void set_cache_limits(CacheLimits limits) { cache_limits_ = limits; }
  // Work was filed, a limit has changed, or `stopping` was set.
  void notify() {
    room_.conversation.share.set_weight(group_.settings().weight);
    work_.notify_one();
    runner_free_.notify_all();
  }
  // Once `stopping` is set: waits for its runners, who finish what is under way.
  ring::Task<void> close();

 private:
  // Runs while a connection is being opened: when that takes long, its runner is free for others.
  struct AttemptTimer final : ring::Timer {
    AttemptTimer(GroupService& of_service, queue::Seat& of_seat)
        : service(of_service), seat(of_seat) {}
    void expired() override;

    GroupService& service;
    queue::Seat& seat;
  };

  ring::Task<void> run();
  // False: the ledger has no room for the rest.
  bool expire();
  ring::Task<void> find_route(queue::Domain& domain);
  void bounce_domain(queue::Domain& domain, const Routes::Answer& answer);
  ring::Task<void> run_runner(queue::Seat seat);
  ring::Task<void> serve(queue::Seat& seat);
  // Null after a failure, which it has dealt with.
  ring::Task<std::unique_ptr<Connection>> connect(queue::Seat& seat, bool only_new);
  // For a seat that has connected without a runner: waits for one.
  ring::Task<void> wait_for_runner(queue::Seat& seat, Connection& connection);
  void lane_failed(queue::Seat& seat, const MxWalk::Result& opened);
  void after(Conversation& conversation, Conversation::End end,
             std::unique_ptr<Connection> connection);
  [[nodiscard]] queue::Now now() const;
  [[nodiscard]] bool stopping() const { return room_.conversation.stopping; }

  Room room_;
  queue::QueueGroup& group_;
  CacheLimits cache_limits_;
  ring::Reactor& reactor_;
  std::uint32_t looking_up_ = 0;
  Instant sleeping_until_;
  ring::Event work_;
  ring::Event runner_free_;
  ring::Gate gate_;
};

}  // namespace ringpost::delivery
