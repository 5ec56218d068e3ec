// Reading the configuration again while the daemon runs: all or nothing. On the main thread, never
// on a shard's: files are read here, and what they say is checked, before any shard hears of it.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "ringpost/config/load.h"
#include "ringpost/mail/suppression_list.h"

namespace ringpost::daemon {

// Where the configuration comes from.
struct ConfigurationSource {
  std::string file;  // empty: none
  std::vector<std::string> overrides;
  config::Environment environment;
};

struct Configuration {
  config::Loaded loaded;
  std::shared_ptr<const mail::SuppressionList> suppressed;
};

// The list that `suppression.file` names; an empty one without a name.
[[nodiscard]] Result<std::shared_ptr<const mail::SuppressionList>> read_suppressed(
    const config::Config& config);

// What differs although it can only change with a restart, each with its place.
[[nodiscard]] std::vector<config::Problem> changes_that_need_restart(const config::Config& running,
                                                                     const config::Loaded& wanted);

// Everything that is wrong, a line each, or what the shards shall have from now on.
[[nodiscard]] std::expected<Configuration, std::vector<std::string>> read_again(
    const ConfigurationSource& source, const config::Config& running);

}  // namespace ringpost::daemon
