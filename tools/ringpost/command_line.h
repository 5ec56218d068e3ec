// The command line of `ringpost`: what was asked, or what to print instead.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "events.h"
#include "ringpost/control/commands.h"

namespace ringpost::tool {

struct Invocation {
  std::string socket;
  bool json = false;
  control::Command command;
  bool trace = false;                  // to be asked again and again
  std::optional<EventOptions> events;  // instead of the command; but it tells where the log is
};

// Nothing to ask the daemon.
struct Instead {
  int exit_code = 0;   // 0 after --help and --version, 2 after bad usage
  std::string output;  // for standard output
  std::string error;   // what was wrong with the usage
  bool json = false;
};

// Without the program's name. Reads the environment's RINGPOST_SOCKET.
[[nodiscard]] std::expected<Invocation, Instead> parse_command_line(
    const std::vector<std::string>& arguments);

}  // namespace ringpost::tool
