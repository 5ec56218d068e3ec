#include "ringpost/config/schema.h"

#include <limits>

namespace ringpost::config {
namespace {

constexpr std::uint32_t max_count = 1'000'000;
constexpr std::uint32_t max_shards = 128;  // a message id has eight bits for its shard
constexpr std::uint32_t max_streaming_depth = 64;
constexpr std::uint64_t kibibyte = 1ULL << 10;
constexpr std::uint64_t mebibyte = 1ULL << 20;
constexpr std::uint64_t gibibyte = 1ULL << 30;
constexpr std::uint64_t tebibyte = 1ULL << 40;

// A time-out of nothing would fail every attempt; only those where 0 means "none" may be 0.
constexpr Duration shortest = 1s;
using enum TimeUnit;

void read_tls_policy(TlsPolicy& policy, Reader& reader) {
  if (const auto index = reader.choice({"none", "may", "encrypt", "verify"}, {})) {
    policy = static_cast<TlsPolicy>(*index);
  }
}

void read_durability(Durability& durability, Reader& reader) {
  if (const auto index = reader.choice({"commit", "interval", "memory"}, {})) {
    durability = static_cast<Durability>(*index);
  }
}

constexpr Key<Config> config_table[] = {
    {{"spool.directory", "string", "", "\"/var/spool/ringpost\""},
     [](Config& c, Reader& r) { r.text(c.spool.directory); }},
    {{"spool.durability", "string", "", "\"commit\""},
     [](Config& c, Reader& r) { read_durability(c.spool.durability, r); }},
    {{"spool.interval", "duration", "s", "\"1s\""},
     [](Config& c, Reader& r) { r.duration(c.spool.interval, seconds, 0s); }},
    {{"spool.memory_budget", "size", "bytes", "\"256M\""},
     [](Config& c, Reader& r) { r.size(c.spool.memory_budget, mebibyte, tebibyte); }},
    {{"spool.minimum_free", "size", "bytes", "\"256M\""},
     [](Config& c, Reader& r) { r.size(c.spool.minimum_free, 0, tebibyte); }},
    {{"spool.segment_size", "size", "bytes", "\"64M\""},
     [](Config& c, Reader& r) { r.size(c.spool.segment_size, mebibyte, gibibyte); }},
    {{"shards.count", "number", "", "0"},
     [](Config& c, Reader& r) { r.number(c.shards.count, 0, max_shards); }},

    {{"listener.smtp", "endpoints", "", "[\"127.0.0.1:2525\"]"},
     [](Config& c, Reader& r) { r.endpoints(c.listener.smtp, 1); }},
    {{"listener.relay_from", "networks", "", "[\"127.0.0.0/8\", \"::1/128\"]"},
     [](Config& c, Reader& r) { r.networks(c.listener.relay_from); }},
    {{"listener.max_message_size", "size", "bytes", "\"32M\""},
     [](Config& c, Reader& r) { r.size(c.listener.max_message_size, kibibyte, gibibyte); }},
    {{"listener.max_recipients", "number", "", "1000"},
     [](Config& c, Reader& r) { r.number(c.listener.max_recipients, 1, 100'000); }},
    {{"listener.max_connections", "number", "", "1000"},
     [](Config& c, Reader& r) { r.number(c.listener.max_connections, 1, max_count); }},
    {{"listener.max_connections_per_client", "number", "", "0"},
     [](Config& c, Reader& r) { r.number(c.listener.max_connections_per_client, 0, max_count); }},
    {{"listener.max_command_length", "number", "bytes", "2048"},
     [](Config& c, Reader& r) { r.number(c.listener.max_command_length, 512, 65'536); }},
    {{"listener.max_line_length", "number", "bytes", "1000"},
     [](Config& c, Reader& r) { r.number(c.listener.max_line_length, 1000, 1'048'576); }},
    {{"listener.memory_budget", "size", "bytes", "\"256M\""},
     [](Config& c, Reader& r) { r.size(c.listener.memory_budget, mebibyte, tebibyte); }},
    {{"listener.proxy_protocol", "endpoints", "", "[]"},
     [](Config& c, Reader& r) { r.endpoints(c.listener.proxy_protocol, 0); }},
    {{"listener.proxy_networks", "networks", "", "[]"},
     [](Config& c, Reader& r) { r.networks(c.listener.proxy_networks); }},
    {{"listener.tls_certificate", "string", "", "(none)"},
     [](Config& c, Reader& r) { r.text(c.listener.tls_certificate); }},
    {{"listener.tls_key", "string", "", "(none)"},
     [](Config& c, Reader& r) { r.text(c.listener.tls_key); }},

    {{"control.socket", "string", "", "(spool.directory + \"/control.socket\")"},
     [](Config& c, Reader& r) { r.text(c.control.socket); }},
    {{"identity.hostname", "domain", "", "(the machine's host name)"},
     [](Config& c, Reader& r) { r.domain(c.identity.hostname, false); }},
    {{"dns.servers", "endpoints", "", "(those of /etc/resolv.conf)"},
     [](Config& c, Reader& r) { r.endpoints(c.dns.servers, 1); }},
    {{"delivery.port", "number", "", "25"}, [](Config& c, Reader& r) { r.port(c.delivery.port); }},
    {{"delivery.smarthost", "host", "", "(none)"},
     [](Config& c, Reader& r) { r.host(c.delivery.smarthost); }},
    {{"delivery.prohibited_networks", "networks", "",
      "[\"0.0.0.0/8\", \"127.0.0.0/8\", \"169.254.0.0/16\", \"224.0.0.0/4\", \"240.0.0.0/4\", "
      "\"::/128\", \"::1/128\", \"fe80::/10\", \"ff00::/8\"]"},
     [](Config& c, Reader& r) { r.networks(c.delivery.prohibited_networks); }},
    {{"delivery.streaming_depth", "number", "", "8"},
     [](Config& c, Reader& r) { r.number(c.delivery.streaming_depth, 1, max_streaming_depth); }},
    {{"delivery.tls", "string", "", "\"may\""},
     [](Config& c, Reader& r) { read_tls_policy(c.delivery.tls, r); }},
    {{"delivery.tls_ca_file", "string", "", "(the system's trust store)"},
     [](Config& c, Reader& r) { r.text(c.delivery.tls_ca_file); }},
    {{"delivery.max_in_flight", "number", "", "10000"},
     [](Config& c, Reader& r) { r.number(c.delivery.max_in_flight, 1, max_count); }},
    {{"connection_cache.size", "number", "", "1000"},
     [](Config& c, Reader& r) { r.number(c.connection_cache.size, 0, max_count); }},
    {{"connection_cache.timeout", "duration", "m", "\"30s\""},
     [](Config& c, Reader& r) { r.duration(c.connection_cache.timeout, minutes, 0s); }},

    {{"timeouts.connect", "duration", "m", "\"30s\""},
     [](Config& c, Reader& r) { r.duration(c.timeouts.connect, minutes, shortest); }},
    {{"timeouts.iconnect", "duration", "m", "0"},
     [](Config& c, Reader& r) { r.duration(c.timeouts.iconnect, minutes, 0s); }},
    {{"timeouts.aconnect", "duration", "m", "0"},
     [](Config& c, Reader& r) { r.duration(c.timeouts.aconnect, minutes, 0s); }},
    {{"timeouts.initial", "duration", "m", "\"5m\""},
     [](Config& c, Reader& r) { r.duration(c.timeouts.initial, minutes, shortest); }},
    {{"timeouts.helo", "duration", "m", "\"5m\""},
     [](Config& c, Reader& r) { r.duration(c.timeouts.helo, minutes, shortest); }},
    {{"timeouts.starttls", "duration", "m", "\"2m\""},
     [](Config& c, Reader& r) { r.duration(c.timeouts.starttls, minutes, shortest); }},
    {{"timeouts.mail", "duration", "m", "\"5m\""},
     [](Config& c, Reader& r) { r.duration(c.timeouts.mail, minutes, shortest); }},
    {{"timeouts.rcpt", "duration", "m", "\"5m\""},
     [](Config& c, Reader& r) { r.duration(c.timeouts.rcpt, minutes, shortest); }},
    {{"timeouts.datainit", "duration", "m", "\"2m\""},
     [](Config& c, Reader& r) { r.duration(c.timeouts.datainit, minutes, shortest); }},
    {{"timeouts.datablock", "duration", "m", "\"3m\""},
     [](Config& c, Reader& r) { r.duration(c.timeouts.datablock, minutes, shortest); }},
    {{"timeouts.datafinal", "duration", "m", "\"10m\""},
     [](Config& c, Reader& r) { r.duration(c.timeouts.datafinal, minutes, shortest); }},
    {{"timeouts.rset", "duration", "m", "\"5m\""},
     [](Config& c, Reader& r) { r.duration(c.timeouts.rset, minutes, shortest); }},
    {{"timeouts.quit", "duration", "m", "\"2m\""},
     [](Config& c, Reader& r) { r.duration(c.timeouts.quit, minutes, shortest); }},
    {{"timeouts.misc", "duration", "m", "\"2m\""},
     [](Config& c, Reader& r) { r.duration(c.timeouts.misc, minutes, shortest); }},
    {{"timeouts.command", "duration", "m", "\"5m\""},
     [](Config& c, Reader& r) { r.duration(c.timeouts.command, minutes, shortest); }},
    {{"timeouts.control", "duration", "m", "\"2m\""},
     [](Config& c, Reader& r) { r.duration(c.timeouts.control, minutes, shortest); }},
    {{"timeouts.hoststatus", "duration", "m", "\"30m\""},
     [](Config& c, Reader& r) { r.duration(c.timeouts.hoststatus, minutes, 0s); }},
    {{"timeouts.resolver_retrans", "duration", "s", "\"5s\""},
     [](Config& c, Reader& r) { r.duration(c.timeouts.resolver_retrans, seconds, shortest); }},
    {{"timeouts.resolver_retry", "number", "", "4"},
     [](Config& c, Reader& r) { r.number(c.timeouts.resolver_retry, 1, 100); }},
    {{"timeouts.queuereturn", "duration", "d", "\"5d\""},
     [](Config& c, Reader& r) { r.duration(c.timeouts.queuereturn, days, shortest); }},

    {{"retry.first", "duration", "m", "\"10m\""},
     [](Config& c, Reader& r) { r.duration(c.retry.first, minutes, shortest); }},
    {{"retry.max", "duration", "m", "\"4h\""},
     [](Config& c, Reader& r) { r.duration(c.retry.max, minutes, shortest); }},
    {{"queue.default_groups", "number", "", "0"},
     [](Config& c, Reader& r) { r.number(c.queue.default_groups, 0, 4096); }},
    {{"suppression.file", "string", "", "(none)"},
     [](Config& c, Reader& r) { r.text(c.suppression.file); }},
    {{"metrics.listen", "endpoint", "", "(not served)"},
     [](Config& c, Reader& r) { r.endpoint(c.metrics.listen); }},
    {{"log.events", "string", "", "(spool.directory + \"/events.log\")"},
     [](Config& c, Reader& r) { r.text(c.log.events); }},
    {{"log.format", "string", "", "\"json\""},
     [](Config&, Reader& r) { r.choice({"json"}, {"sendmail", "both"}); }},
};

constexpr Key<QueueGroup> queue_group_table[] = {
    {{"queue_group.domains", "domains", "", "[]"},
     [](QueueGroup& g, Reader& r) { r.domain_patterns(g.domains); }},
    {{"queue_group.mx", "domains", "", "[]"},
     [](QueueGroup& g, Reader& r) { r.domain_patterns(g.mx); }},
    {{"queue_group.shard", "number", "", "(by the hash of the name)"},
     [](QueueGroup& g, Reader& r) { r.number(g.shard, 0, max_shards - 1); }},
    {{"queue_group.runners", "number", "", "100"},
     [](QueueGroup& g, Reader& r) { r.number(g.runners, 1, max_count); }},
    {{"queue_group.weight", "number", "", "1"},
     [](QueueGroup& g, Reader& r) { r.number(g.weight, 1, 1000); }},
    {{"queue_group.egress", "names", "", "[]"},
     [](QueueGroup& g, Reader& r) { r.names(g.egress); }},
    {{"queue_group.delivery", "string", "", "\"queue\""},
     [](QueueGroup& g, Reader& r) {
       if (const auto index = r.choice({"queue", "hold"}, {"at_once"})) {
         g.delivery = *index == 0 ? DeliveryMode::queue : DeliveryMode::hold;
       }
     }},
    {{"queue_group.max_connections_per_destination", "number", "", "10"},
     [](QueueGroup& g, Reader& r) { r.number(g.max_connections_per_destination, 1, max_count); }},
    {{"queue_group.max_messages_per_connection", "number", "", "100"},
     [](QueueGroup& g, Reader& r) {
       r.number(g.max_messages_per_connection, 0, std::numeric_limits<std::int32_t>::max());
     }},
    {{"queue_group.max_recipients_per_transaction", "number", "", "100"},
     [](QueueGroup& g, Reader& r) { r.number(g.max_recipients_per_transaction, 1, 10'000); }},
    {{"queue_group.rate", "rate", "", "(no limit)"},
     [](QueueGroup& g, Reader& r) { r.rate(g.rate_per_second); }},
    {{"queue_group.connection_cache_size", "number", "", "(connection_cache.size)"},
     [](QueueGroup& g, Reader& r) { r.number(g.connection_cache_size, 0, max_count); }},
    {{"queue_group.connection_cache_timeout", "duration", "m", "(connection_cache.timeout)"},
     [](QueueGroup& g, Reader& r) { r.duration(g.connection_cache_timeout, minutes, 0s); }},
    {{"queue_group.streaming_depth", "number", "", "(delivery.streaming_depth)"},
     [](QueueGroup& g, Reader& r) { r.number(g.streaming_depth, 1, max_streaming_depth); }},
    {{"queue_group.tls", "string", "", "(delivery.tls)"},
     [](QueueGroup& g, Reader& r) { read_tls_policy(g.tls, r); }},
    {{"queue_group.durability", "string", "", "(spool.durability)"},
     [](QueueGroup& g, Reader& r) { read_durability(g.durability, r); }},
};

constexpr Key<Route> route_table[] = {
    {{"route.domain", "domain", "", "(required)"},
     [](Route& route, Reader& r) { r.domain(route.domain, true); }},
    {{"route.hosts", "hosts", "", "(required)"},
     [](Route& route, Reader& r) { r.hosts(route.hosts); }},
};

constexpr Key<Egress> egress_table[] = {
    {{"egress.name", "string", "", "(required)"}, [](Egress& e, Reader& r) { r.name(e.name); }},
    {{"egress.ipv4", "string", "", "(none)"},
     [](Egress& e, Reader& r) { r.address(e.ipv4, IpAddress::Family::v4); }},
    {{"egress.ipv6", "string", "", "(none)"},
     [](Egress& e, Reader& r) { r.address(e.ipv6, IpAddress::Family::v6); }},
    {{"egress.ehlo", "domain", "", "(identity.hostname)"},
     [](Egress& e, Reader& r) { r.domain(e.ehlo, false); }},
};

constexpr Key<Destination> destination_table[] = {
    {{"destination.name", "string", "", "(required)"},
     [](Destination& d, Reader& r) { r.name(d.name); }},
    {{"destination.mx", "domains", "", "[]"},
     [](Destination& d, Reader& r) { r.domain_patterns(d.mx); }},
    {{"destination.tls", "string", "", "(queue_group.tls)"},
     [](Destination& d, Reader& r) { read_tls_policy(d.tls.emplace(TlsPolicy::may), r); }},
};

constexpr KeyText name_key{"queue_group.name", "string", "", "(required)"};

constexpr std::string_view unsupported[] = {
    "timeouts.ident",
    "timeouts.fileopen",
    "timeouts.lhlo",
    "timeouts.auth",
    "timeouts.resolver_retrans_first",
    "timeouts.resolver_retrans_normal",
    "timeouts.resolver_retry_first",
    "timeouts.resolver_retry_normal",
    "timeouts.queuereturn_urgent",
    "timeouts.queuereturn_normal",
    "timeouts.queuereturn_non_urgent",
    "timeouts.queuereturn_dsn",
    "timeouts.queuewarn",
    "timeouts.queuewarn_urgent",
    "timeouts.queuewarn_normal",
    "timeouts.queuewarn_non_urgent",
    "timeouts.queuewarn_dsn",
    "log.rotate_size",
};

}  // namespace

std::span<const Key<Config>> config_keys() {
  return config_table;
}
std::span<const Key<QueueGroup>> queue_group_keys() {
  return queue_group_table;
}
std::span<const Key<Route>> route_keys() {
  return route_table;
}

std::span<const Key<Egress>> egress_keys() {
  return egress_table;
}

std::span<const Key<Destination>> destination_keys() {
  return destination_table;
}

std::vector<KeyText> all_keys() {
  std::vector<KeyText> keys;
  for (const Key<Config>& key : config_table) {
    keys.push_back(key.text);
  }
  keys.push_back(name_key);
  for (const Key<QueueGroup>& key : queue_group_table) {
    keys.push_back(key.text);
  }
  for (const Key<Route>& key : route_table) {
    keys.push_back(key.text);
  }
  for (const Key<Egress>& key : egress_table) {
    keys.push_back(key.text);
  }
  for (const Key<Destination>& key : destination_table) {
    keys.push_back(key.text);
  }
  return keys;
}

std::vector<std::string_view> unsupported_keys() {
  return {std::begin(unsupported), std::end(unsupported)};
}

}  // namespace ringpost::config
