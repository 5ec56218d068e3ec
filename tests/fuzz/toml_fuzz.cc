// Any text as a configuration file, and any settings as -O: loading gives a complete configuration,
// or problems of one printable line each. NUL ends the file's text and each setting. Only load() is
// called, which knows neither files nor sockets.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/base/check.h"
#include "ringpost/config/load.h"
#include "ringpost/config/values.h"

namespace {

using namespace ringpost;
using namespace ringpost::config;

void judge_group(const QueueGroup& group, const Config& config) {
  check(is_name(group.name), "a group has a name");
  check(group.runners > 0 && group.weight > 0 && group.streaming_depth > 0, "a group can work");
  check(!group.shard || *group.shard < config.shards.count, "a group has a shard that exists");
  for (const std::string& source : group.egress) {
    check(std::ranges::find(config.egress, source, &Egress::name) != config.egress.end(),
          "an egress source exists");
  }
}

void judge_hosts(const std::vector<Host>& hosts) {
  check(!hosts.empty(), "a route leads somewhere");
  for (const Host& host : hosts) {
    check(host.port != 0 && host.address.has_value() == host.name.empty(), "a host is complete");
    check(parse_host(host.to_string()) == host, "a host reads as it is written");
  }
}

void judge(const Loaded& loaded) {
  const Config& config = loaded.config;
  check(config.shards.count > 0 && !config.listener.smtp.empty(), "there is work, and a door");
  check(!config.identity.hostname.empty() && !config.spool.directory.empty() &&
            !config.control.socket.empty() && !config.log.events.empty(),
        "no path and no name is missing");
  check(
      !config.default_groups.empty() && config.default_groups.size() == config.queue.default_groups,
      "every domain has a group");
  std::set<std::string_view> names;
  for (const auto* groups : {&config.queue_groups, &config.default_groups}) {
    for (const QueueGroup& group : *groups) {
      check(names.insert(group.name).second, "groups have names of their own");
      judge_group(group, config);
    }
  }
  for (const Route& route : config.routes) {
    check(parse_domain(route.domain, true) == route.domain, "a route's domain is canonical");
    judge_hosts(route.hosts);
  }
  if (config.delivery.smarthost) {
    judge_hosts({*config.delivery.smarthost});
  }
  for (const Egress& source : config.egress) {
    check((source.ipv4 || source.ipv6) && !source.ehlo.empty(), "a source has an address");
  }
}

void judge(const std::vector<Problem>& problems) {
  check(!problems.empty() && problems.size() <= max_problems + 1, "problems are bounded");
  for (const Problem& problem : problems) {
    const std::string line = problem.describe();
    check(!problem.message.empty(), "a problem is named");
    check(std::ranges::none_of(line, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }),
          "a problem is one printable line");
  }
}

std::vector<std::string> pieces_of(std::string_view input) {
  std::vector<std::string> pieces;
  while (true) {
    const std::size_t end = std::min(input.find('\0'), input.size());
    pieces.emplace_back(input.substr(0, end));
    if (end == input.size()) {
      return pieces;
    }
    input.remove_prefix(end + 1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::string> settings =
      pieces_of(std::string_view(reinterpret_cast<const char*>(data), size));
  const std::string text = settings.front();
  settings.erase(settings.begin());
  const Environment machine{"relay.example.net", 2};
  const LoadResult result = load(text, "ringpost.toml", settings, machine);
  if (result) {
    judge(*result);
    check(load(text, "ringpost.toml", settings, machine)->config == result->config,
          "the same text gives the same configuration");
  } else {
    judge(result.error());
  }
  return 0;
}
