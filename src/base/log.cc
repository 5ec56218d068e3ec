#include "ringpost/base/log.h"

#include <unistd.h>

#include <string>

namespace ringpost::log {

void write(Level level, std::string_view text) {
  static constexpr std::string_view prefixes[] = {
      "ringpost: ", "ringpost: warning: ", "ringpost: error: "};
  std::string line(prefixes[static_cast<std::size_t>(level)]);
  line.append(text);
  line.push_back('\n');
  // One write, so that the lines of several threads never mix. A closed terminal is no error.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace ringpost::log
