#include "ringpost/config/complete.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ringpost/config/suggest.h"
#include "ringpost/config/values.h"

namespace ringpost::config {
namespace {

constexpr std::uint64_t block_size = 4096;    // what direct writes to the spool are aligned to
constexpr std::size_t max_socket_path = 107;  // sun_path less its final NUL, unix(7)
constexpr std::uint32_t default_groups_per_shard = 2;
constexpr std::uint32_t max_default_shards = 128;
// Also bounds what is remembered of the messages that came within it.
constexpr Duration longest_interval = 1min;

class Completion {
 public:
  Completion(Loaded& loaded, const Environment& environment, std::vector<Problem>& problems)
      : config_(loaded.config),
        origins_(loaded.origins),
        environment_(environment),
        problems_(problems) {}

  void fill_defaults(const QueueGroup& default_group) {
    if (config_.shards.count == 0) {
      config_.shards.count = std::clamp(environment_.cores, 1U, max_default_shards);
    }
    if (config_.queue.default_groups == 0) {
      config_.queue.default_groups = config_.shards.count * default_groups_per_shard;
    }
    for (std::uint32_t i = 0; i < config_.queue.default_groups; ++i) {
      QueueGroup group = default_group;
      group.name = fmt::format("default-{}", i);
      config_.default_groups.push_back(std::move(group));
    }
    if (config_.control.socket.empty()) {
      config_.control.socket = config_.spool.directory + "/control.socket";
    }
    if (config_.log.events.empty()) {
      config_.log.events = config_.spool.directory + "/events.log";
    }
    for (Route& route : config_.routes) {
      for (Host& host : route.hosts) {
        fill_port(host);
      }
    }
    if (config_.delivery.smarthost) {
      fill_port(*config_.delivery.smarthost);
    }
  }

  void check_hostname() {
    if (!config_.identity.hostname.empty()) {
      return;
    }
    Result<std::string> name = parse_domain(environment_.hostname, false);
    if (!name) {
      problem("identity.hostname",
              fmt::format("identity.hostname: the machine's host name cannot serve: {}",
                          name.error().message),
              "set identity.hostname");
      return;
    }
    config_.identity.hostname = *std::move(name);
  }

  void check_limits() {
    if (config_.spool.segment_size % block_size != 0) {
      problem("spool.segment_size", "spool.segment_size: expects a multiple of 4 KiB",
              fmt::format("{} is the next one",
                          (config_.spool.segment_size / block_size + 1) * block_size));
    }
    if (config_.listener.max_message_size > config_.spool.segment_size / 2) {
      problem(
          "listener.max_message_size",
          "listener.max_message_size: a message must fit into half a spool segment",
          fmt::format("at most {} with this spool.segment_size", config_.spool.segment_size / 2));
    }
    if (config_.spool.interval > longest_interval) {
      problem("spool.interval", "spool.interval: is longer than a crash should be allowed to cost",
              fmt::format("at most {}", format_duration(longest_interval)));
    }
    if (config_.retry.first > config_.retry.max) {
      problem("retry.first", "retry.first: is longer than retry.max",
              fmt::format("at most {}", format_duration(config_.retry.max)));
    }
    const Listener& listener = config_.listener;
    if (listener.tls_certificate.empty() != listener.tls_key.empty()) {
      const bool key_missing = listener.tls_key.empty();
      problem(key_missing ? "listener.tls_certificate" : "listener.tls_key",
              key_missing ? "listener.tls_certificate: is of no use without listener.tls_key"
                          : "listener.tls_key: is of no use without listener.tls_certificate",
              "name both files, or neither");
    }
    check_proxies();
    if (config_.control.socket.size() > max_socket_path) {
      problem("control.socket",
              fmt::format("control.socket: '{}' is longer than {} bytes, the most that a Unix "
                          "socket may have",
                          config_.control.socket, max_socket_path),
              "set a shorter control.socket");
    }
  }

  void check_egress() {
    for (Egress& source : config_.egress) {
      if (!source.ipv4 && !source.ipv6) {
        problem(fmt::format("egress.{}", source.name),
                fmt::format("egress.{}: has no address", source.name), "add ipv4 or ipv6");
      }
      if (source.ehlo.empty()) {
        source.ehlo = config_.identity.hostname;
      }
    }
    for (const QueueGroup& group : config_.queue_groups) {
      check_sources_of(group, group.name);
    }
    check_sources_of(config_.default_groups.front(), "default");
  }

