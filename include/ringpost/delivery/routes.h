// From a domain to its lane: address literal, static route, smarthost, else MX. Asks the resolver;
// never connects.
#pragma once

#include <string>
#include <string_view>

#include "ringpost/config/config.h"
#include "ringpost/dns/resolver.h"
#include "ringpost/queue/lane.h"
#include "ringpost/ring/task.h"

namespace ringpost::delivery {

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
  [[nodiscard]] const config::Route* static_route(std::string_view domain) const;

  const config::Config& config_;
  dns::Resolver& resolver_;
};

}  // namespace ringpost::delivery
