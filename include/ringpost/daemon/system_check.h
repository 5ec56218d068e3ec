// Whether this machine lets the daemon run: io_uring, locked memory, descriptors. Asked before
// anything else is opened; --check-system prints all of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ringpost::daemon {

struct SystemFact {
  std::string name;
  std::string found;
  bool good = true;
  std::string remedy;  // where it is not good
};

// Raises the soft limit on descriptors to the hard one first.
[[nodiscard]] std::vector<SystemFact> check_system(std::uint32_t shards);

// How many the process may have now.
[[nodiscard]] std::uint64_t descriptor_limit();

// A table, a line each; ends with a newline.
[[nodiscard]] std::string table_of(const std::vector<SystemFact>& facts);
[[nodiscard]] bool all_good(const std::vector<SystemFact>& facts);

}  // namespace ringpost::daemon
