#include "ringpost/dns/resolver.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "ringpost/base/check.h"
#include "ringpost/dns/name.h"

namespace ringpost::dns {

namespace {

// How long a host is used with what one family said while the other's servers fail, which is a
// common and lasting mistake of AAAA zones.
constexpr Duration half_answer_time_to_live = 1min;

bool answered(const Answer& answer) {
  return answer.status == AnswerStatus::ok || answer.status == AnswerStatus::no_data ||
         answer.status == AnswerStatus::name_error;
}

LookupProblem closing_problem() {
  return {.reply_code = 451, .status = {4, 3, 2}, .reason = "DNS: the resolver is closing"};
}

LookupProblem no_such_host(const std::string& host) {
  LookupProblem problem = no_such_domain(host);
  problem.status = {5, 4, 4};
  return problem;
}

MxAnswer literal_mx(const IpAddress& address, Instant expires) {
  MxAnswer answer{.status = LookupStatus::found, .implicit = true, .expires = expires};
  answer.hosts.push_back({0, address.to_string()});
  return answer;
}

AddressAnswer literal_addresses(const IpAddress& address, Instant expires) {
  AddressAnswer answer{.status = LookupStatus::found, .expires = expires};
  answer.addresses.push_back(address);
  return answer;
}

template <class LookupAnswer>
LookupAnswer problem_answer(LookupStatus status, LookupProblem problem, Instant expires) {
  return {.status = status, .problem = std::move(problem), .expires = expires};
}

// Not asked for is the same as not there.
Answer absent() {
  return {.status = AnswerStatus::no_data, .time_to_live = Duration::max()};
}

}  // namespace

Resolver::Resolver(ring::Reactor& reactor, ResolverSettings settings)
    : reactor_(reactor),
      settings_(std::move(settings)),
      transport_(reactor),
      mx_cache_(settings_.cache_entries),
      address_cache_(settings_.cache_entries),
      gate_(reactor.ready()) {
  check(!settings_.servers.empty(), "a resolver without servers");
  check(settings_.transmissions > 0 && settings_.max_queries > 0, "a resolver that may not ask");
}

Instant Resolver::expiry(Duration time_to_live, Polarity polarity) const {
  return reactor_.now() + clamp_time_to_live(time_to_live, polarity);
}

const MxAnswer* Resolver::cached_mx(std::string_view domain) {
  return mx_cache_.find(domain, reactor_.now());
}

const AddressAnswer* Resolver::cached_addresses(std::string_view host) {
  return address_cache_.find(host, reactor_.now());
}

ring::Task<MxAnswer> Resolver::mx(std::string domain) {
  ++counters_.lookups;
  const Instant far = expiry(Duration::max(), Polarity::positive);
  const std::optional<IpAddress> literal =
      domain.starts_with('[') ? parse_address_literal(domain) : std::nullopt;
  if (literal) {
    co_return literal_mx(*literal, far);
  }
  const std::optional<std::string> name = canonical_name(domain);
  if (!name || name->empty()) {
    co_return problem_answer<MxAnswer>(LookupStatus::permanent, no_such_domain(domain), far);
  }
  if (const MxAnswer* known = cached_mx(*name)) {
    ++counters_.cache_hits;
    co_return *known;
  }
  if (closing_) {
    co_return problem_answer<MxAnswer>(LookupStatus::temporary, closing_problem(), far);
  }
  Pending<MxAnswer>::Waiter waiter;
  if (pending_mx_.join(*name, waiter)) {
    gate_.spawn(look_up_mx(*name));
  } else {
    ++counters_.joined;
  }
  while (!waiter.done()) {
    co_await waiter.answered().wait();
  }
  co_return std::move(waiter.answer());
}

ring::Task<AddressAnswer> Resolver::addresses(std::string host) {
  ++counters_.lookups;
  const Instant far = expiry(Duration::max(), Polarity::positive);
  const std::optional<IpAddress> literal = parse_address_literal(host);
  if (literal) {
    co_return literal_addresses(*literal, far);
  }
  const std::optional<std::string> name = canonical_name(host);
  if (!name || name->empty()) {
    co_return problem_answer<AddressAnswer>(LookupStatus::permanent, no_such_host(host), far);
  }
  if (const AddressAnswer* known = cached_addresses(*name)) {
    ++counters_.cache_hits;
    co_return *known;
  }
  if (closing_) {
    co_return problem_answer<AddressAnswer>(LookupStatus::temporary, closing_problem(), far);
  }
  Pending<AddressAnswer>::Waiter waiter;
  if (pending_addresses_.join(*name, waiter)) {
    gate_.spawn(look_up_addresses(*name));
  } else {
    ++counters_.joined;
  }
  while (!waiter.done()) {
    co_await waiter.answered().wait();
  }
  co_return std::move(waiter.answer());
}

ring::Task<void> Resolver::look_up_mx(std::string domain) {
  Question question;
  question.name = domain;
  question.type = RecordType::mx;
  const Reply reply = co_await ask(std::move(question));
  MxAnswer answer = mx_answer(domain, reply.answer, settings_.own, reply.server);
  const bool positive = reply.answer.status == AnswerStatus::ok;
  const Duration time_to_live =
      answered(reply.answer) ? reply.answer.time_to_live : min_time_to_live;
  answer.expires = expiry(time_to_live, positive ? Polarity::positive : Polarity::negative);
  if (closing_ && answer.status == LookupStatus::temporary) {
    answer.problem = closing_problem();
  }
  pending_mx_.finish(domain, answer);
  mx_cache_.put(domain, std::move(answer));
}

ring::Task<void> Resolver::look_up_addresses(std::string host) {
  const bool both = settings_.address_order == AddressOrder::v4_first ||
                    settings_.address_order == AddressOrder::v6_first;
  const RecordType only =
      settings_.address_order == AddressOrder::v6_only ? RecordType::aaaa : RecordType::a;
  Question question;
  question.name = host;
  question.type = both ? RecordType::a : only;
  Question other;
  other.name = host;
  other.type = RecordType::aaaa;
  SideQuery side;
  if (both) {
    gate_.spawn(ask_beside(std::move(other), side));
  }
  Reply reply = co_await ask(std::move(question));
  while (both && !side.done) {
    co_await side.answered.wait();
  }
  if (!both) {
    side.reply.answer = absent();
    if (only == RecordType::aaaa) {
      std::swap(reply.answer, side.reply.answer);
    }
  }
  const Answer& v4 = reply.answer;
  const Answer& v6 = side.reply.answer;
  AddressAnswer answer = address_answer(host, v4, v6, settings_.address_order, reply.server);
  const bool found = answer.status == LookupStatus::found;
  Duration time_to_live = Duration::max();
  for (const Answer* one : {&v4, &v6}) {
    if (!answered(*one)) {
      time_to_live = std::min(time_to_live, found ? half_answer_time_to_live : min_time_to_live);
    } else if (!found || one->status == AnswerStatus::ok) {
      time_to_live = std::min(time_to_live, one->time_to_live);
    }
  }
  answer.expires = expiry(time_to_live, found ? Polarity::positive : Polarity::negative);
  if (closing_ && answer.status == LookupStatus::temporary) {
    answer.problem = closing_problem();
  }
  pending_addresses_.finish(host, answer);
  address_cache_.put(host, std::move(answer));
}

ring::Task<void> Resolver::ask_beside(Question question, SideQuery& side) {
  side.reply = co_await ask(std::move(question));
  side.done = true;
  side.answered.notify_all();
}

// One query among at most max_queries. Who waits is handed the place of one that ends, so that
// nobody who comes later overtakes.
ring::Task<Resolver::Reply> Resolver::ask(Question question) {
  if (queries_in_flight_ < settings_.max_queries) {
    ++queries_in_flight_;
  } else {
    co_await query_ended_.wait();
  }
  Reply reply = co_await ask_servers(std::move(question));
  if (!answered(reply.answer)) {
    ++counters_.failed_queries;
  }
  if (query_ended_.has_waiters()) {
    query_ended_.notify_one();
  } else {
    --queries_in_flight_;
  }
  co_return reply;
}

// Transmissions over the servers in turn, beginning with the one that answered last. A server
// that says it cannot help is not asked again; if all do, that is the answer.
ring::Task<Resolver::Reply> Resolver::ask_servers(Question question) {
  const std::size_t count = settings_.servers.size();
  const std::size_t first = preferred_;
  std::vector<bool> gave_up(count, false);
  Reply reply;
  for (int transmission = 0; transmission < settings_.transmissions && !closing_; ++transmission) {
    const std::size_t at = (first + static_cast<std::size_t>(transmission)) % count;
    if (gave_up[at]) {
      continue;
    }
    const Endpoint server = settings_.servers[at];
    const Instant deadline = reactor_.now() + settings_.retransmit_after;
    Answer answer = co_await ask_server(question, server, deadline);
    const bool silent = answer.status == AnswerStatus::mismatched;
    // A server's refusal says more than another's silence.
    if (!silent || reply.answer.status == AnswerStatus::mismatched) {
      reply.answer = std::move(answer);
      reply.server = server.to_string();
    }
    if (!silent && answered(reply.answer)) {
      preferred_ = at;
      break;
    }
    gave_up[at] = !silent;
    if (std::ranges::find(gave_up, false) == gave_up.end()) {
      break;
    }
    const bool round_ended = (static_cast<std::size_t>(transmission) + 1) % count == 0;
    // Where the network refuses at once, the next round still keeps its time.
    if (round_ended && !closing_ && reactor_.now() < deadline) {
      co_await closed_.wait_until(reactor_.timers(), deadline);
    }
  }
  co_return reply;
}

ring::Task<Answer> Resolver::ask_server(Question question, Endpoint server, Instant deadline) {
  Edns edns = Edns::yes;
  Answer answer = co_await transport_.ask_over_udp(question, server, edns, deadline);
  // RFC 6891 section 7: FORMERR (1) or NOTIMP (4) from a server that does not know EDNS.
  if (answer.status == AnswerStatus::server_failure && (answer.rcode == 1 || answer.rcode == 4)) {
    edns = Edns::no;
    answer = co_await transport_.ask_over_udp(question, server, edns, deadline);
  }
  if (answer.status == AnswerStatus::truncated) {
    const Answer whole = co_await transport_.ask_over_tcp(question, server, edns, deadline);
    // Without an answer over TCP it stays truncated: the server did answer.
    if (whole.status != AnswerStatus::mismatched) {
      answer = whole;
    }
  }
  co_return answer;
}

ring::Task<void> Resolver::close() {
  closing_ = true;
  transport_.stop();
  closed_.notify_all();
  co_await gate_.close();
}

}  // namespace ringpost::dns
