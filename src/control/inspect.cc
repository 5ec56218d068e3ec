#include "ringpost/control/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ringpost/base/check.h"
#include "ringpost/base/text.h"
#include "ringpost/control/explain.h"
#include "ringpost/control/show.h"
#include "ringpost/delivery/routes.h"
#include "ringpost/queue/views.h"

namespace ringpost::control {
namespace {

queue::Now now_of(const ShardView& view) {
  return {view.reactor.now(), view.reactor.wall_now()};
}

// Calls `visit(queue)` for each group that lives here.
template <class Visit>
void for_each_group(const ShardView& view, Visit visit) {
  for (const intake::LocalGroup& group : view.groups) {
    if (group.queue != nullptr) {
      visit(*group.queue);
    }
  }
}

ShardStatus status_of(const ShardView& view) {
  ShardStatus status;
  status.shard = view.shard;
  status.reports_owed = view.ledger.reports_owed();
  status.only_in_memory = view.ledger.only_in_memory();
  status.messages_queued = view.messages.size() + status.reports_owed;
  for_each_group(view, [&](queue::QueueGroup& group) {
    const queue::GroupView counts = queue::group_view(group, now_of(view));
    status.ready += counts.ready;
    status.deferred += counts.deferred;
    status.held += counts.held;
    status.in_flight += counts.in_flight;
  });
  std::uint64_t adopted_bytes = 0;
  for (const AdoptedView& adopted : view.adopted) {
    status.reports_owed += adopted.ledger.reports_owed();
    status.messages_queued += adopted.messages.size() + adopted.ledger.reports_owed();
    adopted_bytes += adopted.spool.counters().live_bytes;
  }
  status.connections_open = view.cache.open();
  status.connections_idle = view.cache.idle();
  status.accepted_total = view.intake.accepted_total();
  const delivery::Counters& counters = view.ledger.counters();
  status.delivered_total = counters.delivered;
  status.deferred_total = counters.deferred;
  status.bounced_total = counters.bounced;
  status.expired_total = counters.expired;
  status.in_doubt_total = counters.in_doubt;
  status.deleted_total = counters.deleted;
  status.suppressed_total = counters.suppressed;
  const spool::SpoolCounters spool = view.spool.counters();
  status.quarantined_total = spool.quarantined_total;
  status.spool_live_bytes = spool.live_bytes + adopted_bytes;
  status.spool_free_bytes = spool.free_bytes;
  return status;
}

QueueLine line_of(const ShardView& view, const std::string& group, queue::DestinationView&& from) {
  QueueLine line;
  line.destination = std::move(from.destination);
  line.group = group;
  line.shard = view.shard;
  line.ready = from.ready;
  line.deferred = from.deferred;
  line.held = from.held;
  line.in_flight = from.in_flight;
  line.oldest = from.oldest;
  line.next_attempt = from.next_attempt;
  line.connections_open = from.connections_open;
  line.connections_idle = from.connections_idle;
  if (from.last_error) {
    const std::string status =
        from.last_error->status.known() ? from.last_error->status.to_string() : std::string();
    line.last_error = LastError{from.last_error->time, status, std::move(from.last_error->reply)};
  }
  return line;
}

bool nothing_there(const QueueLine& line) {
  return line.ready + line.deferred + line.held + line.in_flight + line.connections_open == 0;
}

// Whether `name` is empty or one of the configuration's queue groups.
std::optional<Refusal> unknown_group(const ShardView& view, const std::string& name) {
  const auto named = [&](const intake::AssignedGroup& group) {
    return group.settings.name == name;
  };
  if (name.empty() || std::ranges::any_of(view.assignment.groups(), named)) {
    return std::nullopt;
  }
  return Refusal{404, "not_found", fmt::format("there is no queue group '{}'", name),
                 "`ringpost group list` shows them"};
}

Answer queue_of(const ShardView& view, const QueueCommand& command) {
  if (std::optional<Refusal> unknown = unknown_group(view, command.group)) {
    return *std::move(unknown);
  }
  Queue queue;
  for_each_group(view, [&](queue::QueueGroup& group) {
    const std::string& name = group.settings().name;
    if (!command.group.empty() && name != command.group) {
      return;
    }
    for (queue::DestinationView& from : queue::destination_views(group, now_of(view))) {
      if (!command.destination.empty() &&
          !equals_ignoring_case(from.destination, command.destination)) {
        continue;
      }
      QueueLine line = line_of(view, name, std::move(from));
      if (!nothing_there(line)) {
        queue.destinations.push_back(std::move(line));
      }
    }
  });
  keep_longest(queue, command.limit);
  return queue;
}

std::string possible_loss(config::Durability durability, Duration interval) {
  switch (durability) {
    case config::Durability::commit:
      return "nothing: 250 means on disk";
    case config::Durability::interval:
      return fmt::format(
          "messages of one recipient that came within the last {} and were not "
          "tried yet",
          format_duration(interval));
    case config::Durability::memory:
      break;
  }
  return "messages of one recipient that no delivery attempt was made for yet";
}

config::Durability durability_of(const ShardView& view, const std::string& group) {
  const auto found = std::ranges::find(view.assignment.groups(), group,
                                       [](const auto& known) { return known.settings.name; });
  // A group that has left the configuration takes nothing new.
  return found == view.assignment.groups().end() ? config::Durability::commit
                                                 : found->settings.durability;
}

Groups groups_of(const ShardView& view, const std::string& only) {
  Groups groups;
  for_each_group(view, [&](queue::QueueGroup& group) {
    if (!only.empty() && group.settings().name != only) {
      return;
    }
    const queue::GroupView from = queue::group_view(group, now_of(view));
    GroupLine line;
    line.group = from.group;
    line.shard = view.shard;
    line.runners = from.runners;
    line.runners_busy = from.runners_busy;
    line.ready = from.ready;
    line.deferred = from.deferred;
    line.held = from.held;
    line.in_flight = from.in_flight;
    line.delivered_total = group.delivered_total;
    line.connections_opened_total = view.cache.opened_total(group);
    if (group.held_by_operator()) {
      line.held_by = "operator";
    } else if (group.on_hold()) {
      line.held_by = "configuration";
    }
    const config::Durability durability = durability_of(view, line.group);
    line.durability = name_of(durability);
    line.possible_loss = possible_loss(durability, view.config.spool.interval);
    groups.groups.push_back(std::move(line));
  });
  return groups;
}

HoldList holds_of(const ShardView& view) {
  return {{view.holds.groups.begin(), view.holds.groups.end()},
          {view.holds.destinations.begin(), view.holds.destinations.end()},
          {view.holds.jobs.begin(), view.holds.jobs.end()}};
}

ShardMetrics metrics_of(const ShardView& view) {
  QueueCommand longest;
  longest.limit = ShardMetrics::most_destinations;
  return {status_of(view), groups_of(view, {}).groups,
          std::get<Queue>(queue_of(view, longest)).destinations};
}

bool knows_destination(const ShardView& view, const std::string& name) {
  bool known = false;
  const auto same = [&name](std::string_view other) { return equals_ignoring_case(name, other); };
  for (const queue::DestinationPattern& provider : delivery::destination_patterns(view.config)) {
    known |= same(provider.name);
  }
  for_each_group(view, [&](queue::QueueGroup& group) {
    group.lanes().for_each_lane(
        [&](const queue::Lane& lane) { known |= same(lane.destination().name()); });
  });
  return known;
}

std::string_view name_of(delivery::TraceKind kind) {
  return kind == delivery::TraceKind::sent   ? "sent"
         : kind == delivery::TraceKind::said ? "said"
                                             : "event";
}

Answer trace_of(const ShardView& view, const TraceCommand& command) {
  std::optional<delivery::Tracer::Taken> taken =
      view.tracer.take(command.follower, command.destination, view.reactor.now());
  if (!taken) {
    return Refusal{503, "busy",
                   fmt::format("{} others follow already", delivery::Tracer::most_followers),
                   "end one of them, and try again 10 seconds later"};
  }
  Trace trace;
  trace.known = knows_destination(view, command.destination);
  trace.lost = taken->lost;
  for (delivery::TraceLine& line : taken->lines) {
    trace.lines.push_back({line.time, view.shard, line.connection, std::move(line.mx),
                           std::move(line.address), std::string(name_of(line.kind)),
                           std::move(line.text)});
  }
  return trace;
}

struct Inspection {
  const ShardView& view;

  Answer operator()(const StatusCommand& /*command*/) const { return status_of(view); }
  Answer operator()(const QueueCommand& command) const { return queue_of(view, command); }
  Answer operator()(const GroupListCommand& command) const {
    if (std::optional<Refusal> unknown = unknown_group(view, command.group)) {
      return *std::move(unknown);
    }
    return groups_of(view, command.group);
  }
  Answer operator()(const ExplainCommand& command) const { return explain(view, command); }
  Answer operator()(const ShowCommand& command) const { return show(view, command); }
  Answer operator()(const HoldsCommand& /*command*/) const { return holds_of(view); }
  Answer operator()(const MetricsCommand& /*command*/) const { return metrics_of(view); }
  Answer operator()(const TraceCommand& command) const { return trace_of(view, command); }
  Answer operator()(const ReloadCommand& /*command*/) const {
    check(false, "an order was taken for a question");
    return Reloaded();
  }
  Answer operator()(const ChangeCommand& /*command*/) const {
    check(false, "an order was taken for a question");
    return Change();
  }
};

}  // namespace

Answer inspect(const ShardView& view, const Command& command) {
  return std::visit(Inspection{view}, command);
}

}  // namespace ringpost::control
