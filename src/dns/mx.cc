#include "ringpost/dns/mx.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "ringpost/base/text.h"
#include "ringpost/dns/name.h"

namespace ringpost::dns {

namespace {

// Names in reasons come from clients: long ones are cut, control characters replaced.
std::string shown(std::string_view name) {
  std::string text(name.substr(0, max_name_length));
  std::ranges::replace_if(text, [](char c) { return c < ' ' || c > '~'; }, '?');
  return text.empty() ? "." : text;
}

bool is_own(const MxHost& host, const OwnHost& own) {
  if (std::ranges::find(own.names, host.name) != own.names.end()) {
    return true;
  }
  const std::optional<IpAddress> address = IpAddress::parse(host.name);
  return address && std::ranges::find(own.addresses, *address) != own.addresses.end();
}

MxAnswer permanent(std::uint16_t code, mail::EnhancedStatus status, std::string reason) {
  return {.status = LookupStatus::permanent,
          .problem = {.reply_code = code, .status = status, .reason = std::move(reason)}};
}

// Usable hosts, in order, each once with its best preference.
std::vector<MxHost> hosts_of(const std::vector<MxRecord>& records) {
  std::vector<MxHost> hosts;
  for (const MxRecord& record : records) {
    // A name with other characters can be no host's, and the root is none (RFC 7505).
    if (!record.exchange.empty() && canonical_name(record.exchange)) {
      hosts.push_back({record.preference, record.exchange});
    }
  }
  const auto by_name = [](const MxHost& host) { return std::tie(host.name, host.preference); };
  std::ranges::sort(hosts, {}, by_name);
  const auto repeated = std::ranges::unique(hosts, {}, &MxHost::name);
  hosts.erase(repeated.begin(), repeated.end());
  std::ranges::sort(hosts, {},
                    [](const MxHost& host) { return std::tie(host.preference, host.name); });
  return hosts;
}

MxAnswer from_hosts(std::string_view domain, std::vector<MxHost> hosts, const OwnHost& own) {
  const auto mine =
      std::ranges::find_if(hosts, [&](const MxHost& host) { return is_own(host, own); });
  if (mine != hosts.end()) {
    drop_from_preference(hosts, mine->preference);  // sorted: the first is our best
  }
  if (hosts.empty()) {
    return permanent(554, {5, 4, 6},
                     fmt::format("Mail for {} loops back to this host", shown(domain)));
  }
  if (hosts.size() > max_mx_hosts) {
    hosts.resize(max_mx_hosts);
  }
  return {.status = LookupStatus::found, .hosts = std::move(hosts)};
}

LookupProblem temporary_problem(const Question& question, const Answer& answer,
                                std::string_view server) {
  return {
      .reply_code = 451, .status = {4, 4, 3}, .reason = describe_failure(question, answer, server)};
}

bool negative(AnswerStatus status) {
  return status == AnswerStatus::no_data || status == AnswerStatus::name_error;
}

}  // namespace

std::string describe_failure(const Question& question, const Answer& answer,
                             std::string_view server) {
  std::string what;
  switch (answer.status) {
    case AnswerStatus::malformed:
      what = "malformed answer";
      break;
    case AnswerStatus::truncated:
      what = "truncated answer";
      break;
    case AnswerStatus::mismatched:
      what = "no answer";
      break;
    case AnswerStatus::no_data:
      what = "no records";
      break;
    default:
      what = rcode_text(answer.rcode);
  }
  const std::string asked = server.empty() ? "" : fmt::format(" from {}", server);
  return fmt::format("DNS: {} for {} {}{}", what, shown(question.name), name_of(question.type),
                     asked);
}

LookupProblem no_such_domain(std::string_view domain) {
  return {.reply_code = 550,
          .status = {5, 1, 2},
          .reason = fmt::format("{} is not a domain name", shown(domain))};
}

MxAnswer mx_answer(std::string_view domain, const Answer& answer, const OwnHost& own,
                   std::string_view server) {
  const Question question{std::string(domain), RecordType::mx};
  if (answer.status == AnswerStatus::name_error) {
    return permanent(550, {5, 1, 2}, describe_failure(question, answer, server));
  }
  if (answer.status == AnswerStatus::no_data) {
    std::vector<MxHost> hosts;
    hosts.push_back({0, question.name});
    MxAnswer implicit = from_hosts(domain, std::move(hosts), own);
    implicit.implicit = true;
    return implicit;
  }
  if (answer.status != AnswerStatus::ok) {
    return {.status = LookupStatus::temporary,
            .problem = temporary_problem(question, answer, server)};
  }
  // RFC 7505 section 3. The root beside real hosts is a mistake: the real ones count. Alone it
  // leads nowhere, whatever preference it was given.
  if (std::ranges::all_of(answer.mx, &std::string::empty, &MxRecord::exchange)) {
    return permanent(556, {5, 1, 10},
                     fmt::format("Domain {} does not accept mail (null MX)", shown(domain)));
  }
  std::vector<MxHost> hosts = hosts_of(answer.mx);
  if (hosts.empty()) {
    return permanent(550, {5, 4, 4},
                     fmt::format("No MX record of {} names a valid host", shown(domain)));
  }
  return from_hosts(domain, std::move(hosts), own);
}

AddressAnswer address_answer(std::string_view host, const Answer& v4, const Answer& v6,
                             AddressOrder order, std::string_view server) {
  const std::pair four{RecordType::a, &v4};
  const std::pair six{RecordType::aaaa, &v6};
  std::vector<std::pair<RecordType, const Answer*>> families;
  if (order != AddressOrder::v4_only) {
    families.push_back(six);
  }
  if (order != AddressOrder::v6_only) {
    families.push_back(four);
  }
  if (order == AddressOrder::v4_first) {
    std::swap(families.front(), families.back());
  }
  AddressAnswer result{.status = LookupStatus::found};
  for (const auto& [type, answer] : families) {
    if (answer->status == AnswerStatus::ok) {
      const std::size_t count = std::min(answer->addresses.size(), max_addresses_per_family);
      result.addresses.insert(result.addresses.end(), answer->addresses.begin(),
                              answer->addresses.begin() + static_cast<std::ptrdiff_t>(count));
    }
  }
  if (!result.addresses.empty()) {
    return result;
  }
  for (const auto& [type, answer] : families) {
    // A failure of either family leaves open whether the host has addresses.
    if (!negative(answer->status)) {
      result.status = LookupStatus::temporary;
      result.problem = temporary_problem({std::string(host), type}, *answer, server);
      return result;
    }
  }
  result.status = LookupStatus::permanent;
  const bool missing = std::ranges::any_of(families, [](const auto& family) {
    return family.second->status == AnswerStatus::name_error;
  });
  result.problem = {.reply_code = 550,
                    .status = {5, 4, 4},
                    .reason = missing ? fmt::format("DNS: host {} does not exist", shown(host))
                                      : fmt::format("DNS: host {} has no address", shown(host))};
  return result;
}

void drop_from_preference(std::vector<MxHost>& hosts, std::uint16_t own_preference) {
  std::erase_if(hosts, [=](const MxHost& host) { return host.preference >= own_preference; });
}

void shuffle_equal_preferences(std::span<MxHost> hosts, Random& random) {
  for (std::size_t first = 0; first < hosts.size();) {
    std::size_t end = first + 1;
    while (end < hosts.size() && hosts[end].preference == hosts[first].preference) {
      ++end;
    }
    // Fisher and Yates, within the hosts of one preference.
    for (std::size_t left = end - first; left > 1; --left) {
      std::swap(hosts[first + left - 1], hosts[first + random.below(left)]);
    }
    first = end;
  }
}

std::optional<IpAddress> parse_address_literal(std::string_view text) {
  if (text.starts_with('[') && text.ends_with(']')) {
    text = text.substr(1, text.size() - 2);
    constexpr std::string_view tag = "IPv6:";
    if (!starts_with_ignoring_case(text, tag)) {
      const std::optional<IpAddress> address = IpAddress::parse(text);
      return address && address->is_v4() ? address : std::nullopt;
    }
    const std::optional<IpAddress> address = IpAddress::parse(text.substr(tag.size()));
    return address && address->is_v6() ? address : std::nullopt;
  }
  return IpAddress::parse(text);
}

}  // namespace ringpost::dns
