#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "harness/commands.h"
#include "harness/disk.h"
#include "harness/options.h"
#include "harness/relay.h"
#include "harness/relay_report.h"
#include "harness/signals.h"
#include "harness/system_under_test.h"
#include "harness/units.h"

namespace ringpost::bench {
namespace {

struct RelayCommand {
  MailOptions mail;
  std::vector<std::string> systems = {"ringpost"};
  std::uint32_t destinations = 300;
  std::uint32_t repetitions = 1;
  double delay_ms = 0;
  double stall_s = 60;
  std::string spool;
  std::string durability = "commit";
  bool allow_tmpfs = false;
  std::string ringpostd;
  std::vector<std::string> overrides;
  std::string at_end;
  bool json = false;
  bool keep = false;
  bool no_pipelining = false;
  bool chunking = false;
  bool tls = false;

  Result<int> run();
  Result<RelaySettings> settings() const;
};

// Beside this program, or where the build puts it.
Result<std::string> find_ringpostd(const std::string& named) {
  if (!named.empty()) {
    return std::filesystem::absolute(named).string();
  }
  std::error_code error;
  std::filesystem::path directory =
      std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  for (int up = 0; up < 3; ++up, directory = directory.parent_path()) {
    for (const char* const place : {"ringpostd", "src/daemon/ringpostd"}) {
      const std::string path = directory / place;
      if (::access(path.c_str(), X_OK) == 0 && !std::filesystem::is_directory(path, error)) {
        return path;
      }
    }
  }
  return fail("ringpostd was not found beside this program",
              "build it (tools/build.sh) or name it with --ringpostd");
}

Result<RelaySettings> RelayCommand::settings() const {
  const Result<std::uint64_t> size = parse_size(mail.size);
  if (!size) {
    return std::unexpected(size.error());
  }
  RelaySettings settings;
  settings.messages = mail.messages;
  settings.size = *size;
  settings.recipients = mail.recipients;
  settings.connections = mail.connections;
  settings.destinations = destinations;
  settings.seed = mail.seed;
  settings.pipelining = pipelining_from(mail.pipelining);
  settings.offers.pipelining = !no_pipelining;
  settings.offers.chunking = chunking;
  settings.delay =
      std::chrono::duration_cast<Duration>(std::chrono::duration<double, std::milli>(delay_ms));
  settings.stall = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(stall_s));
  settings.spool_parent = spool.empty() ? default_spool_parent() : spool;
  settings.durability = durability;
  settings.overrides = overrides;
  settings.at_end = at_end;
  settings.json = json;
  settings.keep = keep;
  for (const std::string& setting : overrides) {
    if (setting.starts_with("spool.durability")) {
      return fail("a durability other than commit is asked for by name",
                  "use --durability interval or --durability memory");
    }
  }
  if (durability != "commit") {
    settings.overrides.push_back("spool.durability=" + durability);
  }
  const Result<std::string> file_system = file_system_of(settings.spool_parent);
  if (!file_system) {
    return std::unexpected(file_system.error());
  }
  if ((*file_system == "tmpfs" || *file_system == "ramfs") && !allow_tmpfs) {
    return fail(fmt::format("{} is memory ({}): nothing there is durable", settings.spool_parent,
                            *file_system),
                "name a directory on a disk with --spool, or ask for it with --allow-tmpfs");
  }
  return settings;
}

// What differs when one system is measured.
RelaySettings settings_for(const std::string& system, RelaySettings settings) {
  if (system == "ringpost-tls") {
    settings.offers.tls = true;
    settings.overrides.push_back("delivery.tls=encrypt");
  }
  return settings;
}

Result<int> RelayCommand::run() {
  if (tls && std::ranges::find(systems, "ringpost-tls") == systems.end()) {
    systems.emplace_back("ringpost-tls");
  }
  Result<RelaySettings> wanted = settings();
  if (!wanted) {
    return std::unexpected(wanted.error());
  }
  for (const std::string& system : systems) {
    const Result<std::unique_ptr<SystemUnderTest>> made = make_system(system);
    if (!made) {
      return std::unexpected(made.error());
    }
    if (system.starts_with("ringpost")) {
      Result<std::string> path = find_ringpostd(ringpostd);
      if (!path) {
        return std::unexpected(path.error());
      }
      wanted->ringpostd = std::move(*path);
    }
  }
  Signals signals;
  std::vector<RelayResult> results;
  bool good = true;
  bool interrupted = false;
  for (std::uint32_t repetition = 1; repetition <= repetitions && !interrupted; ++repetition) {
    for (std::size_t i = 0; i < systems.size() && !interrupted; ++i) {
      const Result<RelayResult> result =
          run_relay(systems[i], repetition, settings_for(systems[i], *wanted), signals);
      if (!result) {
        return std::unexpected(result.error());
      }
      good = good && result->good();
      interrupted = result->failure == "interrupted";
      results.push_back(*result);
      if (json) {
        fmt::print("{}\n", json_of(*result, *wanted));
        std::fflush(stdout);
      }
    }
  }
  if (!json) {
    fmt::print("{}", table_of(results, *wanted));
  }
  return good ? 0 : 1;
}

void add_options(CLI::App& relay, RelayCommand& command) {
  relay
      .add_option("--systems", command.systems,
                  "what is measured, in turns: ringpost, ringpost-tls, postfix, postfix-cache")
      ->delimiter(',')
      ->capture_default_str();
  relay.add_option("--destinations", command.destinations, "recipient domains, each a server")
      ->check(CLI::Range(1, 8'000'000))
      ->capture_default_str();
  relay.add_option("--repetitions", command.repetitions, "of each system")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  relay.add_option("--delay-ms", command.delay_ms, "of the sink's answers")
      ->check(CLI::NonNegativeNumber);
  relay.add_flag("--chunking", command.chunking, "the sink offers CHUNKING");
  relay.add_flag("--no-pipelining", command.no_pipelining, "the sink does not offer PIPELINING");
  relay.add_flag("--tls", command.tls,
                 "measure ringpost-tls too: deliveries under TLS, with a sink that offers it");
  relay.add_option("--stall-seconds", command.stall_s, "give up after so long without progress")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  relay.add_option("--spool", command.spool, "directory on a disk, for the systems' spools");
  relay.add_flag("--allow-tmpfs", command.allow_tmpfs, "also in memory");
  relay.add_option("--durability", command.durability, "of Ringpost's spool")
      ->check(CLI::IsMember({"commit", "interval", "memory"}))
      ->capture_default_str();
  relay.add_option("--ringpostd", command.ringpostd, "path of the daemon");
  relay.add_option("-O", command.overrides, "key=value of Ringpost's configuration; repeatable")
      ->allow_extra_args(false);
  relay.add_option("--at-end", command.at_end,
                   "shell command, run when all has arrived and the system is still up; finds "
                   "RINGPOST_SOCKET, RINGPOST_EVENTS, RINGPOST_SMTP, RINGPOST_PID");
  relay.add_flag("--json", command.json, "a JSON object a line instead of a table");
  relay.add_flag("--keep", command.keep, "do not remove the systems' directories");
}

}  // namespace

void add_relay_command(CLI::App& app, Run& run) {
  auto command = std::make_shared<RelayCommand>();
  CLI::App& relay = *app.add_subcommand(
      "relay", "measures relays: source, system under test and sink in one command");
  command->mail.messages = 50'000;
  command->mail.add_to(relay, false);
  add_options(relay, *command);
  relay.callback([command, &run] {
    run = [command] {
      const Result<int> result = command->run();
      return result ? *result : report_failure(result.error(), command->json);
    };
  });
}

}  // namespace ringpost::bench
