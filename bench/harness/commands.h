// The commands of ringpost-bench. Each adds its subcommand and its options; run by main() after
// parsing. Exit codes: 0 done, 1 failed, 2 bad usage.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace ringpost::bench {

using Run = std::function<int()>;

void add_source_command(CLI::App& app, Run& run);
void add_sink_command(CLI::App& app, Run& run);
void add_relay_command(CLI::App& app, Run& run);

}  // namespace ringpost::bench
