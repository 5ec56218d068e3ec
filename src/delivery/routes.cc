#include "ringpost/delivery/routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "ringpost/queue/growing_table.h"

namespace ringpost::delivery {
namespace {

queue::RouteHost route_host(const config::Host& host, std::uint16_t preference) {
  return {host.address ? host.address->to_string() : host.name, preference, host.port};
}

const config::Route* static_route(const config::Config& config, std::string_view domain) {
  const config::Route* best = nullptr;
  for (const config::Route& route : config.routes) {
    if (route.domain == domain) {
      return &route;
    }
    const bool suffix = route.domain.starts_with("*.") &&
                        domain.ends_with(std::string_view(route.domain).substr(1));
    if (suffix && (best == nullptr || route.domain.size() > best->domain.size())) {
      best = &route;
    }
  }
  return best;
}

}  // namespace

std::vector<queue::DestinationPattern> destination_patterns(const config::Config& config) {
  std::vector<queue::DestinationPattern> patterns;
  for (const config::Destination& destination : config.destinations) {
    for (const std::string& mx : destination.mx) {
      patterns.push_back({destination.name, mx});
    }
  }
  for (queue::DestinationPattern& shipped : queue::shipped_destinations()) {
    if (std::ranges::find(config.destinations, shipped.name, &config::Destination::name) ==
        config.destinations.end()) {
      patterns.push_back(std::move(shipped));
    }
  }
  return patterns;
}

std::string egress_for(std::span<const std::string> sources, std::string_view domain) {
  std::string_view best;
  std::uint64_t most = 0;
  for (const std::string& source : sources) {
    const std::uint64_t score = queue::hash_ignoring_case(fmt::format("{}\n{}", source, domain));
    if (best.empty() || score > most) {
      best = source;
      most = score;
    }
  }
  return std::string(best);
}

std::optional<queue::LaneKey> configured_lane(const config::Config& config,
                                              std::string_view domain) {
  queue::LaneKey lane;
  if (const config::Route* const route = static_route(config, domain); route != nullptr) {
    lane.via = queue::RouteVia::route;
    lane.destination = route->domain;
    for (const config::Host& host : route->hosts) {
      lane.hosts.push_back(route_host(host, static_cast<std::uint16_t>(lane.hosts.size())));
    }
    return lane;
  }
  if (config.delivery.smarthost) {
    lane.via = queue::RouteVia::smarthost;
    lane.destination = config.delivery.smarthost->to_string();
    lane.hosts.push_back(route_host(*config.delivery.smarthost, 0));
    return lane;
  }
  return std::nullopt;
}

queue::LaneKey lane_by_mx(const config::Config& config, std::string_view domain,
                          const std::vector<dns::MxHost>& hosts) {
  queue::LaneKey lane;
  for (const dns::MxHost& host : hosts) {
    lane.hosts.push_back({host.name, host.preference, config.delivery.port});
  }
  lane.destination = queue::destination_name(domain, lane.hosts, destination_patterns(config));
  const auto named =
      std::ranges::find(config.destinations, lane.destination, &config::Destination::name);
  if (named != config.destinations.end() && named->tls) {
    lane.tls = config::name_of(*named->tls);
  }
  return lane;
}

ring::Task<Routes::Answer> Routes::find(std::string domain) {
  Answer answer;
  if (std::optional<queue::LaneKey> configured = configured_lane(config_, domain)) {
    answer.status = dns::LookupStatus::found;
    answer.lane = std::move(*configured);
    co_return answer;
  }
  const dns::MxAnswer mx = co_await resolver_.mx(domain);
  answer.status = mx.status;
  answer.problem = mx.problem;
  answer.until = mx.expires;
  answer.lane = lane_by_mx(config_, domain, mx.hosts);
  co_return answer;
}

}  // namespace ringpost::delivery
