// From a domain to its lane: address literal, static route, smarthost, else MX. Asks the resolver;
// never connects.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/config/config.h"
#include "ringpost/dns/resolver.h"
#include "ringpost/queue/lane.h"
#include "ringpost/ring/task.h"

namespace ringpost::delivery {

// The named providers: those of the configuration, then those that ship and are not redefined.
[[nodiscard]] std::vector<queue::DestinationPattern> destination_patterns(
    const config::Config& config);
// The egress source of a domain: a pure function of names, so that retries and restarts keep it,
// and one source more or less moves its own share only. Empty where there is none to choose.
[[nodiscard]] std::string egress_for(std::span<const std::string> sources, std::string_view domain);
// The lane that a static route or the smarthost gives the domain; nothing: DNS decides.
[[nodiscard]] std::optional<queue::LaneKey> configured_lane(const config::Config& config,
                                                            std::string_view domain);
// The lane that these MX hosts give it. It has a TLS policy if the named provider has one.
[[nodiscard]] queue::LaneKey lane_by_mx(const config::Config& config, std::string_view domain,
                                        const std::vector<dns::MxHost>& hosts);

class Routes {
 public:
  struct Answer {
    dns::LookupStatus status = dns::LookupStatus::temporary;
    queue::LaneKey lane;         // if found
    dns::LookupProblem problem;  // if not
    Instant until = never;       // how long the answer is good
  };

  Routes(const config::Config& config, dns::Resolver& resolver)
      : config_(config), resolver_(resolver) {}

  ring::Task<Answer> find(std::string domain);

 private:
  const config::Config& config_;
  dns::Resolver& resolver_;
};

}  // namespace ringpost::delivery
