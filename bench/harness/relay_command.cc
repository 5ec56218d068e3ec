#include <CLI/CLI.hpp>

#include "harness/commands.h"

namespace ringpost::bench {
void add_relay_command(CLI::App&, Run&) {}
}  // namespace ringpost::bench