  void check_sources_of(const QueueGroup& group, std::string_view name) {
    std::vector<std::string_view> known;
    for (const Egress& source : config_.egress) {
      known.push_back(source.name);
    }
    for (const std::string& wanted : group.egress) {
      if (std::ranges::find(known, wanted) == known.end()) {
        const std::string path = fmt::format("queue_group.{}.egress", name);
        const std::string nearest = nearest_name(wanted, known);
        problem(path, fmt::format("{}: there is no egress source '{}'", path, wanted),
                nearest.empty() ? "add it as an [[egress]]"
                                : fmt::format("did you mean '{}'?", nearest));
      }
    }
  }

  void check_groups() {
    std::map<std::string_view, std::string_view> group_of_domain;
    std::map<std::string_view, std::string_view> group_of_host;
    for (const QueueGroup& group : config_.queue_groups) {
      const std::string path = fmt::format("queue_group.{}", group.name);
      if (group.shard && *group.shard >= config_.shards.count) {
        problem(path + ".shard", fmt::format("{}.shard: there is no shard {}", path, *group.shard),
                fmt::format("with {} shards the last one is {}", config_.shards.count,
                            config_.shards.count - 1));
      }
      check_patterns(group_of_domain, group, group.domains, "domains");
      check_patterns(group_of_host, group, group.mx, "mx");
    }
  }

 private:
  void check_proxies() {
    const Listener& listener = config_.listener;
    if (!listener.proxy_protocol.empty() && listener.proxy_networks.empty()) {
      problem("listener.proxy_protocol",
              "listener.proxy_protocol: nobody may connect there without listener.proxy_networks",
              "name the networks that the proxies are in");
    }
    for (const Endpoint& endpoint : listener.proxy_protocol) {
      if (endpoint.port != 0 && std::ranges::find(listener.smtp, endpoint) != listener.smtp.end()) {
        problem("listener.proxy_protocol",
                fmt::format("listener.proxy_protocol: {} is one of listener.smtp too",
                            endpoint.to_string()),
                "whether a PROXY header comes must not be left to the client: name it once");
      }
    }
  }

  // Each pattern is in one group only: `group_of` has those of the groups before.
  void check_patterns(std::map<std::string_view, std::string_view>& group_of,
                      const QueueGroup& group, const std::vector<std::string>& patterns,
                      std::string_view key) {
    for (const std::string& pattern : patterns) {
      const auto [known, added] = group_of.emplace(pattern, group.name);
      if (!added) {
        const std::string path = fmt::format("queue_group.{}.{}", group.name, key);
        const std::string other = fmt::format("queue_group.{}.{}", known->second, key);
        problem(fmt::format("{}.{}", path, pattern),
                fmt::format("{}: '{}' is already in queue group '{}' at {}", path, pattern,
                            known->second, origins_.at(fmt::format("{}.{}", other, pattern))),
                "remove it from one of them");
      }
    }
  }
  void fill_port(Host& host) const {
    if (host.port == 0) {
      host.port = config_.delivery.port;
    }
  }
  void problem(const std::string& path, std::string message, std::string suggestion) {
    const Place* place = origins_.find(path);
    problems_.push_back(
        Problem{place != nullptr ? *place : Place{}, std::move(message), std::move(suggestion)});
  }

  Config& config_;
  const Origins& origins_;
  const Environment& environment_;
  std::vector<Problem>& problems_;
};

}  // namespace

void inherit(QueueGroup& group, const Config& config) {
  group.connection_cache_size = config.connection_cache.size;
  group.connection_cache_timeout = config.connection_cache.timeout;
  group.streaming_depth = config.delivery.streaming_depth;
  group.tls = config.delivery.tls;
  group.durability = config.spool.durability;
}

void complete(Loaded& loaded, const QueueGroup& default_group, const Environment& environment,
              std::vector<Problem>& problems) {
  Completion completion(loaded, environment, problems);
  completion.fill_defaults(default_group);
  completion.check_hostname();
  completion.check_limits();
  completion.check_egress();
  completion.check_groups();
}

}  // namespace ringpost::config
