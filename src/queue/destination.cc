#include "ringpost/queue/destination.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ringpost/base/text.h"
#include "ringpost/queue/growing_table.h"
#include "ringpost/queue/lane.h"

namespace ringpost::queue {

namespace {

std::string_view without_dot(std::string_view host) {
  if (host.ends_with('.')) {
    host.remove_suffix(1);
  }
  return host;
}

}  // namespace

std::vector<DestinationPattern> shipped_destinations() {
  return {{"google", "*.google.com"},
          {"google", "*.googlemail.com"},
          {"microsoft", "*.protection.outlook.com"},
          {"microsoft", "*.mx.microsoft"},
          {"yahoo", "*.yahoodns.net"}};
}

bool matches_host_pattern(std::string_view pattern, std::string_view host) {
  host = without_dot(host);
  pattern = without_dot(pattern);
  if (!pattern.starts_with("*.")) {
    return equals_ignoring_case(pattern, host);
  }
  const std::string_view suffix = pattern.substr(1);
  return host.size() > suffix.size() &&
         equals_ignoring_case(host.substr(host.size() - suffix.size()), suffix);
}

std::string destination_name(std::string_view domain, std::span<const RouteHost> hosts,
                             std::span<const DestinationPattern> patterns) {
  if (hosts.empty()) {
    return to_lower(domain);
  }
  const auto best = std::ranges::min_element(hosts, {}, &RouteHost::preference)->preference;
  for (const DestinationPattern& pattern : patterns) {
    for (const RouteHost& host : hosts) {
      if (host.preference == best && matches_host_pattern(pattern.mx, host.name)) {
        return pattern.name;
      }
    }
  }
  std::vector<std::string> names;
  names.reserve(hosts.size());
  for (const RouteHost& host : hosts) {
    names.push_back(to_lower(without_dot(host.name)));
  }
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  std::string joined = fmt::format("{}", fmt::join(names, ","));
  constexpr std::size_t longest = 255;
  if (joined.size() > longest) {
    const std::string hash = fmt::format("#{:016x}", hash_ignoring_case(joined));
    joined.resize(longest - hash.size());
    joined += hash;
  }
  return joined;
}

std::string LaneKey::canonical() const {
  std::string text =
      fmt::format("{}\n{}\n{}\n{}", destination, static_cast<unsigned>(via), egress, tls);
  for (const RouteHost& host : hosts) {
    fmt::format_to(std::back_inserter(text), "\n{} {} {}", host.preference, host.name, host.port);
  }
  return text;
}

}  // namespace ringpost::queue
