// Domains, their flows, and how they come into a lane and out of it again.
#include <memory>
#include <utility>

#include "ringpost/base/check.h"
#include "ringpost/queue/queue_group.h"

namespace ringpost::queue {
namespace {

// Between two look-ups of a domain whose name servers do not answer.
constexpr Duration first_route_pause = 5s;
constexpr Duration longest_route_pause = 15min;

}  // namespace

Domain& QueueGroup::domain_for(std::string_view name) {
  Domain* domain = domains_.find(name);
  if (domain == nullptr) {
    domain = new Domain(*this, to_lower(name), ++last_domain_);
    domains_.insert(*domain);
  } else if (domain->idle_) {
    domain->unlink();
    domain->idle_ = false;
    --idle_count_;
    if (domain->route_ == RouteState::failed) {
      failed_routes_.add(*domain, domain->route_until_);
    }
  }
  return *domain;
}

Flow& QueueGroup::flow_for(Domain& domain, Job& job) {
  Flow* flow = flows_.find({domain.number_, job.number});
  if (flow == nullptr) {
    flow = new Flow(domain, job);
    flows_.insert(*flow);
    domain.flows_.push_back(*flow);
    if (domain.lane_ != nullptr) {
      attach(*flow);
    }
  }
  return *flow;
}

void QueueGroup::drop_flow(Flow& flow) {
  Domain& domain = flow.domain;
  if (flow.lane_job != nullptr) {
    detach(flow);
  }
  flows_.remove(flow);
  delete &flow;
  if (domain.entries_ == 0) {
    settle(domain);
  }
}

// A domain without work keeps its route for the next time, within a bound; the one that has been
// idle longest is forgotten first.
void QueueGroup::settle(Domain& domain) {
  if (domain.route_ == RouteState::resolving) {
    return;  // delivery holds it, and will answer
  }
  domain.unlink();
  domain.idle_ = true;
  idle_.push_back(domain);
  if (++idle_count_ > settings_.idle_domains) {
    Domain& oldest = idle_.pop_front();
    --idle_count_;
    forget(oldest);
  }
}

void QueueGroup::forget(Domain& domain) {
  if (domain.lane_ != nullptr) {
    Lane& lane = *std::exchange(domain.lane_, nullptr);
    --lane.domains_;
    lanes_.drop_if_unused(lane);
  }
  domains_.remove(domain);
  delete &domain;
}

void QueueGroup::attach(Flow& flow) {
  Lane& lane = *flow.domain.lane_;
  const std::uint32_t number = flow.job.number;
  LaneJob& lane_job = lane.jobs_.try_emplace(number, lane, number).first->second;
  ++lane_job.flows;
  flow.lane_job = &lane_job;
  if (!flow.ready.empty()) {
    join_turns(flow);
  }
}

void QueueGroup::detach(Flow& flow) {
  LaneJob& lane_job = *flow.lane_job;
  if (!flow.ready.empty()) {
    flow_emptied(flow);
  }
  flow.lane_job = nullptr;
  if (--lane_job.flows == 0) {
    lane_job.lane.jobs_.erase(lane_job.number);
  }
}

// The flow has ready work: it takes its turns among its job's domains, and the job among the jobs.
void QueueGroup::join_turns(Flow& flow) {
  LaneJob& lane_job = *flow.lane_job;
  if (lane_job.active.empty()) {
    lane_job.lane.active_.join(lane_job);
  }
  lane_job.active.join(flow);
}

void QueueGroup::flow_emptied(Flow& flow) {
  if (flow.lane_job == nullptr) {
    return;
  }
  LaneJob& lane_job = *flow.lane_job;
  lane_job.active.leave(flow);
  if (lane_job.active.empty()) {
    lane_job.lane.active_.leave(lane_job);
  }
}

void QueueGroup::ask_route(Domain& domain) {
  if (domain.route_ == RouteState::unknown && !domain.linked() && domain.counts_.ready > 0) {
    unresolved_.push_back(domain);
  }
}

Domain* QueueGroup::next_unresolved() {
  while (!unresolved_.empty()) {
    Domain& domain = unresolved_.pop_front();
    if (domain.counts_.ready > 0) {
      domain.route_ = RouteState::resolving;
      return &domain;
    }
    // Its work went away meanwhile; it asks again when there is more.
  }
  return nullptr;
}

void QueueGroup::assign(Domain& domain, const LaneKey& key, Instant valid_until, Now now) {
  const bool idle = domain.idle_;
  if (!idle) {
    domain.unlink();  // it may still be waiting to be resolved, or to be asked again
  }
  domain.route_ = RouteState::known;
  domain.last_error_.reset();
  domain.route_failures_ = 0;
  domain.route_until_ = valid_until;
  Lane& lane = lanes_.lane_for(key);
  if (domain.lane_ != &lane) {
    leave_lane(domain, now);
    domain.lane_ = &lane;
    ++lane.domains_;
    lane.counts_ += domain.counts_;
    lane.ready_entries_ += domain.ready_entries_;
    for (Flow& flow : domain.flows_) {
      attach(flow);
    }
    if (lane.ready_entries_ > 0) {
      lanes_.work_added(lane, now);
    }
  }
  if (!idle && domain.entries_ == 0) {
    settle(domain);
  }
}

void QueueGroup::fail_route(Domain& domain, Instant until, Now now, mail::EnhancedStatus status,
                            std::string_view reply) {
  if (!reply.empty()) {
    domain.last_error_ = std::make_unique<LastError>(now.wall, status, std::string(reply));
    // Each failure in a row doubles the pause: dead name servers must not keep healthy domains
    // waiting for their first look-up.
    const Duration pause = std::min<Duration>(
        first_route_pause * (1U << std::min<unsigned>(domain.route_failures_, 16)),
        longest_route_pause);
    ++domain.route_failures_;
    until = std::max(until, now.instant + pause);
  }
  const bool idle = domain.idle_;
  leave_lane(domain, now);
  domain.route_ = RouteState::failed;
  domain.route_until_ = until;
  if (idle) {
    return;
  }
  domain.unlink();
  if (domain.entries_ == 0) {
    settle(domain);
  } else {
    failed_routes_.add(domain, until);
  }
}

void QueueGroup::depart(Domain& domain, Now now) {
  const bool idle = domain.idle_;
  leave_lane(domain, now);
  domain.route_ = RouteState::unknown;
  if (idle) {
    return;
  }
  domain.unlink();
  if (domain.entries_ == 0) {
    settle(domain);
  } else {
    ask_route(domain);
  }
}

void QueueGroup::expire_route(Domain& domain) {
  if (domain.route_ == RouteState::known) {
    domain.route_ = RouteState::unknown;
    ask_route(domain);
  }
}

void QueueGroup::leave_lane(Domain& domain, Now now) {
  if (domain.lane_ == nullptr) {
    return;
  }
  Lane& lane = *domain.lane_;
  for (Flow& flow : domain.flows_) {
    detach(flow);
  }
  domain.lane_ = nullptr;
  lane.counts_ -= domain.counts_;
  lane.ready_entries_ -= domain.ready_entries_;
  --lane.domains_;
  lanes_.place(lane, now);
  lanes_.drop_if_unused(lane);
}

Entry* QueueGroup::next_entry_of(Domain& domain) {
  if (domain.ready_entries_ == 0) {
    return nullptr;
  }
  while (domain.flows_.front().ready.empty()) {
    domain.flows_.move_to_back(domain.flows_.front());
  }
  Entry& entry = domain.flows_.front().ready.front();
  check(take(entry), "a ready entry can be taken");
  return &entry;
}

}  // namespace ringpost::queue
