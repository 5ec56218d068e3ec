// Options that several commands share, and how they turn into what the harness works with.
#pragma once

#include <cstdint>
#include <string>

#include "harness/domains.h"
#include "harness/source_session.h"
#include "ringpost/base/ip_address.h"
#include "ringpost/base/result.h"

namespace CLI {
class App;
}

namespace ringpost::bench {

struct MailOptions {
  std::uint64_t messages = 10'000;
  std::string size = "5K";
  std::uint32_t recipients = 1;
  std::uint32_t connections = 40;
  std::uint64_t seed = 1;
  std::string domains = "300";
  std::string pipelining = "overlap";

  // `with_domains`: the command has no other way to say which.
  void add_to(CLI::App& command, bool with_domains);
};

// A count of made-up domains, or the path of a file that lists some.
Result<Domains> domains_from(const std::string& text, std::uint64_t seed);
Pipelining pipelining_from(const std::string& text);
// An address, or "localhost", with a port.
Result<Endpoint> endpoint_from(const std::string& text);
// 24 random bits.
std::uint32_t random_run();

// Prints the error on standard error and, for --json, as an object on standard output; returns 1.
int report_failure(const Error& error, bool json);

}  // namespace ringpost::bench
