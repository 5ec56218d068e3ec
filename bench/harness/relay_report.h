// How results are shown: one JSON object each (the fields of docs/PERFORMANCE.md), or a table.
#pragma once

#include <string>
#include <vector>

#include "harness/relay.h"

namespace ringpost::bench {

[[nodiscard]] std::string json_of(const RelayResult& result, const RelaySettings& settings);
[[nodiscard]] std::string table_of(const std::vector<RelayResult>& results,
                                   const RelaySettings& settings);

}  // namespace ringpost::bench
