// The nouns of the house: a message as it was accepted, and its name. Values without behaviour,
// shared by every room above.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/base/time.h"
#include "ringpost/mail/report_request.h"

namespace ringpost::mail {

// Names a message for its whole life, across shards and restarts. Made by the shard that accepts
// it: milliseconds since 1970 (44 bits), shard (8 bits), number within the millisecond (12 bits).
struct MessageId {
  std::uint64_t value = 0;

  auto operator<=>(const MessageId&) const = default;
  // 13 characters of 0-9 a-v (base32hex), in which ids sort as they were made.
  [[nodiscard]] std::string to_string() const;
};
// The inverse of to_string(), ignoring case; value 0 if `text` is no id.
[[nodiscard]] MessageId parse_message_id(std::string_view text);

// RFC 5321: who it is from and to. Addresses are stored as received, without angle brackets;
// domains are compared in lower case.
struct Envelope {
  std::string sender;                   // empty = the null reverse-path
  std::vector<std::string> recipients;  // at least one once accepted
  std::string tenant;                   // X-Ringpost-Tenant, may be empty
  std::string job;                      // X-Ringpost-Job, may be empty
  std::string envid;                    // RFC 3461 ENVID as received, may be empty
  ReportRequest reports;                // RFC 3461, what else was said of reports
  bool eight_bit = false;               // the content has bytes above 127
  bool utf8 = false;                    // RFC 6531: the sender said SMTPUTF8, so it is needed
};

struct Message {
  MessageId id;
  WallTime arrived;
  Envelope envelope;
  // Header and body, lines ended by CRLF, not dot-stuffed, without the final dot; begins with
  // our own Received field.
  std::string content;
};

}  // namespace ringpost::mail
