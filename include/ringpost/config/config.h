// The configuration as one value: every setting that has an effect, with its default. Made by
// load() (load.h), read by whoever composes the rooms. After loading it is complete: nothing in it
// means "decide later", no path is missing, every group is listed. docs/OPERATING.md documents
// each key; a test keeps that page and the loader's list (keys.h) equal.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/base/ip_address.h"
#include "ringpost/base/time.h"

namespace ringpost::config {

// When a message may be answered 250, and so what a crash may cost.
enum class Durability : std::uint8_t {
  commit,    // once it is on disk: nothing
  interval,  // once it is in memory; it is on disk within spool.interval, unless it is done by then
  memory,    // once it is in memory; it goes to disk when it must wait for another attempt
};

[[nodiscard]] std::string_view name_of(Durability durability);

struct Spool {
  std::string directory = "/var/spool/ringpost";
  Durability durability = Durability::commit;  // of groups that do not say
  Duration interval = 1s;
  std::uint64_t memory_budget = 256ULL << 20;  // bytes of bodies, of all shards together
  std::uint64_t minimum_free = 256ULL << 20;   // bytes of disk space kept from new mail
  std::uint64_t segment_size = 64ULL << 20;    // bytes, a multiple of 4 KiB

  bool operator==(const Spool&) const = default;
};

struct Shards {
  std::uint32_t count = 0;  // at least 1 once loaded

  bool operator==(const Shards&) const = default;
};

struct Listener {
  std::vector<Endpoint> smtp;  // port 0 lets the kernel choose
  std::vector<Network> relay_from;
  std::uint64_t max_message_size = 32ULL << 20;  // bytes
  std::uint32_t max_recipients = 1000;           // per message
  std::uint32_t max_connections = 1000;          // per shard
  std::uint32_t max_connections_per_client = 0;  // per shard; 0 = as many as there may be
  std::uint32_t max_command_length = 2048;       // bytes, CRLF included
  std::uint32_t max_line_length = 1000;          // bytes of a line of content, CRLF included
  std::uint64_t memory_budget = 256ULL << 20;    // bytes of large messages coming in, of all shards
  std::string tls_certificate;  // PEM files; STARTTLS is offered where both are named
  std::string tls_key;
  std::vector<Endpoint> proxy_protocol;  // listened on besides `smtp`, by proxies' clients only
  std::vector<Network> proxy_networks;   // where those proxies are

  bool operator==(const Listener&) const = default;
};

struct Control {
  std::string socket;

  bool operator==(const Control&) const = default;
};

struct Identity {
  std::string hostname;

  bool operator==(const Identity&) const = default;
};

struct Dns {
  std::vector<Endpoint> servers;  // empty: those of /etc/resolv.conf

  bool operator==(const Dns&) const = default;
};

// Where to connect to: a name, or an address.
struct Host {
  std::string name;                  // lower case; empty where `address` is set
  std::optional<IpAddress> address;  // else nothing
  std::uint16_t port = 0;            // delivery.port, once loaded, where none was given

  [[nodiscard]] std::string to_string() const;  // as the configuration writes it
  bool operator==(const Host&) const = default;
};

// What a delivery does about STARTTLS (RFC 3207).
enum class TlsPolicy : std::uint8_t {
  none,     // never used
  may,      // used where offered, whoever answers; else clear text
  encrypt,  // demanded, whoever answers
  verify,   // demanded, from a server that proves its name
};

[[nodiscard]] std::string_view name_of(TlsPolicy policy);
// The policy of that name, which must be one.
[[nodiscard]] TlsPolicy tls_policy_named(std::string_view name);

struct Delivery {
  std::uint16_t port = 25;
  std::optional<Host> smarthost;
  std::vector<Network> prohibited_networks;
  std::uint32_t streaming_depth = 8;    // transactions at the same time; 1 = none is streamed
  std::uint32_t max_in_flight = 10000;  // transactions, per shard
  TlsPolicy tls = TlsPolicy::may;
  std::string tls_ca_file;  // PEM; empty: the system's trust store

  bool operator==(const Delivery&) const = default;
};

struct Route {
  std::string domain;  // lower case; "*.example" stands for every name below example
  std::vector<Host> hosts;

  bool operator==(const Route&) const = default;
};

// Where mail leaves from. Once loaded it has an address and an EHLO name.
struct Egress {
  std::string name;
  std::optional<IpAddress> ipv4;
  std::optional<IpAddress> ipv6;
  std::string ehlo;

