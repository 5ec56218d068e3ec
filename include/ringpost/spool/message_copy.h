// What is written of a message that is copied forward: its record with a higher generation, and
// behind it, in the same batch, records that say what became of it so far. So the copy needs
// nothing of what was recorded before. (pure)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/spool/replay.h"

namespace ringpost::spool {

// Heads (headers and metas); the first is the message's, which the content follows.
[[nodiscard]] std::vector<std::string> encode_copy(const RecoveredMessage& message,
                                                   std::string_view content,
                                                   std::uint16_t generation);

}  // namespace ringpost::spool
