// What the operator does to a queue group: hold, release, flush, and taking entries out of it.
#include "ringpost/base/check.h"
#include "ringpost/base/text.h"
#include "ringpost/queue/queue_group.h"

namespace ringpost::queue {

void QueueGroup::use_holds(const Holds& holds, Now now) {
  held_by_operator_ = holds.groups.contains(settings_.name);
  lanes_.use_holds(holds, now);
  review_held();
}

// Whether what is held still has to be: looked at by advance(), some at a time.
void QueueGroup::review_held() {
  held_to_review_ = on_hold() ? 0 : held_entries_;
}

int QueueGroup::release_some(int most, Now now) {
  int moves = 0;
  while (moves < most && held_to_review_ > 0 && !on_hold()) {
    if (held_.empty()) {
      held_to_review_ = 0;  // they went another way meanwhile
      break;
    }
    ++moves;
    --held_to_review_;
    Entry& entry = held_.pop_front();
    if (entry.flow_->job.held) {
      held_.push_back(entry);
    } else {
      make_ready(entry, false, now);
    }
  }
  return moves;
}

bool QueueGroup::withheld(const Entry& entry) const {
  if (entry.state_ != EntryState::ready) {
    return entry.state_ == EntryState::held;
  }
  const Lane* const lane = entry.flow_->domain.lane_;
  return on_hold() || (lane != nullptr && lane->destination_.held_);
}

bool QueueGroup::hold_back(Entry& entry) {
  if (entry.state_ != EntryState::ready || !entry.flow_->job.held) {
    return false;
  }
  take_off(entry);
  set_state(entry, EntryState::held);
  held_.push_back(entry);
  return true;
}

bool QueueGroup::hasten(Entry& entry, Now now) {
  if (entry.state_ != EntryState::deferred) {
    return false;
  }
  take_off(entry);
  make_ready(entry, false, now);
  return true;
}

bool QueueGroup::claim(Entry& entry) {
  if (entry.state_ == EntryState::in_flight) {
    return false;
  }
  start(entry);
  return true;
}

void QueueGroup::unfile(Entry& entry) {
  check(entry.state_ != EntryState::in_flight, "an entry in flight cannot be filed elsewhere");
  start(entry);
  count(entry, EntryState::in_flight, -std::int64_t{entry.count_});
  for (QueuedRecipient& recipient : entry.recipients()) {
    recipient.entry_ = nullptr;
  }
  forget(entry);
}

std::uint64_t QueueGroup::retry_now(std::string_view destination, Now now) {
  std::uint64_t woken = 0;
  const auto named = [&](std::string_view name) {
    return destination.empty() || equals_ignoring_case(name, destination);
  };
  lanes_.for_each_lane([&](Lane& lane) {
    if (lane.status_.suspended(now.instant) && named(lane.destination_.name_)) {
      lane.status_.probe_at(now.instant);
      lanes_.place(lane, now);
      woken += lane.counts_.ready;
    }
  });
  std::vector<Domain*> failed;
  failed_routes_.for_each([&](Domain& domain, Instant) {
    if (named(domain.name_)) {
      failed.push_back(&domain);
    }
    return true;
  });
  for (Domain* const domain : failed) {
    domain->unlink();
    domain->route_ = RouteState::unknown;
    ask_route(*domain);
    woken += domain->counts_.ready;
  }
  return woken;
}

void QueueGroup::ask_routes_again(Now now) {
  domains_.for_each([this](Domain& domain) { expire_route(domain); });
  retry_now({}, now);
}

}  // namespace ringpost::queue
