#include "ringpost/daemon/tls_setup.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>

namespace ringpost::daemon {
namespace {

constexpr std::size_t largest_file = std::size_t{4} << 20;

Result<std::string> read_file(const std::string& path) {
  std::FILE* const file = std::fopen(path.c_str(), "rbe");
  if (file == nullptr) {
    return fail_errno(errno, "cannot be read", "name an existing file that ringpostd may read");
  }
  std::string text;
  char block[16'384];
  errno = 0;
  std::size_t count = 0;
  while (text.size() <= largest_file && (count = std::fread(block, 1, sizeof(block), file)) > 0) {
    text.append(block, count);
  }
  const int error = std::ferror(file) != 0 ? (errno != 0 ? errno : EIO) : 0;
  std::fclose(file);
  if (error != 0) {
    return fail_errno(error, "cannot be read", "name an existing file that ringpostd may read");
  }
  if (text.size() > largest_file) {
    return fail("is larger than 4 MiB", "name a file in PEM form");
  }
  return text;
}

class Setup {
 public:
  explicit Setup(const config::Loaded& loaded) : loaded_(loaded), config_(loaded.config) {}

  std::expected<std::vector<ShardTls>, std::vector<config::Problem>> make() {
    std::vector<ShardTls> all(config_.shards.count);
    if (!config_.listener.tls_certificate.empty()) {
      make_servers(all);
    }
    if (wanted(config::TlsPolicy::may) || wanted(config::TlsPolicy::encrypt) ||
        wanted(config::TlsPolicy::verify)) {
      make_clients(all);
    }
    if (!problems_.empty()) {
      return std::unexpected(std::move(problems_));
    }
    return all;
  }

 private:
  [[nodiscard]] bool wanted(config::TlsPolicy policy) const {
    const auto wants = [policy](const config::QueueGroup& group) { return group.tls == policy; };
    return std::ranges::any_of(config_.queue_groups, wants) ||
           std::ranges::any_of(config_.default_groups, wants);
  }

  void problem(const std::string& key, const std::string& what, const Error& error) {
    const config::Place* const place = loaded_.origins.find(key);
    problems_.push_back({place != nullptr ? *place : config::Place{},
                         fmt::format("{}: {}{}", key, what,
                                     Error{error.message, {}, error.system_errno}.describe()),
                         error.remedy});
  }

  // The text of a PEM file in which `judge` finds nothing wrong.
  template <class Judge>
  std::optional<std::string> read_pem(const std::string& key, const std::string& path,
                                      Judge judge) {
    Result<std::string> text = read_file(path);
    const Result<> good = text ? judge(*text) : Result<>(std::unexpected(text.error()));
    if (!good) {
      problem(key, fmt::format("'{}' ", path), good.error());
      return std::nullopt;
    }
    return std::move(*text);
  }

  void make_servers(std::vector<ShardTls>& all) {
    const config::Listener& listener = config_.listener;
    const auto certificate = read_pem("listener.tls_certificate", listener.tls_certificate,
                                      net::TlsContext::check_certificate);
    const auto key = read_pem("listener.tls_key", listener.tls_key, net::TlsContext::check_key);
    if (!certificate || !key) {
      return;
    }
    for (ShardTls& shard : all) {
      auto made = net::TlsContext::server(*certificate, *key);
      if (!made) {
        return problem("listener.tls_key",
                       fmt::format("'{}' and '{}': ", listener.tls_certificate, listener.tls_key),
                       made.error());
      }
      shard.server = std::move(*made);
      if (const Result<> shared = shard.server->share_tickets_of(*all.front().server); !shared) {
        return problem("listener.tls_key", "", shared.error());
      }
    }
  }

  void make_clients(std::vector<ShardTls>& all) {
    net::ClientTlsSettings settings;
    settings.verifies = wanted(config::TlsPolicy::verify);
    settings.ca_file = config_.delivery.tls_ca_file;
    for (ShardTls& shard : all) {
      auto made = net::TlsContext::client(settings);
      if (!made) {
        return problem(settings.ca_file.empty() ? "delivery.tls" : "delivery.tls_ca_file", "",
                       made.error());
      }
      shard.client = std::move(*made);
    }
  }

  const config::Loaded& loaded_;
  const config::Config& config_;
  std::vector<config::Problem> problems_;
};

}  // namespace

std::expected<std::vector<ShardTls>, std::vector<config::Problem>> make_tls(
    const config::Loaded& loaded) {
  return Setup(loaded).make();
}

}  // namespace ringpost::daemon
