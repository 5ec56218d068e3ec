// One command line of a client, RFC 5321 section 4.1: which verb, and what its argument says.
// Called by ServerSession; judges syntax alone, never sequence or policy.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ringpost/mail/address.h"
#include "ringpost/mail/report_request.h"

namespace ringpost::smtp {

enum class Verb : std::uint8_t {
  ehlo,
  helo,
  mail,
  rcpt,
  data,
  bdat,
  rset,
  starttls,
  noop,
  vrfy,
  help,
  quit,
  absent,  // known to SMTP, not offered here
  unknown,
};

struct Command {
  Verb verb = Verb::unknown;
  std::string_view argument;  // without spaces at both ends
};

// `line` comes without its CRLF.
[[nodiscard]] Command parse_command(std::string_view line);

// A complete refusal ("501 5.5.4 …", without CRLF), or empty if the command is sound.
using Refusal = std::string;

// Views into the command line.
struct MailArguments {
  std::string_view sender;                           // empty = the null reverse-path
  std::optional<std::uint64_t> size;                 // RFC 1870
  bool eight_bit = false;                            // BODY=8BITMIME, RFC 6152
  bool utf8 = false;                                 // SMTPUTF8, RFC 6531
  mail::Returned returned = mail::Returned::unsaid;  // RET, RFC 3461
  std::string_view envid;                            // ENVID, as it stands there
};
// `argument` is what stands behind MAIL: FROM:<path> and parameters.
[[nodiscard]] Refusal parse_mail(std::string_view argument, MailArguments& out);

struct RcptArguments {
  std::string_view recipient;
  std::uint8_t notify = mail::notify::unsaid;  // NOTIFY, RFC 3461
  std::string_view original;                   // ORCPT, as it stands there
};
// `argument` is what stands behind RCPT: TO:<path> and parameters; `utf8`: MAIL said SMTPUTF8.
[[nodiscard]] Refusal parse_rcpt(std::string_view argument, bool utf8, RcptArguments& out);

struct ChunkArguments {
  std::uint64_t size = 0;  // the largest number if it is larger still
  bool last = false;
};
// `argument` is what stands behind BDAT, RFC 3030 section 2. Nothing if it is malformed.
[[nodiscard]] std::optional<ChunkArguments> parse_bdat(std::string_view argument);

// Turns what a client said after EHLO or HELO into text that may stand in a Received field.
[[nodiscard]] std::string sanitized_greeting(std::string_view argument);

}  // namespace ringpost::smtp
