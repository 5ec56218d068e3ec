// What the control socket answers, as values, and their JSON. Filled in by the shards and the
// daemon; the fields and their names are fixed, since scripts read them. Pure: asks nobody, knows
// no clock. Unknown is null, never absent; times are RFC 3339 in UTC.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ringpost/base/time.h"

namespace ringpost::control {

struct ShardStatus {
  std::optional<std::uint32_t> shard;  // nothing: the sum of all
  std::uint64_t messages_queued = 0;
  std::uint64_t only_in_memory = 0;  // of those
  std::uint64_t ready = 0;
  std::uint64_t deferred = 0;
  std::uint64_t held = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t connections_open = 0;
  std::uint64_t connections_idle = 0;
  std::uint64_t accepted_total = 0;
  std::uint64_t delivered_total = 0;
  std::uint64_t deferred_total = 0;
  std::uint64_t bounced_total = 0;
  std::uint64_t expired_total = 0;
  std::uint64_t in_doubt_total = 0;
  std::uint64_t quarantined_total = 0;
  std::uint64_t spool_live_bytes = 0;
  std::uint64_t spool_free_bytes = 0;
  std::uint64_t deleted_total = 0;
  std::uint64_t suppressed_total = 0;
  std::uint64_t reports_owed = 0;  // messages about failures that are still to be written

  // Adds every number; `shard` stays.
  ShardStatus& operator+=(const ShardStatus& other);
};

struct Status {
  std::string version;
  std::int64_t pid = 0;
  bool draining = false;
  std::uint64_t uptime_ms = 0;
  std::string events_log;           // its path; empty: none
  std::vector<ShardStatus> shards;  // the totals are their sum
};

struct LastError {
  std::optional<WallTime> time;
  std::string status;  // enhanced, "4.2.1"; empty = unknown
  std::string reply;
};

struct QueueLine {
  std::string destination;
  std::string group;
  std::uint32_t shard = 0;
  std::uint64_t ready = 0;
  std::uint64_t deferred = 0;
  std::uint64_t held = 0;
  std::uint64_t in_flight = 0;
  std::optional<WallTime> oldest;
  std::optional<WallTime> next_attempt;
  std::uint64_t connections_open = 0;
  std::uint64_t connections_idle = 0;
  std::optional<LastError> last_error;
};
struct Queue {
  std::vector<QueueLine> destinations;
  bool truncated = false;  // there are more than were asked for
};

struct GroupLine {
  std::string group;
  std::uint32_t shard = 0;
  std::uint32_t runners = 0;
  std::uint32_t runners_busy = 0;
  std::uint64_t ready = 0;
  std::uint64_t deferred = 0;
  std::uint64_t held = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t delivered_total = 0;
  std::uint64_t connections_opened_total = 0;
  std::string held_by;  // configuration, operator; empty: nobody holds all of it
  std::string durability;
  std::string possible_loss;  // what a crash may cost, in words
};
struct Groups {
  std::vector<GroupLine> groups;
};

struct Explanation {
  struct MxHost {
    std::string host;
    std::optional<std::uint16_t> preference;  // static routes have none
    std::vector<std::string> addresses;
    std::string state;              // up, down, recovering; empty = unknown
    std::optional<WallTime> until;  // when it is tried again
  };
  struct Limit {
    std::string name;             // the configuration key
    std::optional<double> value;  // nothing: no limit
    double used = 0;
    std::string set_at;  // FILE:LINE, "command line" or "default"
  };
  struct Binding {  // what holds this mail up now
    std::string limit;
    std::optional<WallTime> since;
    std::optional<WallTime> lifts_at;
  };

  std::string address;
  std::string matched_kind;  // exact, suffix, mx, default
  std::string matched_pattern;
  std::string matched_set_at;
  std::string group;
  std::uint32_t shard = 0;
  std::string destination;  // empty = not known yet
  std::string via;          // dns, route, smarthost
  std::string tls;          // policy; empty = not known yet
  std::string tls_set_at;
  std::vector<MxHost> mx;
  std::vector<Limit> limits;
  std::optional<Binding> binding;
};

struct MessageView {
  struct Recipient {
    std::string recipient;
    std::uint32_t part = 0;
    std::string group;  // empty = unknown
    std::optional<std::uint32_t> shard;
    std::string destination;  // empty = unknown
    std::string state;        // ready, deferred, held, in_flight, done, moved
    std::uint32_t attempts = 0;
    std::optional<WallTime> next_attempt;
    std::optional<LastError> last_error;
  };

  std::string id;
  WallTime arrived;
  std::string sender;  // empty = the null reverse-path
  std::uint64_t size = 0;
  std::string tenant;
  std::string job;
  std::string envid;
  std::vector<Recipient> recipients;
};

// What an order came to.
struct Change {
  std::string what;  // flush, hold, release, delete, requeue
  bool dry_run = false;
  std::uint64_t messages = 0;    // with recipients among these:
  std::uint64_t recipients = 0;  // that it changed, or would
  std::uint64_t in_flight = 0;   // that it fits, but that are being sent: the flight wins
};

// What was said on the connections of a destination since the follower asked last.
struct Trace {
  struct Line {
    WallTime time;
    std::uint32_t shard = 0;
    std::uint64_t connection = 0;  // 0: there is none yet
    std::string mx;
    std::string address;
    std::string kind;  // sent, said, event
    std::string text;
  };
  bool known = false;  // there is such a destination
  std::vector<Line> lines;
  std::uint64_t lost = 0;  // lines that there was no room for
};

// The configuration was read again and every shard has it.
struct Reloaded {
  std::uint32_t shards = 0;
  std::uint64_t suppressed = 0;  // entries of the suppression list
};

// What the operator holds. The same on every shard.
struct HoldList {
  std::vector<std::string> groups;
  std::vector<std::string> destinations;
  std::vector<std::string> jobs;
};

// Why a request was not done. `http_status` is 400 or above.
struct Refusal {
  int http_status = 400;
  std::string code;  // a word for scripts: bad_request, not_found, …
  std::string message;
  std::string remedy;  // may be empty
};

// One line each, without the newline. Bytes that are no UTF-8, as peers may send them, are
// replaced.
[[nodiscard]] std::string to_json(const Status& status);
[[nodiscard]] std::string to_json(const Queue& queue);
[[nodiscard]] std::string to_json(const Groups& groups);
[[nodiscard]] std::string to_json(const Explanation& explanation);
[[nodiscard]] std::string to_json(const MessageView& message);
[[nodiscard]] std::string to_json(const Change& change);
[[nodiscard]] std::string to_json(const HoldList& holds);
[[nodiscard]] std::string to_json(const Reloaded& reloaded);
[[nodiscard]] std::string to_json(const Trace& trace);
[[nodiscard]] std::string to_json(const Refusal& refusal);

}  // namespace ringpost::control
