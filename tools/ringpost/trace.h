// `ringpost trace`: the SMTP dialogue of a destination's connections as it happens. Asks the daemon
// again and again for what is new, until interrupted.
#pragma once

#include <functional>
#include <iosfwd>
#include <string>

#include "ringpost/control/client.h"
#include "ringpost/control/commands.h"

namespace ringpost::tool {

// One for this process: the daemon keeps what its followers have not seen by their names.
[[nodiscard]] std::string follower_name();

// The lines of one answer, each with its line feed: as they are, or one JSON object a line.
[[nodiscard]] std::string trace_text(const std::string& answer, bool json);

// Asks for more until `go_on()`, asked after each pause, says false, or an answer is a refusal or
// none, which is returned. A daemon that ends ends it, too.
[[nodiscard]] std::expected<control::Reply, control::AskError> follow_trace(
    const std::string& socket, const control::TraceCommand& command, bool json, std::ostream& out,
    const std::function<bool()>& go_on);

}  // namespace ringpost::tool
