#include "ringpost/control/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "ringpost/base/international_domain.h"
#include "ringpost/delivery/routes.h"
#include "ringpost/dns/mx.h"
#include "ringpost/dns/name.h"
#include "ringpost/mail/address.h"
#include "ringpost/queue/views.h"

namespace ringpost::control {
namespace {

// Recipients looked at to find when the domain's next one is due.
constexpr int most_entries = 100'000;

// What the explanation is about, as far as it is known.
struct Subject {
  const ShardView& view;
  std::string domain;
  intake::GroupPlace place;
  queue::QueueGroup& group;
  queue::Now now;
  const queue::Domain* queued = nullptr;  // the domain, if the queue group knows it
  std::optional<queue::LaneKey> route;
  const queue::Lane* lane = nullptr;  // if there is one for that route

  [[nodiscard]] const intake::AssignedGroup& assigned() const {
    return view.assignment.groups()[place.group];
  }
  // Of one of the group's keys.
  [[nodiscard]] std::string set_at(std::string_view key) const {
    const bool listed = place.group < view.config.queue_groups.size();
    const std::string_view name =
        listed ? std::string_view(assigned().settings.name) : std::string_view("default");
    return view.origins.at(fmt::format("queue_group.{}.{}", name, key));
  }
};

std::string domain_in(std::string_view address) {
  const bool whole = address.find('@') == std::string_view::npos;
  std::string made;
  return mail::normalized_domain(ascii_domain(whole ? address : mail::domain_of(address), made));
}

bool is_domain(const std::string& domain) {
  if (domain.starts_with('[')) {
    return dns::parse_address_literal(domain).has_value();
  }
  const std::optional<std::string> name = dns::canonical_name(domain);
  return name && !name->empty();
}

// The route that the configuration or what the resolver remembers gives.
std::optional<queue::LaneKey> likely_route(const Subject& subject) {
  if (auto configured = delivery::configured_lane(subject.view.config, subject.domain)) {
    return configured;
  }
  const dns::MxAnswer* const mx = subject.view.resolver.cached_mx(subject.domain);
  if (mx != nullptr && mx->status == dns::LookupStatus::found) {
    return delivery::lane_by_mx(subject.view.config, subject.domain, mx->hosts);
  }
  return std::nullopt;
}

// The route in use, else the one that would be.
std::optional<queue::LaneKey> route_of(const Subject& subject) {
  if (subject.queued != nullptr && subject.queued->lane() != nullptr) {
    return subject.queued->lane()->key();
  }
  std::optional<queue::LaneKey> route = likely_route(subject);
  if (route) {
    if (route->tls.empty()) {
      route->tls = subject.group.settings().tls;
    }
    route->egress = delivery::egress_for(subject.group.settings().egress, subject.domain);
  }
  return route;
}

const queue::Lane* lane_of(const Subject& subject) {
  if (subject.queued != nullptr && subject.queued->lane() != nullptr) {
    return subject.queued->lane();
  }
  const queue::Lane* found = nullptr;
  subject.group.lanes().for_each_lane([&](const queue::Lane& lane) {
    if (subject.route && lane.key() == *subject.route) {
      found = &lane;
    }
  });
  return found;
}

std::string_view name_of(queue::RouteVia via) {
  switch (via) {
    case queue::RouteVia::route:
      return "route";
    case queue::RouteVia::smarthost:
      return "smarthost";
    case queue::RouteVia::dns:
      break;
  }
  return "dns";
}

// --- MX hosts ------------------------------------------------------------------------------------

std::vector<IpAddress> known_addresses(const Subject& subject, const std::string& host) {
  if (const std::optional<IpAddress> address = IpAddress::parse(host)) {
    return {*address};
  }
  const dns::AddressAnswer* const answer = subject.view.resolver.cached_addresses(host);
  return answer == nullptr ? std::vector<IpAddress>() : answer->addresses;
}

// A host is as well as the best of its addresses; of one never tried nothing is known.
void tell_state(const Subject& subject, const std::vector<IpAddress>& addresses, std::uint16_t port,
                Explanation::MxHost& host) {
  using State = queue::HostStatus::State;
  bool all_down = !addresses.empty();
  bool recovering = false;
  Instant until = never;
  for (const IpAddress& address : addresses) {
    const delivery::HostRecord* const record =
        subject.view.hosts.find(Endpoint{address, port}, subject.route->egress);
    if (record != nullptr && record->status.state() == State::up) {
      host.state = "up";
      return;
    }
    all_down = all_down && record != nullptr && record->status.state() == State::down;
    recovering |= record != nullptr && record->status.state() == State::recovering;
    if (all_down) {
      until = std::min(until, record->status.until());
    }
  }
  if (recovering) {
    host.state = "recovering";
  } else if (all_down) {
    host.state = "down";
    host.until = subject.now.wall_of(until);
  }
}

std::vector<Explanation::MxHost> hosts_of(const Subject& subject) {
  std::vector<Explanation::MxHost> hosts;
  if (!subject.route) {
    return hosts;
  }
  for (const queue::RouteHost& from : subject.route->hosts) {
    Explanation::MxHost host;
    host.host = from.name;
    if (subject.route->via == queue::RouteVia::dns) {
      host.preference = from.preference;
    }
    const std::vector<IpAddress> addresses = known_addresses(subject, from.name);
    for (const IpAddress& address : addresses) {
      host.addresses.push_back(Endpoint{address, from.port}.to_string());
    }
    tell_state(subject, addresses, from.port, host);
    hosts.push_back(std::move(host));
  }
  return hosts;
}

// --- limits --------------------------------------------------------------------------------------

// Where nothing is queued nothing is used either.
std::vector<queue::LimitValue> limit_values(const Subject& subject) {
  if (subject.lane != nullptr) {
    return queue::lane_limits(subject.group, *subject.lane, subject.now);
  }
  const queue::GroupSettings& settings = subject.group.settings();
  std::vector<queue::LimitValue> limits(2);
  limits[0].name = "max_connections_per_destination";
  limits[0].value = settings.max_connections_per_destination;
  limits[1].name = "runners";
  limits[1].value = settings.runners;
  limits[1].used = subject.group.runners_busy();
  return limits;
}

std::string set_at(const Subject& subject, std::string_view limit) {
  if (limit == "host_status") {
    return subject.view.origins.at("timeouts.hoststatus");
  }
  if (limit == "hold") {
    return "ringpost hold";
  }
  return subject.set_at(limit == "slow_runners" ? "runners" : limit);
}

std::vector<Explanation::Limit> limits_of(const Subject& subject,
                                          const std::vector<queue::LimitValue>& values) {
  std::vector<Explanation::Limit> limits;
  bool has_rate = false;
  for (const queue::LimitValue& from : values) {
    Explanation::Limit limit;
    limit.name = from.name;
    limit.value = from.value;
    limit.used = from.used;
    limit.set_at = set_at(subject, from.name);
    if (from.name == "delivery" || from.name == "hold") {
      limit.value.reset();  // it is no number
    }
    has_rate |= from.name == "rate";
    limits.push_back(std::move(limit));
  }
  const auto add = [&](std::string_view name, double value) {
    Explanation::Limit limit;
    limit.name = name;
    limit.set_at = subject.set_at(name);
    if (value != 0) {
      limit.value = value;
    }
    limits.push_back(std::move(limit));
  };
  const queue::GroupSettings& settings = subject.group.settings();
  add("max_messages_per_connection", settings.max_messages_per_connection);
  add("max_recipients_per_transaction", settings.max_recipients_per_transaction);
  add("streaming_depth", settings.streaming_depth);
  if (!has_rate) {
    add("rate", settings.messages_per_second);
  }
  return limits;
}

// --- what holds it up ----------------------------------------------------------------------------

// All that the domain has waits for its next attempt.
std::optional<Explanation::Binding> retry_binding(const Subject& subject) {
  std::optional<Explanation::Binding> binding;
  int looked_at = 0;
  subject.group.for_each_deferred([&](const queue::Entry& entry, Instant due) {
    if (&entry.domain() == subject.queued) {
      binding.emplace().limit = "retry";
      binding->lifts_at = subject.now.wall_of(due);
      const queue::LastAttempt* const last = (*entry.recipients().begin()).last_attempt();
      if (last != nullptr && last->time != WallTime()) {
        binding->since = last->time;
      }
      return false;
    }
    return ++looked_at < most_entries;
  });
  return binding;
}

std::optional<Explanation::Binding> binding_of(const Subject& subject,
                                               const std::vector<queue::LimitValue>& limits) {
  Explanation::Binding binding;
  if (subject.group.on_hold()) {
    binding.limit = subject.group.held_by_operator() ? "hold" : "delivery";
    return binding;
  }
  const auto binds = std::ranges::find(limits, true, &queue::LimitValue::binding);
  if (binds != limits.end()) {
    binding.limit = binds->name;
    if (binds->lifts != never) {
      binding.lifts_at = subject.now.wall_of(binds->lifts);
    }
    const queue::LastError* const error = subject.lane->destination().last_error();
    if (binds->name == "host_status" && error != nullptr) {
      binding.since = error->time;
    }
    return binding;
  }
  if (subject.queued == nullptr) {
    return std::nullopt;
  }
  const queue::Counts& counts = subject.queued->counts();
  if (counts.ready > 0 && subject.queued->route_state() == queue::RouteState::failed) {
    binding.limit = "route";
    binding.lifts_at = subject.now.wall_of(subject.queued->route_until());
    return binding;
  }
  if (counts.deferred > 0 && counts.ready + counts.in_flight == 0) {
    return retry_binding(subject);
  }
  return std::nullopt;
}

// The policy of the route, and where it is set: with the provider, the group, or for all.
void tell_tls(const Subject& subject, Explanation& explanation) {
  if (!subject.route) {
    return;
  }
  explanation.tls = subject.route->tls;
  const config::Config& config = subject.view.config;
  const auto provider = std::ranges::find(config.destinations, subject.route->destination,
                                          &config::Destination::name);
  if (subject.route->via == queue::RouteVia::dns && provider != config.destinations.end() &&
      provider->tls) {
    explanation.tls_set_at = subject.view.origins.at(fmt::format("destination.{}", provider->name));
    return;
  }
  const std::string of_group = subject.set_at("tls");
  explanation.tls_set_at =
      of_group == "default" ? subject.view.origins.at("delivery.tls") : of_group;
}

Explanation explanation_of(const Subject& subject, const std::string& address) {
  Explanation explanation;
  explanation.address = address;
  explanation.matched_kind = intake::name_of(subject.place.kind);
  switch (subject.place.kind) {
    case intake::MatchKind::exact:
      explanation.matched_pattern = subject.place.pattern;
      break;
    case intake::MatchKind::suffix:
      explanation.matched_pattern = fmt::format("*.{}", subject.place.pattern);
      break;
    case intake::MatchKind::mx:
      explanation.matched_pattern = subject.place.pattern;
      break;
    case intake::MatchKind::fallback:
      break;
  }
  const bool by_mx = subject.place.kind == intake::MatchKind::mx;
  explanation.matched_set_at = subject.place.kind == intake::MatchKind::fallback
                                   ? subject.view.origins.at("queue.default_groups")
                                   : subject.set_at(fmt::format("{}.{}", by_mx ? "mx" : "domains",
                                                                explanation.matched_pattern));
  explanation.group = subject.assigned().settings.name;
  explanation.shard = subject.view.shard;
  explanation.via = name_of(subject.route ? subject.route->via : queue::RouteVia::dns);
  if (subject.route) {
    explanation.destination = subject.route->destination;
  }
  tell_tls(subject, explanation);
  explanation.mx = hosts_of(subject);
  const std::vector<queue::LimitValue> limits = limit_values(subject);
  explanation.limits = limits_of(subject, limits);
  explanation.binding = binding_of(subject, limits);
  return explanation;
}

}  // namespace

Answer explain(const ShardView& view, const ExplainCommand& command) {
  const std::string domain = domain_in(command.address);
  if (!is_domain(domain)) {
    return Refusal{400, "bad_request", fmt::format("'{}' has no domain", command.address),
                   "ask for someone@example.com or example.com"};
  }
  const intake::GroupPlace place = view.intake.place_to_tell(domain);
  queue::QueueGroup* const group = view.groups[place.group].queue;
  if (group == nullptr) {
    return Refusal{404, "not_found", "another shard has this queue group", ""};
  }
  Subject subject{.view = view,
                  .domain = domain,
                  .place = place,
                  .group = *group,
                  .now = {view.reactor.now(), view.reactor.wall_now()}};
  subject.queued = group->find_domain(domain);
  subject.route = route_of(subject);
  subject.lane = lane_of(subject);
  return explanation_of(subject, command.address);
}

}  // namespace ringpost::control
