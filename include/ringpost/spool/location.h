// Names of places and moments in the spool that its callers keep. (pure)
#pragma once

#include <cstdint>

namespace ringpost::spool {

// Where a message's content lies; right before it stands its checksum. Small, because one is kept
// for every queued message. Stays valid until the message is finished.
struct Location {
  std::uint32_t segment = 0;
  std::uint32_t offset = 0;
  std::uint32_t length = 0;

  bool operator==(const Location&) const = default;
};

// A moment in the order of commits: that of the batch which a record went into.
struct Ticket {
  std::uint64_t batch = 0;

  auto operator<=>(const Ticket&) const = default;
};

}  // namespace ringpost::spool
