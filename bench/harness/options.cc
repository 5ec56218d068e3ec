#include "harness/options.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "harness/message_id.h"
#include "ringpost/base/text.h"

namespace ringpost::bench {

void MailOptions::add_to(CLI::App& command, bool with_domains) {
  command.add_option("--messages", messages, "how many messages")
      ->check(CLI::Range(std::uint64_t{1}, most_messages))
      ->capture_default_str();
  command.add_option("--size", size, "bytes of a message, e.g. 5K")->capture_default_str();
  command.add_option("--recipients", recipients, "of each message")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command.add_option("--connections", connections, "SMTP connections of the source")
      ->check(CLI::Range(1, 50'000))
      ->capture_default_str();
  command.add_option("--seed", seed, "of texts and recipients")->capture_default_str();
  if (with_domains) {
    command
        .add_option("--domains", domains,
                    "how many recipient domains (long-tailed), or a file: a domain and its weight "
                    "a line")
        ->capture_default_str();
  }
  command
      .add_option("--pipelining", pipelining,
                  "what leaves without waiting: none, flight (MAIL, RCPT, DATA), overlap (these "
                  "with the dot before)")
      ->check(CLI::IsMember({"none", "flight", "overlap"}))
      ->capture_default_str();
}

Result<Domains> domains_from(const std::string& text, std::uint64_t seed) {
  const std::optional<std::uint64_t> count = parse_number(text);
  if (!count) {
    return Domains::from_file(text, seed);
  }
  if (*count == 0 || *count > 10'000'000) {
    return fail("the number of domains must be between 1 and 10,000,000");
  }
  return Domains::long_tailed(*count, seed);
}

Pipelining pipelining_from(const std::string& text) {
  if (text == "none") {
    return Pipelining::none;
  }
  return text == "flight" ? Pipelining::flight : Pipelining::overlap;
}

Result<Endpoint> endpoint_from(const std::string& text) {
  std::string address = text;
  if (address.starts_with("localhost:")) {
    address.replace(0, 9, "127.0.0.1");
  }
  const std::optional<Endpoint> endpoint = Endpoint::parse(address);
  if (!endpoint) {
    return fail(fmt::format("'{}' is no address with a port", text),
                "write for example 127.0.0.1:2525");
  }
  return *endpoint;
}

std::uint32_t random_run() {
  std::uint32_t run = 0;
  const ssize_t got = ::getrandom(&run, sizeof(run), 0);
  return got == sizeof(run) ? run & 0xff'ffff : 0;
}

int report_failure(const Error& error, bool json) {
  if (json) {
    const nlohmann::ordered_json object = {
        {"error", {{"code", "failed"}, {"message", error.message}, {"remedy", error.remedy}}}};
    fmt::print("{}\n", object.dump());
  }
  fmt::print(stderr, "ringpost-bench: {}\n", error.describe());
  return 1;
}

}  // namespace ringpost::bench