  bool operator==(const Egress&) const = default;
};

// A provider whose domains share limits, known by its MX hosts.
struct Destination {
  std::string name;
  std::vector<std::string> mx;   // host names, or "*.example"; none: the provider that ships is off
  std::optional<TlsPolicy> tls;  // nothing: that of the queue group

  bool operator==(const Destination&) const = default;
};

struct ConnectionCache {
  std::uint32_t size = 1000;  // connections, per shard; 0 = none is kept
  Duration timeout = 30s;     // idle

  bool operator==(const ConnectionCache&) const = default;
};

// sendmail's Timeout suboptions. Defaults: connect 30s; where RFC 5321 section 4.5.3.2 names a
// minimum, that; sendmail's default elsewhere.
struct Timeouts {
  Duration connect = 30s;  // one address
  Duration iconnect = 0s;  // connect, on a recipient's first attempt; 0 = connect
  Duration aconnect = 0s;  // all connects of an attempt, tested between addresses; 0 = none
  Duration initial = 5min;
  Duration helo = 5min;
  Duration starttls = 2min;  // reply and handshake; sendmail's 1h would hold up a runner
  Duration mail = 5min;
  Duration rcpt = 5min;
  Duration datainit = 2min;
  Duration datablock = 3min;
  Duration datafinal = 10min;
  Duration rset = 5min;
  Duration quit = 2min;
  Duration misc = 2min;
  Duration command = 5min;  // listener: the next command
  Duration control = 2min;  // one request on the control socket
  Duration hoststatus = 30min;
  Duration resolver_retrans = 5s;
  std::uint32_t resolver_retry = 4;  // transmissions, the first one included
  Duration queuereturn = std::chrono::hours(5 * 24);

  bool operator==(const Timeouts&) const = default;
};

struct Retry {
  Duration first = 10min;
  Duration max = 4h;

  bool operator==(const Retry&) const = default;
};

enum class DeliveryMode : std::uint8_t {
  queue,  // every message waits for a queue runner
  hold,   // messages are taken and kept, not delivered
};

struct QueueGroup {
  std::string name;
  std::vector<std::string> domains;    // lower case, exact or "*.example"; none for default groups
  std::vector<std::string> mx;         // likewise, of the MX hosts of domains that no group names
  std::optional<std::uint32_t> shard;  // nothing: a hash of the name chooses
  std::uint32_t runners = 100;
  std::uint32_t weight = 1;         // its share of the shard's transactions in flight
  std::vector<std::string> egress;  // names of sources; none: the system chooses
  DeliveryMode delivery = DeliveryMode::queue;
  std::uint32_t max_connections_per_destination = 10;
  std::uint32_t max_messages_per_connection = 100;  // 0 = no limit
  std::uint32_t max_recipients_per_transaction = 100;
  double rate_per_second = 0;                  // messages to one destination; 0 = no limit
  std::uint32_t connection_cache_size = 0;     // once loaded: connection_cache.size if not set
  Duration connection_cache_timeout = 0s;      // likewise
  std::uint32_t streaming_depth = 0;           // once loaded: delivery.streaming_depth if not set
  TlsPolicy tls = TlsPolicy::may;              // likewise, delivery.tls
  Durability durability = Durability::commit;  // likewise, spool.durability

  bool operator==(const QueueGroup&) const = default;
};

struct Queue {
  std::uint32_t default_groups = 0;  // at least 1 once loaded

  bool operator==(const Queue&) const = default;
};

struct Suppression {
  std::string file;  // empty: nothing is suppressed

  bool operator==(const Suppression&) const = default;
};

struct Metrics {
  std::optional<Endpoint> listen;  // nothing: not served

  bool operator==(const Metrics&) const = default;
};

struct Log {
  std::string events;

  bool operator==(const Log&) const = default;
};

struct Config {
  Spool spool;
  Shards shards;
  Listener listener;
  Control control;
  Identity identity;
  Dns dns;
  Delivery delivery;
  std::vector<Route> routes;  // in the order of the file, as are the next two
  std::vector<Egress> egress;
  std::vector<Destination> destinations;  // besides those that ship
  ConnectionCache connection_cache;
  Timeouts timeouts;
  Retry retry;
  std::vector<QueueGroup>
      queue_groups;  // those that name domains or MX hosts, in the order of the file
  std::vector<QueueGroup> default_groups;  // default-0, default-1, …: a domain's hash chooses
  Queue queue;
  Suppression suppression;
  Metrics metrics;
  Log log;

  bool operator==(const Config&) const = default;
};

}  // namespace ringpost::config
