// The daemon's answers as text for people. What the JSON lacks or says otherwise than expected is
// shown as "-": a newer or older daemon is still readable.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "ringpost/control/commands.h"

namespace ringpost::tool {

using Json = nlohmann::ordered_json;

// Ends with a newline.
[[nodiscard]] std::string answer_text(const control::Command& command, const Json& answer);

// A field as text, unquoted; "-" where it is null or missing.
[[nodiscard]] std::string field_text(const Json& object, std::string_view name);

}  // namespace ringpost::tool
