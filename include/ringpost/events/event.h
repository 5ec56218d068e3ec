// The event log's lines as values: what happened to a recipient, as one JSON object. Pure. The
// field names and their order are fixed, scripts rely on them; what is unknown is null.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ringpost/base/time.h"
#include "ringpost/mail/enhanced_status.h"
#include "ringpost/mail/message.h"

namespace ringpost::events {

enum class EventKind : std::uint8_t {
  received,
  delivered,
  deferred,
  bounced,
  expired,
  in_doubt,
  warned,
  held,
  deleted,
  moved,
  suppressed,
};

[[nodiscard]] std::string_view name_of(EventKind kind);

// Texts that are empty, numbers that are absent, stand as null. The sender is the exception: empty
// is the null reverse-path, "". A line about a whole destination has no id, part and sender.
struct Event {
  WallTime time;
  EventKind kind = EventKind::received;
  mail::MessageId id;
  std::uint32_t part = 0;
  std::string_view sender;
  std::string_view recipient;
  std::string_view group;
  std::uint32_t shard = 0;
  std::string_view destination;
  std::string_view mx;
  std::string_view address;
  std::string_view source;
  std::string_view reply;
  mail::EnhancedStatus status;
  std::optional<std::uint32_t> attempt;
  std::optional<std::uint64_t> size;         // bytes of content
  std::optional<std::uint64_t> connection;   // id, unique within a run of the daemon's shard
  std::optional<std::uint64_t> transaction;  // its number on that connection, from 1
  std::optional<std::int64_t> queued_ms;     // since arrival
  std::optional<std::int64_t> attempt_ms;    // what the delivery attempt took
  std::string_view tenant;
  std::string_view job;
  std::string_view envid;
  std::string_view tls;  // protocol version of the delivery's connection
};

// Appends the line with its line feed.
void append_line(std::string& out, const Event& event);

}  // namespace ringpost::events
