// The whole command-line tool but for the process around it: parses, asks, prints.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace ringpost::tool {

// Exit codes: 0 done, 1 refused, failed or not found, 2 bad usage, 3 no daemon. With --json
// `out` gets one object on one line, an error's too; everything else goes to `error`.
[[nodiscard]] int run(const std::vector<std::string>& arguments, std::ostream& out,
                      std::ostream& error);

}  // namespace ringpost::tool
