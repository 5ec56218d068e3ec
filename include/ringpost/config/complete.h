// The last steps of loading: fills in the defaults that depend on other settings or on the machine,
// and checks what only shows across settings. Called by the loader. Pure.
#pragma once

#include <vector>

#include "ringpost/config/load.h"

namespace ringpost::config {

// What a group has that sets nothing itself.
void inherit(QueueGroup& group, const Config& config);

// `default_group` holds the settings of all default groups.
void complete(Loaded& loaded, const QueueGroup& default_group, const Environment& environment,
              std::vector<Problem>& problems);

}  // namespace ringpost::config
