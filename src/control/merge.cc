// The whole answer from every shard's part.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <tuple>
#include <utility>

#include "ringpost/base/check.h"
#include "ringpost/control/inspect.h"
#include "ringpost/control/show.h"

namespace ringpost::control {
namespace {

constexpr std::string_view not_found = "not_found";

// The parts of one kind, moved out.
template <class Part>
std::vector<Part> take_all(std::vector<Answer>& parts) {
  std::vector<Part> taken;
  for (Answer& part : parts) {
    if (Part* const fitting = std::get_if<Part>(&part)) {
      taken.push_back(std::move(*fitting));
    }
  }
  return taken;
}

template <class Part>
std::vector<Part> joined(std::vector<Part>&& into, std::vector<Part>&& more) {
  std::ranges::move(more, std::back_inserter(into));
  return std::move(into);
}

template <class Whole>
Response whole(const Whole& answer) {
  return {200, to_json(answer)};
}

Response refused(const Refusal& refusal) {
  return {refusal.http_status, to_json(refusal)};
}

struct Merge {
  std::vector<Answer>& parts;
  const DaemonFacts& facts;

  Response operator()(const StatusCommand& /*command*/) const {
    Status status;
    status.version = facts.version;
    status.pid = facts.pid;
    status.draining = facts.draining;
    status.uptime_ms = facts.uptime_ms;
    status.events_log = facts.events_log;
    status.shards = take_all<ShardStatus>(parts);
    std::ranges::sort(status.shards, {}, &ShardStatus::shard);
    return whole(status);
  }
  Response operator()(const QueueCommand& command) const {
    Queue queue;
    for (Queue& part : take_all<Queue>(parts)) {
      queue.destinations = joined(std::move(queue.destinations), std::move(part.destinations));
      queue.truncated |= part.truncated;
    }
    keep_longest(queue, command.limit);
    return whole(queue);
  }
  Response operator()(const GroupListCommand& /*command*/) const {
    Groups groups;
    for (Groups& part : take_all<Groups>(parts)) {
      groups.groups = joined(std::move(groups.groups), std::move(part.groups));
    }
    std::ranges::sort(groups.groups, {}, &GroupLine::group);
    return whole(groups);
  }
  Response operator()(const ExplainCommand& /*command*/) const {
    // A shard that has not heard where the domain's MX hosts lead takes it for its own.
    const std::vector<Explanation> all = take_all<Explanation>(parts);
    const auto by_mx = std::ranges::find(all, "mx", &Explanation::matched_kind);
    return whole(by_mx == all.end() ? all.front() : *by_mx);
  }
  Response operator()(const HoldsCommand& /*command*/) const {
    return whole(take_all<HoldList>(parts).front());
  }
  Response operator()(const MetricsCommand& /*command*/) const {
    return {
        200,
        metrics_text(take_all<ShardMetrics>(parts), facts.version, facts.uptime_ms, facts.draining),
        "text/plain; version=0.0.4; charset=utf-8"};
  }
  // In order of time; what one shard says in the order in which it said it.
  Response operator()(const TraceCommand& command) const {
    Trace trace;
    for (Trace& part : take_all<Trace>(parts)) {
      trace.known |= part.known;
      trace.lost += part.lost;
      std::vector<Trace::Line> both;
      std::ranges::merge(trace.lines, part.lines, std::back_inserter(both), {}, &Trace::Line::time,
                         &Trace::Line::time);
      trace.lines = std::move(both);
    }
    if (!trace.known && trace.lines.empty()) {
      return refused({404, "not_found",
                      fmt::format("nothing is sent to a destination '{}'", command.destination),
                      "`ringpost queue` shows destinations, `ringpost explain ADDRESS` says which "
                      "one an address has"});
    }
    return whole(trace);
  }
  Response operator()(const ReloadCommand& /*command*/) const {
    return whole(take_all<Reloaded>(parts).front());
  }
  Response operator()(const ChangeCommand& command) const {
    Change change;
    change.what = name_of(command.what);
    change.dry_run = command.dry_run;
    for (const Change& part : take_all<Change>(parts)) {
      change.messages += part.messages;
      change.recipients += part.recipients;
      change.in_flight += part.in_flight;
    }
    if (!command.selector.id.empty() && change.recipients + change.in_flight == 0) {
      return refused(no_message(command.selector.id));
    }
    return whole(change);
  }
  Response operator()(const ShowCommand& /*command*/) const {
    return whole(join(take_all<MessageView>(parts)));
  }
};

}  // namespace

void keep_longest(Queue& queue, std::uint32_t limit) {
  const auto by_length = [](const QueueLine& a, const QueueLine& b) {
    const auto length = [](const QueueLine& line) { return line.ready + line.deferred; };
    return std::tuple(length(b), b.held, std::string_view(a.destination),
                      std::string_view(a.group)) < std::tuple(length(a), a.held,
                                                              std::string_view(b.destination),
                                                              std::string_view(b.group));
  };
  std::ranges::sort(queue.destinations, by_length);
  if (queue.destinations.size() > limit) {
    queue.destinations.resize(limit);
    queue.truncated = true;
  }
}

Response merge(const Command& command, std::vector<Answer> parts, const DaemonFacts& facts) {
  check(!parts.empty(), "an answer without parts");
  const Refusal* refusal = nullptr;
  bool answered = false;
  for (const Answer& part : parts) {
    const Refusal* const refused_part = std::get_if<Refusal>(&part);
    answered |= refused_part == nullptr;
    if (refused_part != nullptr && (refusal == nullptr || refusal->code == not_found)) {
      refusal = refused_part;
    }
  }
  if (!answered || (refusal != nullptr && refusal->code != not_found)) {
    return refused(*refusal);
  }
  return std::visit(Merge{parts, facts}, command);
}

}  // namespace ringpost::control
