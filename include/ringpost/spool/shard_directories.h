// Which directories a spool has of shards that are no more. Looked at once, at start-up, by plain
// calls of the file system, under the spool's lock.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ringpost/base/result.h"

namespace ringpost::spool {

// The numbers of the shards from `shards` on whose directories hold segments, in order. Those that
// were emptied are removed on the way, unless something in them was set aside as damaged.
Result<std::vector<std::uint32_t>> directories_beyond(const std::string& directory,
                                                      std::uint32_t shards);

}  // namespace ringpost::spool
