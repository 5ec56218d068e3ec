// What a kill may leave at the end of the event log: a piece of a line. Called once, before any
// shard writes to the log.
#pragma once

#include <string>

namespace ringpost::events {

// Ends the piece with a line feed, so that it spoils no line that follows. A log that is no regular
// file, or cannot be opened, is left alone: the writer tells of that. Blocks: for the start of the
// program only.
void end_torn_line(const std::string& path);

}  // namespace ringpost::events
