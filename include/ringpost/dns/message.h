// DNS messages for the three questions that delivering mail asks: MX, A, AAAA. Builds queries and
// judges answers, which are hostile input. Called by the resolver. Pure: ldns serves for packing
// and unpacking only; its resolver, which blocks, is never used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/base/ip_address.h"
#include "ringpost/base/time.h"

namespace ringpost::dns {

enum class RecordType : std::uint16_t { a = 1, mx = 15, aaaa = 28 };
[[nodiscard]] std::string_view name_of(RecordType type);

// RFC 6891 section 6.2.5: a size that no path on today's internet fragments.
inline constexpr std::uint16_t udp_payload_size = 1232;
// An answer over TCP beyond this is not read. It holds more records than any walk would use, and
// bounds what unpacking one message can cost.
inline constexpr std::size_t max_message_size = 16 * 1024;
// CNAME records followed within one answer.
inline constexpr int max_aliases = 8;

struct Question {
  std::string name;  // canonical
  RecordType type = RecordType::mx;

  bool operator==(const Question&) const = default;
};

enum class Edns : std::uint8_t { no, yes };

// Recursion desired, class IN. Empty when the name cannot be packed.
[[nodiscard]] std::string build_query(const Question& question, std::uint16_t id, Edns edns);

enum class AnswerStatus : std::uint8_t {
  ok,              // records of the type asked for
  no_data,         // the name exists, records of this type do not
  name_error,      // NXDOMAIN
  server_failure,  // SERVFAIL, and every other code but REFUSED
  refused,
  truncated,   // ask again over TCP
  malformed,   // answers our question, but cannot be unpacked
  mismatched,  // another question, another id, or no answer at all: not meant for us
};

struct MxRecord {
  std::uint16_t preference = 0;
  std::string exchange;  // as text_of_wire_name(): may be no host name; "" is the root

  bool operator==(const MxRecord&) const = default;
};

struct Answer {
  AnswerStatus status = AnswerStatus::mismatched;
  int rcode = 0;
  std::vector<MxRecord> mx;          // in the order of the message
  std::vector<IpAddress> addresses;  // likewise
  // The smallest along the chain of aliases and over the records; for no_data and name_error the
  // negative TTL of RFC 2308 section 5; 0 where none was given.
  Duration time_to_live{};
};

// What `message` says to `question` as sent with `id`.
[[nodiscard]] Answer parse_answer(std::string_view message, const Question& question,
                                  std::uint16_t id);

// "SERVFAIL", "NXDOMAIN", "rcode 23".
[[nodiscard]] std::string rcode_text(int rcode);

}  // namespace ringpost::dns
