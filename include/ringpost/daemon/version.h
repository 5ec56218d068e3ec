// The version of the programs, as they report it.
#pragma once

#include <string_view>

namespace ringpost::daemon {

inline constexpr std::string_view version = "0.1.0";

}  // namespace ringpost::daemon
