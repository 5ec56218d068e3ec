#include "ringpost/delivery/group_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ringpost/base/check.h"
#include "ringpost/delivery/fates.h"

namespace ringpost::delivery {
namespace {

constexpr std::uint32_t most_route_lookups = 256;
// How long a domain that takes no mail is left alone before it is looked up again.
constexpr Duration refused_domain_pause = 5min;
// How long a connection attempt keeps a runner from other lanes.
constexpr Duration runner_waits_for_connection = 100ms;
// After descriptors or ports ran out.
constexpr Duration pause_for_resources = 1s;
// When the ledger is full, what has expired waits so long.
constexpr Duration pause_for_room = 100ms;

}  // namespace

GroupService::GroupService(Room room, queue::QueueGroup& group, CacheLimits cache_limits)
    : room_(room),
      group_(group),
      cache_limits_(cache_limits),
      reactor_(room.conversation.reactor),
      gate_(reactor_.ready()) {}

queue::Now GroupService::now() const {
  return {reactor_.now(), reactor_.wall_now()};
}

void GroupService::start() {
  gate_.spawn(run());
}

ring::Task<void> GroupService::close() {
  check(stopping(), "a group's service was closed before it was told to stop");
  work_.notify_all();
  runner_free_.notify_all();
  room_.conversation.share.wake_all();
  co_await gate_.close();
}

ring::Task<void> GroupService::run() {
  while (!stopping()) {
    group_.advance(now());
    const bool all_expired = expire();
    while (looking_up_ < most_route_lookups) {
      queue::Domain* const domain = group_.next_unresolved();
      if (domain == nullptr) {
        break;
      }
      ++looking_up_;
      gate_.spawn(find_route(*domain));
    }
    while (queue::Seat seat = group_.next_lane(now())) {
      gate_.spawn(run_runner(seat));
    }
    const Instant next = all_expired ? group_.next_due() : reactor_.now() + pause_for_room;
    sleeping_until_ = next;
    co_await work_.wait_until(reactor_.timers(), next);
  }
}

bool GroupService::expire() {
  while (room_.conversation.ledger.has_room()) {
    queue::Entry* const entry = group_.next_expired();
    if (entry == nullptr) {
      return true;
    }
    queue::Lane* const lane = entry->domain().lane();
    const std::string destination =
        lane != nullptr ? lane->destination().name() : entry->domain().name();
    room_.conversation.ledger.settle(group_, *entry, fates_for_all(*entry, expired_outcome(*entry)),
                                     Attempt(destination, reactor_.now()));
  }
  return false;
}

// --- routes --------------------------------------------------------------------------------------

ring::Task<void> GroupService::find_route(queue::Domain& domain) {
  Routes::Answer answer = co_await room_.routes.find(domain.name());
  --looking_up_;
  if (stopping()) {
    co_return;  // the resolver was stopped as well: that says nothing of the domain
  }
  if (answer.status == dns::LookupStatus::found &&
      !room_.placing.belongs(group_, domain, answer.lane, answer.until)) {
    const bool all_gone = co_await room_.placing.move_out(group_, domain);
    if (all_gone) {
      group_.depart(domain, now());
      work_.notify_one();
      co_return;
    }
  }
  if (answer.lane.tls.empty()) {
    answer.lane.tls = group_.settings().tls;
  }
  answer.lane.egress = egress_for(group_.settings().egress, domain.name());
  switch (answer.status) {
    case dns::LookupStatus::found:
      group_.assign(domain, answer.lane, answer.until, now());
      break;
    case dns::LookupStatus::temporary:
      room_.conversation.ledger.tell_deferred(group_, domain.name(), answer.problem.status,
                                              answer.problem.reason);
      group_.fail_route(domain, std::max(answer.until, reactor_.now() + 1s), now(),
                        answer.problem.status, answer.problem.reason);
      break;
    case dns::LookupStatus::permanent:
      bounce_domain(domain, answer);
      break;
  }
  work_.notify_one();
}

void GroupService::bounce_domain(queue::Domain& domain, const Routes::Answer& answer) {
  const std::string reply = fmt::format("{} {} {}", answer.problem.reply_code,
                                        answer.problem.status.to_string(), answer.problem.reason);
  const mail::Outcome outcome =
      failed_outcome(mail::OutcomeKind::bounced, answer.problem.status, reply);
  const std::string name = domain.name();
  while (room_.conversation.ledger.has_room()) {
    queue::Entry* const entry = group_.next_entry_of(domain);
    if (entry == nullptr) {
      group_.fail_route(domain, reactor_.now() + refused_domain_pause, now());
      return;
    }
    room_.conversation.ledger.settle(group_, *entry, fates_for_all(*entry, outcome),
                                     Attempt(name, reactor_.now()));
  }
  group_.fail_route(domain, reactor_.now() + 1s, now());  // the rest, when the ledger has room
}

// --- runners -------------------------------------------------------------------------------------

ring::Task<void> GroupService::run_runner(queue::Seat seat) {
  while (seat) {
    co_await serve(seat);
    group_.release(seat, now());
    runner_free_.notify_one();
    if (group_.next_due() < sleeping_until_) {
      work_.notify_one();
    }
    seat = stopping() ? queue::Seat() : group_.next_lane(now());
  }
  work_.notify_one();
}

ring::Task<void> GroupService::serve(queue::Seat& seat) {
  queue::Lane& lane = *seat.lane;
  bool only_new = false;
  while (!stopping()) {
    std::unique_ptr<Connection> connection = co_await connect(seat, only_new);
    if (connection == nullptr) {
      co_return;
    }
    Conversation conversation(room_.conversation, group_, seat, *connection);
    const Conversation::End end = co_await conversation.run();
    const bool again = end == Conversation::End::used_up && !conversation.turn_over();
    const bool stale = end == Conversation::End::stale && !only_new;
    after(conversation, end, std::move(connection));
    if (!stale && (!again || lane.ready_entries() == 0)) {
      co_return;
    }
    // A connection that had died in the cache costs no attempt: once, at once, on a new one.
    only_new = stale;
  }
}

ring::Task<std::unique_ptr<Connection>> GroupService::connect(queue::Seat& seat, bool only_new) {
  queue::Lane& lane = *seat.lane;
  if (!only_new) {
    std::unique_ptr<Connection> cached = room_.cache.take(group_, lane);
    if (cached != nullptr) {
      group_.lanes().greeted(lane, now());
      co_return cached;
    }
  }
  const bool first_attempt = group_.first_attempt_next(lane);
  AttemptTimer patience(*this, seat);
  reactor_.timers().arm(patience, reactor_.now() + runner_waits_for_connection);
  MxWalk::Result opened = co_await room_.walk.open(group_, lane, first_attempt);
  patience.disarm();
  group_.set_slow(lane, opened.slow, now());
  if (opened.connection == nullptr) {
    if (!stopping()) {
      lane_failed(seat, opened);
    }
    co_return nullptr;
  }
  group_.lanes().greeted(lane, now());
  work_.notify_one();
  if (!seat.has_runner) {
    co_await wait_for_runner(seat, *opened.connection);
  }
  co_return std::move(opened.connection);
}

void GroupService::AttemptTimer::expired() {
  if (!service.group_.lanes().part_from_runner(seat)) {
    service.reactor_.timers().arm(*this, service.reactor_.now() + runner_waits_for_connection);
    return;
  }
  service.runner_free_.notify_one();
  service.work_.notify_one();
}

ring::Task<void> GroupService::wait_for_runner(queue::Seat& seat, Connection& connection) {
  while (!stopping() && !group_.lanes().regain_runner(seat)) {
    // The server may well lose its patience: then that costs no attempt.
    connection.reused = true;
    connection.watch();
    co_await runner_free_.wait();
  }
}

void GroupService::lane_failed(queue::Seat& seat, const MxWalk::Result& opened) {
  queue::Lane& lane = *seat.lane;
  const Trouble& trouble = opened.trouble;
  if (!opened.permanent) {
    mail::EnhancedStatus status = trouble.status;
    status.status_class = 4;  // what waits has not failed for good
    const std::optional<Instant> until =
        opened.own_fault ? std::optional(reactor_.now() + pause_for_resources) : opened.until;
    group_.defer_lane(lane, status, trouble.text, until, now());
    room_.conversation.ledger.tell_deferred(group_, lane.destination().name(), status,
                                            trouble.text);
    return;
  }
  const mail::Outcome outcome =
      failed_outcome(mail::OutcomeKind::bounced, trouble.status, trouble.text);
  while (room_.conversation.ledger.has_room()) {
    queue::Entry* const entry = group_.next_entry(seat, now());
    if (entry == nullptr) {
      return;
    }
    room_.conversation.ledger.settle(group_, *entry, fates_for_all(*entry, outcome),
                                     Attempt(lane.destination().name(), reactor_.now()));
  }
  // The rest when the ledger has room.
  group_.defer_lane(lane, trouble.status, trouble.text, reactor_.now() + pause_for_room, now());
}

void GroupService::after(Conversation& conversation, Conversation::End end,
                         std::unique_ptr<Connection> connection) {
  switch (end) {
    case Conversation::End::reusable:
      room_.cache.put(std::move(connection), cache_limits_);
      return;
    case Conversation::End::used_up:
      room_.cache.end(std::move(connection), true);
      return;
    case Conversation::End::stale:
      break;
    case Conversation::End::broken: {
      HostRecord& host =
          room_.conversation.hosts.of(connection->peer().endpoint, connection->peer().source);
      const bool served = connection->delivered_total + connection->refused_total != 0;
      if (!served || (connection->delivered_total == 0 && !conversation.sent_away())) {
        host.status.mark_down(conversation.trouble().text, reactor_.now(),
                              group_.settings().host_status);
      } else if (conversation.sent_away() && connection->refused_total == 0) {
        // After refusals a 421 says that there were too many of them: no limit to learn from.
        host.sent_away_after(connection->delivered_total, reactor_.now());
      }
      break;
    }
  }
  room_.cache.end(std::move(connection), false);
}

}  // namespace ringpost::delivery
