// The operator's state on disk: what is held, in one small file of the spool that is replaced as a
// whole. Written by whoever takes orders (one at a time), read by every shard when it starts.
// docs/SPOOL_FORMAT.md describes it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ringpost/base/result.h"
#include "ringpost/control/inspect.h"
#include "ringpost/queue/holds.h"
#include "ringpost/ring/reactor.h"

namespace ringpost::control {

[[nodiscard]] std::string hold_file_path(const std::string& spool_directory);

// (pure) The file's text; parse_holds() says which line is wrong.
[[nodiscard]] std::string to_text(const queue::Holds& holds);
[[nodiscard]] Result<queue::Holds> parse_holds(std::string_view text, const std::string& path);

// (pure) What is held once the order is carried out.
[[nodiscard]] queue::Holds holds_after(queue::Holds holds, const ChangeCommand& command);

// (pure) Whether the order changes what is held; and why it cannot, `holds` being what would be
// held.
[[nodiscard]] bool changes_holds(const Command& command);
[[nodiscard]] std::optional<Refusal> why_not(const ChangeCommand& command,
                                             const queue::Holds& holds, const ShardView& view);
[[nodiscard]] Refusal not_recorded(int error);

// Without a file nothing is held.
[[nodiscard]] ring::Task<Result<queue::Holds>> read_holds(ring::Reactor& reactor,
                                                          std::string spool_directory);
// Durable when it returns 0, else a negative errno and the old state stands.
[[nodiscard]] ring::Task<int> write_holds(ring::Reactor& reactor, std::string spool_directory,
                                          queue::Holds holds);

}  // namespace ringpost::control
