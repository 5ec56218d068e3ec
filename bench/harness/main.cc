#include <CLI/CLI.hpp>

#include "harness/commands.h"

int main(int argc, char** argv) {
  CLI::App app("Measures mail relays: what goes in, what comes out, what it costs",
               "ringpost-bench");
  app.set_help_all_flag("--help-all", "the options of all commands");
  app.require_subcommand(1);
  ringpost::bench::Run run;
  ringpost::bench::add_relay_command(app, run);
  ringpost::bench::add_source_command(app, run);
  ringpost::bench::add_sink_command(app, run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return run();
}
