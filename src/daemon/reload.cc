#include "ringpost/daemon/reload.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <string_view>
#include <utility>

namespace ringpost::daemon {
namespace {

struct FixedKey {
  std::string_view name;
  bool (*same)(const config::Config& a, const config::Config& b);
};

// What rooms are made with and cannot change. Everything else takes effect at once.
constexpr FixedKey fixed_keys[] = {
    {"spool.directory",
     [](const auto& a, const auto& b) { return a.spool.directory == b.spool.directory; }},
    {"spool.memory_budget",
     [](const auto& a, const auto& b) { return a.spool.memory_budget == b.spool.memory_budget; }},
    {"spool.minimum_free",
     [](const auto& a, const auto& b) { return a.spool.minimum_free == b.spool.minimum_free; }},
    {"spool.segment_size",
     [](const auto& a, const auto& b) { return a.spool.segment_size == b.spool.segment_size; }},
    {"shards.count", [](const auto& a, const auto& b) { return a.shards == b.shards; }},
    {"listener.smtp",
     [](const auto& a, const auto& b) { return a.listener.smtp == b.listener.smtp; }},
    {"listener.tls_certificate",
     [](const auto& a, const auto& b) {
       return a.listener.tls_certificate == b.listener.tls_certificate;
     }},
    {"listener.tls_key",
     [](const auto& a, const auto& b) { return a.listener.tls_key == b.listener.tls_key; }},
    {"delivery.tls_ca_file",
     [](const auto& a, const auto& b) { return a.delivery.tls_ca_file == b.delivery.tls_ca_file; }},
    {"listener.proxy_protocol",
     [](const auto& a, const auto& b) {
       return a.listener.proxy_protocol == b.listener.proxy_protocol;
     }},
    {"control.socket", [](const auto& a, const auto& b) { return a.control == b.control; }},
    {"identity.hostname", [](const auto& a, const auto& b) { return a.identity == b.identity; }},
    {"dns.servers", [](const auto& a, const auto& b) { return a.dns == b.dns; }},
    {"timeouts.control",
     [](const auto& a, const auto& b) { return a.timeouts.control == b.timeouts.control; }},
    {"timeouts.resolver_retrans",
     [](const auto& a, const auto& b) {
       return a.timeouts.resolver_retrans == b.timeouts.resolver_retrans;
     }},
    {"timeouts.resolver_retry",
     [](const auto& a, const auto& b) {
       return a.timeouts.resolver_retry == b.timeouts.resolver_retry;
     }},
    {"metrics.listen", [](const auto& a, const auto& b) { return a.metrics == b.metrics; }},
    {"log.events", [](const auto& a, const auto& b) { return a.log == b.log; }},
};

Result<std::string> read_text(const std::string& path) {
  std::FILE* const file = std::fopen(path.c_str(), "rbe");
  if (file == nullptr) {
    return fail_errno(
        errno, fmt::format("cannot open suppression.file {}", path),
        errno == EACCES ? "make it readable for the user that ringpostd runs as" : "");
  }
  std::string text;
  char block[1 << 16];
  errno = 0;
  while (text.size() <= mail::SuppressionList::longest_text) {
    const std::size_t count = std::fread(block, 1, sizeof(block), file);
    text.append(block, count);
    if (count == 0) {
      break;
    }
  }
  const int error = std::ferror(file) != 0 ? (errno != 0 ? errno : EIO) : 0;
  std::fclose(file);
  if (error != 0) {
    return fail_errno(error, fmt::format("cannot read suppression.file {}", path));
  }
  return text;
}

}  // namespace

Result<std::shared_ptr<const mail::SuppressionList>> read_suppressed(const config::Config& config) {
  const std::string& path = config.suppression.file;
  if (path.empty()) {
    return std::make_shared<const mail::SuppressionList>();
  }
  Result<std::string> text = read_text(path);
  if (!text) {
    return std::unexpected(text.error());
  }
  Result<mail::SuppressionList> list = mail::SuppressionList::parse(std::move(*text), path);
  if (!list) {
    return std::unexpected(list.error());
  }
  return std::make_shared<const mail::SuppressionList>(std::move(*list));
}

std::vector<config::Problem> changes_that_need_restart(const config::Config& running,
                                                       const config::Loaded& wanted) {
  std::vector<config::Problem> problems;
  for (const FixedKey& key : fixed_keys) {
    if (!key.same(running, wanted.config)) {
      const config::Place* const place = wanted.origins.find(key.name);
      problems.push_back({place == nullptr ? config::Place() : *place,
                          fmt::format("{} cannot change while the daemon runs", key.name),
                          "restart it, or set the key back"});
    }
  }
  return problems;
}

std::expected<Configuration, std::vector<std::string>> read_again(const ConfigurationSource& source,
                                                                  const config::Config& running) {
  std::vector<std::string> problems;
  config::LoadResult loaded = config::load_file(source.file, source.overrides, source.environment);
  const std::vector<config::Problem> found =
      loaded ? changes_that_need_restart(running, *loaded) : loaded.error();
  for (const config::Problem& problem : found) {
    problems.push_back(problem.describe());
  }
  if (!problems.empty()) {
    return std::unexpected(std::move(problems));
  }
  auto suppressed = read_suppressed(loaded->config);
  if (!suppressed) {
    problems.push_back(suppressed.error().describe());
    return std::unexpected(std::move(problems));
  }
  return Configuration{std::move(*loaded), std::move(*suppressed)};
}

}  // namespace ringpost::daemon
