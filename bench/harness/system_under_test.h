// A mail relay that is measured: started on a configuration and a spool of its own, told to take
// mail on a loopback port and to deliver it to the sink. One implementation for each program.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "harness/child_process.h"
#include "ringpost/base/ip_address.h"
#include "ringpost/base/result.h"

namespace ringpost::bench {

struct SystemSetup {
  std::string directory;  // empty and the system's own
  Endpoint names;         // the sink's name server
  std::uint16_t sink_port = 0;
  // Domains and the addresses that serve them, for systems that cannot ask the name server.
  std::vector<std::pair<std::string, std::string>> hosts;
  std::uint32_t source_connections = 0;
  std::string ringpostd;               // the program's path
  std::vector<std::string> overrides;  // of Ringpost's configuration, key=value
};

class SystemUnderTest {
 public:
  virtual ~SystemUnderTest() = default;
  // Returns when it accepts mail.
  virtual Result<> start(const SystemSetup& setup) = 0;
  virtual void stop() { process_.end(30s); }

  [[nodiscard]] const Endpoint& smtp() const { return smtp_; }
  [[nodiscard]] bool running() { return process_.running(); }
  // Its exit status, 128 + signal; -1 while it runs.
  [[nodiscard]] int status() { return process_.wait(Duration::zero()).value_or(-1); }
  [[nodiscard]] pid_t pid() const { return process_.pid(); }
  // What --at-end finds in its environment.
  [[nodiscard]] const std::vector<std::string>& environment() const { return environment_; }

 protected:
  ChildProcess process_;
  Endpoint smtp_;
  std::vector<std::string> environment_;
};

// "ringpost", "ringpost-tls" (the same; the sink differs), "postfix" (tuned, its connection cache
// off: what is fastest where the network costs no time), "postfix-cache" (with it).
Result<std::unique_ptr<SystemUnderTest>> make_system(std::string_view name);
std::unique_ptr<SystemUnderTest> make_ringpost();
std::unique_ptr<SystemUnderTest> make_postfix(bool connection_cache);

// A loopback port that nobody listens on at the moment.
Result<std::uint16_t> free_port();
// The last lines of a file, for the error message of a system that did not start.
std::string last_lines(const std::string& path);

}  // namespace ringpost::bench
