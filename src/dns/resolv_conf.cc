#include "ringpost/dns/resolv_conf.h"

#include <algorithm>
#include <optional>

#include "ringpost/base/text.h"

namespace ringpost::dns {

std::vector<Endpoint> parse_resolv_conf(std::string_view text) {
  constexpr std::string_view keyword = "nameserver";
  constexpr std::string_view blanks = " \t\r";
  std::vector<Endpoint> servers;
  while (!text.empty() && servers.size() < max_servers) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    // The keyword starts its line, a blank ends it.
    if (!line.starts_with(keyword)) {
      continue;
    }
    line.remove_prefix(keyword.size());
    const std::size_t start = line.find_first_not_of(blanks);
    if (start == 0 || start == std::string_view::npos) {
      continue;
    }
    line.remove_prefix(start);
    const std::optional<IpAddress> address =
        IpAddress::parse(line.substr(0, line.find_first_of(blanks)));
    if (!address) {
      continue;
    }
    const Endpoint server{*address, dns_port};
    if (std::ranges::find(servers, server) == servers.end()) {
      servers.push_back(server);
    }
  }
  if (servers.empty()) {
    servers.push_back({IpAddress::loopback(IpAddress::Family::v4), dns_port});
  }
  return servers;
}

}  // namespace ringpost::dns
