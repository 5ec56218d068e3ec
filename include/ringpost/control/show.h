// One message: what its recipients on a shard wait for. Called by inspect(), and by merge() for the
// parts of a message that is spread over several shards. Knows only what is not done yet.
#pragma once

#include <string_view>
#include <vector>

#include "ringpost/control/inspect.h"

namespace ringpost::control {

// A MessageView; a Refusal where no recipient is open on this shard.
[[nodiscard]] Answer show(const ShardView& view, const ShowCommand& command);

[[nodiscard]] Refusal no_message(std::string_view id);

// `parts` are of the same message, at least one. A recipient that moved is told of by the shard
// that has it now, if that shard knows it.
[[nodiscard]] MessageView join(std::vector<MessageView> parts);

}  // namespace ringpost::control
