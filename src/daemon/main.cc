// ringpostd: reads the command line and the configuration, checks the machine, runs the daemon.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ringpost/base/log.h"
#include "ringpost/config/load.h"
#include "ringpost/daemon/daemon.h"
#include "ringpost/daemon/system_check.h"
#include "ringpost/daemon/tls_setup.h"
#include "ringpost/daemon/version.h"

namespace {

constexpr int exit_usage = 2;

struct Options {
  std::string file;
  std::vector<std::string> overrides;
  std::string user;
  bool check_config = false;
  bool check_system = false;
};

ringpost::config::Environment environment() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  const unsigned cores = std::thread::hardware_concurrency();
  return {name.data(), cores == 0 ? 1 : cores};
}

int run(const Options& options) {
  using namespace ringpost;
  config::LoadResult loaded = config::load_file(options.file, options.overrides, environment());
  std::vector<daemon::ShardTls> tls;
  if (loaded) {
    auto made = daemon::make_tls(*loaded);
    if (made) {
      tls = std::move(*made);
    } else {
      loaded = std::unexpected(std::move(made.error()));
    }
  }
  if (options.check_config) {
    const auto list = daemon::read_suppressed(loaded ? loaded->config : config::Config());
    if (loaded && !list) {
      std::fputs((list.error().describe() + "\n").c_str(), stderr);
      return EXIT_FAILURE;
    }
    std::fputs(config::check_text(loaded).c_str(), loaded ? stdout : stderr);
    return loaded ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  if (!loaded && !options.check_system) {
    std::fputs(config::check_text(loaded).c_str(), stderr);
    return EXIT_FAILURE;
  }
  const auto suppressed = daemon::read_suppressed(loaded ? loaded->config : config::Config());
  if (!suppressed && !options.check_system) {
    log::error("{}", suppressed.error().describe());
    return EXIT_FAILURE;
  }
  const std::vector<daemon::SystemFact> facts =
      daemon::check_system(loaded ? loaded->config.shards.count : 1);
  if (options.check_system) {
    std::fputs(daemon::table_of(facts).c_str(), stdout);
    return daemon::all_good(facts) ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  for (const daemon::SystemFact& fact : facts) {
    if (!fact.good) {
      log::error("{}: {}; {}", fact.name, fact.found, fact.remedy);
    }
  }
  if (!daemon::all_good(facts)) {
    return EXIT_FAILURE;
  }
  std::optional<daemon::Account> account;
  if (!options.user.empty()) {
    Result<daemon::Account> found = daemon::find_account(options.user);
    if (!found) {
      log::error("{}", found.error().describe());
      return EXIT_FAILURE;
    }
    account = std::move(*found);
  }
  daemon::ConfigurationSource source{options.file, options.overrides, environment()};
  return daemon::Daemon({*loaded, *suppressed}, std::move(source), std::move(tls),
                        std::move(account))
      .run();
}

}  // namespace

int main(int argument_count, char** arguments) {
  Options options;
  CLI::App app("Ringpost, a high-throughput relay for bulk mail", "ringpostd");
  app.add_option("-c", options.file, "configuration file (TOML)")->type_name("FILE");
  app.add_option("-O", options.overrides, "set a key, over the file; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_option("--user", options.user, "as root: become this user once the ports are bound")
      ->type_name("NAME");
  app.add_flag("--check-config", options.check_config, "say what is wrong with it and exit");
  app.add_flag("--check-system", options.check_system, "say whether this machine will do and exit");
  app.set_version_flag("--version", std::string(ringpost::daemon::version));
  app.footer("Example: ringpostd -c /etc/ringpost/ringpost.toml -O shards.count=2");
  try {
    app.parse(argument_count, arguments);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? EXIT_SUCCESS : exit_usage;
  }
  return run(options);
}
