// Why mail for an address goes where it goes, and what holds it up. Called by inspect(), on the
// shard that owns the address's queue group. Asks no name server: tells what is known.
#pragma once

#include "ringpost/control/inspect.h"

namespace ringpost::control {

// An Explanation; a Refusal for what is no address or belongs to another shard.
[[nodiscard]] Answer explain(const ShardView& view, const ExplainCommand& command);

}  // namespace ringpost::control
