#include "ringpost/delivery/routes.h"

#include "ringpost/dns/mx.h"

namespace ringpost::delivery {
namespace {

queue::RouteHost route_host(const config::Host& host, std::uint16_t preference) {
  return {host.address ? host.address->to_string() : host.name, preference, host.port};
}

}  // namespace

const config::Route* Routes::static_route(std::string_view domain) const {
  const config::Route* best = nullptr;
  for (const config::Route& route : config_.routes) {
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

ring::Task<Routes::Answer> Routes::find(std::string domain) {
  Answer answer;
  if (const config::Route* const route = static_route(domain); route != nullptr) {
    answer.status = dns::LookupStatus::found;
    answer.lane.via = queue::RouteVia::route;
    answer.lane.destination = route->domain;
    for (const config::Host& host : route->hosts) {
      const auto preference = static_cast<std::uint16_t>(answer.lane.hosts.size());
      answer.lane.hosts.push_back(route_host(host, preference));
    }
    co_return answer;
  }
  if (config_.delivery.smarthost) {
    answer.status = dns::LookupStatus::found;
    answer.lane.via = queue::RouteVia::smarthost;
    answer.lane.destination = config_.delivery.smarthost->to_string();
    answer.lane.hosts.push_back(route_host(*config_.delivery.smarthost, 0));
    co_return answer;
  }
  const dns::MxAnswer mx = co_await resolver_.mx(domain);
  answer.status = mx.status;
  answer.problem = mx.problem;
  answer.until = mx.expires;
  for (const dns::MxHost& host : mx.hosts) {
    answer.lane.hosts.push_back({host.name, host.preference, config_.delivery.port});
  }
  answer.lane.destination = queue::destination_name(domain, answer.lane.hosts, {});
  co_return answer;
}

}  // namespace ringpost::delivery
