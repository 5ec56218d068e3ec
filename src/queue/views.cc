#include "ringpost/queue/views.h"

#include <algorithm>
#include <map>
#include <utility>

namespace ringpost::queue {

namespace {

// Entries that a view looks at to find the oldest and the next: beyond, they stay unknown.
constexpr int most_entries = 100'000;

const std::string& destination_of(const Domain& domain) {
  return domain.lane() != nullptr ? domain.lane()->destination().name() : domain.name();
}

void add(DestinationView& view, const Counts& counts, bool held, bool suspended) {
  (held ? view.held : suspended ? view.deferred : view.ready) += counts.ready;
  view.deferred += counts.deferred;
  view.held += counts.held;
  view.in_flight += counts.in_flight + counts.expired;
}

void keep_earlier(std::optional<WallTime>& kept, WallTime time) {
  kept = kept ? std::min(*kept, time) : time;
}

std::string_view name_of(HostStatus::State state) {
  switch (state) {
    case HostStatus::State::up:
      return "up";
    case HostStatus::State::down:
      return "down";
    case HostStatus::State::recovering:
      break;
  }
  return "recovering";
}

}  // namespace

GroupView group_view(QueueGroup& group, Now now) {
  const Counts& counts = group.counts();
  GroupView view;
  view.group = group.settings().name;
  view.runners = group.settings().runners;
  view.runners_busy = group.runners_busy();
  view.held = counts.held;
  view.in_flight = counts.in_flight + counts.expired;
  if (group.on_hold()) {
    view.held += counts.ready;
    view.deferred = counts.deferred;
    return view;
  }
  std::uint64_t suspended = 0;
  std::uint64_t held = 0;
  group.lanes().for_each_lane([&](const Lane& lane) {
    if (lane.destination().held()) {
      held += lane.counts().ready;
    } else if (lane.status().suspended(now.instant)) {
      suspended += lane.counts().ready;
    }
  });
  group.for_each_failed_route([&](const Domain& domain, Instant) {
    suspended += domain.counts().ready;
    return true;
  });
  view.ready = counts.ready - suspended - held;
  view.deferred = counts.deferred + suspended;
  view.held += held;
  return view;
}

std::vector<DestinationView> destination_views(QueueGroup& group, Now now) {
  std::map<std::string, DestinationView> views;
  group.lanes().for_each_lane([&](const Lane& lane) {
    DestinationView& view = views[lane.destination().name()];
    const bool held = group.on_hold() || lane.destination().held();
    const bool suspended = lane.status().suspended(now.instant);
    add(view, lane.counts(), held, suspended);
    if (held) {
      return;  // no attempt until it is released
    }
    if (suspended && lane.counts().ready > 0) {
      keep_earlier(view.next_attempt, now.wall_of(lane.status().until()));
    } else if (lane.counts().ready > 0) {
      keep_earlier(view.next_attempt, now.wall);
    }
  });
  group.lanes().for_each_destination([&](const Destination& destination) {
    DestinationView& view = views[destination.name()];
    view.connections_open += destination.connections_open;
    view.connections_idle += destination.connections_idle;
    const LastError* error = destination.last_error();
    if (error != nullptr && (!view.last_error || view.last_error->time < error->time)) {
      view.last_error = *error;
    }
  });
  group.for_each_domain([&](const Domain& domain) {
    const bool failed = domain.route_state() == RouteState::failed;
    if (domain.lane() == nullptr && !(domain.counts() == Counts{})) {
      DestinationView& view = views[domain.name()];
      add(view, domain.counts(), group.on_hold(), failed);
      if (domain.last_error() != nullptr) {
        view.last_error = *domain.last_error();
      }
      if (domain.counts().ready > 0 && !group.on_hold()) {
        keep_earlier(view.next_attempt, failed ? now.wall_of(domain.route_until()) : now.wall);
      }
    }
  });
  int looked_at = 0;
  group.for_each_deferred([&](const Entry& entry, Instant due) {
    keep_earlier(views[destination_of(entry.domain())].next_attempt, now.wall_of(due));
    return ++looked_at < most_entries;
  });
  looked_at = 0;
  group.for_each_by_age([&](const Entry& entry, Instant) {
    keep_earlier(views[destination_of(entry.domain())].oldest, entry.message().arrived());
    return ++looked_at < most_entries;
  });
  std::vector<DestinationView> sorted;
  sorted.reserve(views.size());
  for (auto& [name, view] : views) {
    view.destination = name;
    sorted.push_back(std::move(view));
  }
  return sorted;
}

std::vector<LimitValue> lane_limits(QueueGroup& group, const Lane& lane, Now now) {
  const GroupSettings& settings = group.settings();
  const Destination& destination = lane.destination();
  const bool wanting = lane.ready_entries() > 0;
  std::vector<LimitValue> limits;
  const auto add_limit = [&](const char* name, double value, double used, bool reached,
                             Instant lifts) {
    limits.push_back({name, value, used, wanting && reached, reached ? lifts : never});
  };
  const std::uint32_t most = settings.max_connections_per_destination;
  const bool suspended = lane.status().suspended(now.instant);
  add_limit("host_status", lane.status().allowed_connections(now.instant, most), lane.seats(),
            suspended || (lane.status().state() != HostStatus::State::up &&
                          lane.seats() >= lane.status().allowed_connections(now.instant, most)),
            suspended ? lane.status().until() : never);
  add_limit("max_connections_per_destination", most, destination.seats(),
            destination.seats() >= most, never);
  add_limit("runners", settings.runners, group.runners_busy(),
            group.runners_busy() >= settings.runners, never);
  if (lane.slow()) {
    const std::uint32_t slow = group.lanes().slow_limit();
    add_limit("slow_runners", slow, group.lanes().slow_seats(), group.lanes().slow_seats() >= slow,
              never);
  }
  if (destination.bucket().limited()) {
    const Instant next = destination.bucket().next(now.instant);
    add_limit("rate", settings.messages_per_second, 0, next > now.instant, next);
  }
  if (settings.delivery == DeliveryMode::hold) {
    add_limit("delivery", 0, 0, true, never);
  }
  if (group.held_by_operator() || destination.held()) {
    add_limit("hold", 0, 0, true, never);
  }
  return limits;
}

std::optional<RouteView> route_view(QueueGroup& group, std::string_view name, Now now) {
  const Domain* domain = group.find_domain(name);
  if (domain == nullptr) {
    return std::nullopt;
  }
  RouteView view;
  view.state = domain->route_state();
  if (const Lane* lane = domain->lane(); lane != nullptr) {
    view.destination = lane->destination().name();
    view.via = lane->key().via;
    view.hosts = lane->key().hosts;
    view.limits = lane_limits(group, *lane, now);
    view.lane_state = name_of(lane->status().state());
    if (lane->status().state() == HostStatus::State::down) {
      view.lane_until = lane->status().until();
    }
  }
  return view;
}

}  // namespace ringpost::queue
