#include "ringpost/delivery/mx_walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "ringpost/dns/mx.h"
#include "ringpost/net/socket.h"

namespace ringpost::delivery {
namespace {

// RFC 3463: 4.4.1 no answer from host, 5.4.4 unable to route.
constexpr mail::EnhancedStatus no_answer{4, 4, 1};
constexpr mail::EnhancedStatus unable_to_route{5, 4, 4};
// 4.3.1 mail system full.
constexpr mail::EnhancedStatus system_full{4, 3, 1};

// A host whose TLS fails is met in plain text for so long, before TLS is tried again.
constexpr Duration clear_after_tls_failure = 1h;

config::TlsPolicy policy_of(const queue::LaneKey& lane) {
  return lane.tls.empty() ? config::TlsPolicy::none : config::tls_policy_named(lane.tls);
}

// What the peer is not to blame for; connects are cancelled when we go down.
bool lacks_resources(int result) {
  return result == -EMFILE || result == -ENFILE || result == -ENOMEM || result == -ENOBUFS ||
         result == -EADDRNOTAVAIL || result == -ECANCELED;
}

std::optional<IpAddress> address_of(const config::Egress* source, IpAddress::Family family) {
  if (source == nullptr) {
    return std::nullopt;
  }
  return family == IpAddress::Family::v4 ? source->ipv4 : source->ipv6;
}

std::vector<queue::RouteHost> in_walking_order(const queue::LaneKey& lane, Random& random) {
  std::vector<dns::MxHost> order;
  for (const queue::RouteHost& host : lane.hosts) {
    order.push_back({host.preference, host.name});
  }
  dns::shuffle_equal_preferences(order, random);
  std::vector<queue::RouteHost> hosts;
  for (const dns::MxHost& next : order) {
    // By both: a static route may name one address twice, with different ports.
    const auto found = std::ranges::find_if(lane.hosts, [&next](const queue::RouteHost& host) {
      return host.preference == next.preference && host.name == next.name;
    });
    hosts.push_back(*found);
  }
  return hosts;
}

}  // namespace

MxWalk::MxWalk(ring::Reactor& reactor, dns::Resolver& resolver, HostTable& hosts,
               ConnectionCache& cache, const config::Config& config, net::TlsContext* tls,
               Tracer& tracer, std::uint32_t shard)
    : reactor_(reactor),
      resolver_(resolver),
      hosts_(hosts),
      cache_(cache),
      config_(config),
      tls_(tls),
      tracer_(tracer),
      // Unique over all shards, so that a line of the event log names one connection.
      next_connection_(std::uint64_t{shard} << 48 | 1) {}

void MxWalk::stop() {
  connects_.stop();
  for (Connection* const connection : greeting_) {
    connection->abort();
  }
}

const config::Egress* MxWalk::source_of(const queue::LaneKey& lane) const {
  const auto found = std::ranges::find(config_.egress, lane.egress, &config::Egress::name);
  return found == config_.egress.end() ? nullptr : &*found;
}

bool MxWalk::prohibited(const Endpoint& endpoint) const {
  const auto contains = [&](const Network& network) { return network.contains(endpoint.address); };
  return std::ranges::any_of(config_.delivery.prohibited_networks, contains) ||
         std::ranges::find(config_.listener.smtp, endpoint) != config_.listener.smtp.end() ||
         std::ranges::find(config_.listener.proxy_protocol, endpoint) !=
             config_.listener.proxy_protocol.end();
}

void MxWalk::sort_in(Candidates& candidates, const queue::RouteHost& host, bool from_dns,
                     const std::vector<IpAddress>& addresses, const queue::LaneKey& lane) {
  for (const IpAddress& address : addresses) {
    const Endpoint endpoint{address, host.port};
    if (from_dns && prohibited(endpoint)) {
      ++candidates.prohibited;
      candidates.trouble = {smtp::Stage::connect, unable_to_route,
                            fmt::format("{} has the address {}, which delivery.prohibited_networks "
                                        "forbids",
                                        host.name, address.to_string())};
      continue;
    }
    if (!lane.egress.empty() && !address_of(source_of(lane), address.family())) {
      candidates.temporary = true;  // for the operator to mend
      candidates.trouble = {smtp::Stage::connect, no_answer,
                            fmt::format("{} has the address {}, and the egress source {} none of "
                                        "that family",
                                        host.name, address.to_string(), lane.egress)};
      continue;
    }
    const queue::HostStatus& status = hosts_.of(endpoint, lane.egress).status;
    if (status.suspended(reactor_.now())) {
      candidates.up_at = std::min(candidates.up_at.value_or(status.until()), status.until());
      candidates.trouble = {smtp::Stage::connect, no_answer, status.reason()};
    } else {
      candidates.usable.push_back({host.name, endpoint});
    }
  }
}

ring::Task<MxWalk::Candidates> MxWalk::find_candidates(const queue::LaneKey& lane) {
  Candidates candidates;
  const std::vector<queue::RouteHost> hosts = in_walking_order(lane, reactor_.random());
  for (const queue::RouteHost& host : hosts) {
    const dns::AddressAnswer answer = co_await resolver_.addresses(host.name);
    if (answer.status != dns::LookupStatus::found) {
      candidates.temporary |= answer.status == dns::LookupStatus::temporary;
      candidates.trouble = {smtp::Stage::connect, answer.problem.status, answer.problem.reason};
      continue;
    }
    sort_in(candidates, host, lane.via == queue::RouteVia::dns, answer.addresses, lane);
  }
  co_return candidates;
}

ring::Task<void> MxWalk::try_address(Candidate candidate, queue::QueueGroup& group,
                                     const queue::Lane& lane, Duration connect_timeout,
                                     Result& result) {
  const config::TlsPolicy policy = policy_of(lane.key());
  const bool optional = policy == config::TlsPolicy::may;
  const bool clear =
      optional && hosts_.of(candidate.endpoint, lane.key().egress).clear_until > reactor_.now();
  const config::TlsPolicy tried = clear ? config::TlsPolicy::none : policy;
  co_await try_with_policy(candidate, group, lane, tried, connect_timeout, result);
  if (result.connection != nullptr || !result.trouble.tls_failed || !optional) {
    co_return;
  }
  hosts_.of(candidate.endpoint, lane.key().egress).clear_until =
      reactor_.now() + clear_after_tls_failure;
  co_await try_with_policy(candidate, group, lane, config::TlsPolicy::none, connect_timeout,
                           result);
}

void MxWalk::tell_failure(const Candidate& candidate, const queue::Lane& lane, int error) {
  TraceLine line;
  line.time = reactor_.wall_now();
  line.mx = candidate.mx;
  line.address = candidate.endpoint.to_string();
  line.text = fmt::format("cannot connect: {}", describe_network_error(error));
  tracer_.note(lane.destination().name(), line, reactor_.now());
}

ring::Task<void> MxWalk::try_with_policy(Candidate candidate, queue::QueueGroup& group,
                                         const queue::Lane& lane, config::TlsPolicy policy,
                                         Duration connect_timeout, Result& result) {
  const std::string where = fmt::format("{} [{}]", candidate.mx, candidate.endpoint.to_string());
  const config::Egress* const source = source_of(lane.key());
  const std::optional<IpAddress> local = address_of(source, candidate.endpoint.address.family());
  co_await cache_.reserve(group, lane.destination());
  const int fd = co_await net::connect_to(reactor_, candidate.endpoint, local,
                                          reactor_.now() + connect_timeout, &connects_);
  if (fd < 0) {
    cache_.give_up(group, lane.destination());
    if (tracer_.anybody()) {
      tell_failure(candidate, lane, fd);
    }
  }
  if (lacks_resources(fd)) {
    result.own_fault = true;
    result.trouble = {smtp::Stage::connect, system_full,
                      fmt::format("cannot connect{}: {}",
                                  local ? fmt::format(" from {}", local->to_string()) : "",
                                  describe_network_error(fd))};
    co_return;
  }
  if (fd < 0) {
    result.slow |= fd == -ETIMEDOUT;
    result.trouble = {smtp::Stage::connect, no_answer,
                      fmt::format("connect to {}: {}", where, describe_network_error(fd))};
  } else {
    auto connection = std::make_unique<Connection>(
        reactor_, fd, Connection::Peer(candidate.mx, candidate.endpoint, lane.key().egress),
        next_connection_++, group, lane.destination(), tracer_);
    cache_.adopt(*connection, lane.key());
    const std::string& ehlo_name = source != nullptr ? source->ehlo : config_.identity.hostname;
    TlsWish wish;
    wish.policy = policy;
    wish.context = tls_;
    wish.resumption = fmt::format("{}\n{}", candidate.endpoint.port, lane.key().egress);
    greeting_.push_back(connection.get());
    const std::optional<Trouble> trouble =
        co_await connection->greet(ehlo_name, config_.timeouts, std::move(wish));
    std::erase(greeting_, connection.get());
    if (!trouble) {
      result.connection = std::move(connection);
      co_return;
    }
    const bool about_tls = trouble->stage == smtp::Stage::starttls;
    result.trouble = {trouble->stage, trouble->status,
                      fmt::format("{}{} {}", where, about_tls ? ":" : " said:", trouble->text),
                      trouble->tls_failed};
    cache_.end(std::move(connection), false);
    result.own_fault = connects_.stopped();
    if (about_tls || result.own_fault) {
      co_return;  // the address is well: other lanes may not need TLS, or not as much of it
    }
  }
  const queue::HostStatusSettings& settings = group.settings().host_status;
  hosts_.of(candidate.endpoint, lane.key().egress)
      .status.mark_down(result.trouble.text, reactor_.now(), settings);
}

ring::Task<MxWalk::Result> MxWalk::open(queue::QueueGroup& group, const queue::Lane& lane,
                                        bool first_attempt) {
  const config::Timeouts& timeouts = config_.timeouts;
  const Instant all_connects =
      timeouts.aconnect > Duration::zero() ? reactor_.now() + timeouts.aconnect : never;
  const Duration connect_timeout =
      first_attempt && timeouts.iconnect > Duration::zero() ? timeouts.iconnect : timeouts.connect;
  Candidates candidates = co_await find_candidates(lane.key());
  Result result;
  result.trouble = candidates.trouble;
  if (candidates.usable.empty()) {
    // A route of the operator's whose host has no address is a mistake to be mended, no reason to
    // return everybody's mail; an MX that has none is the domain's own word.
    result.permanent =
        lane.key().via == queue::RouteVia::dns && !candidates.up_at && !candidates.temporary;
    result.until = candidates.up_at;
    co_return result;
  }
  for (const Candidate& candidate : candidates.usable) {
    co_await try_address(candidate, group, lane, connect_timeout, result);
    if (result.connection != nullptr || result.own_fault || reactor_.now() >= all_connects) {
      break;
    }
  }
  co_return result;
}

}  // namespace ringpost::delivery
