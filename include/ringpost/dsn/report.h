// The report about one message, for all recipients whose end is to be told at that time: those that
// failed, and those that were relayed to a server without DSN. An RFC 3464 multipart/report that
// a human understands and a program can read; of a message that came with SMTPUTF8 in the forms of
// RFC 6533. Pure: time and id are arguments. Whether a report is due is the caller's affair; a
// message with a null sender never gets one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/base/time.h"
#include "ringpost/mail/enhanced_status.h"
#include "ringpost/mail/message.h"

namespace ringpost::dsn {

struct ReportedRecipient {
  std::string address;
  mail::EnhancedStatus
      status;             // of another class than its fate: X.0.0 is reported; 4.4.7 if expired
  std::string reply;      // the remote server's, code first; or our own words
  std::string remote_mx;  // the host that said it; empty: it is ours
  std::optional<WallTime> last_attempt;
  bool expired = false;  // given up after its time in the queue; else refused
  bool relayed = false;  // not failed at all: passed on to a server without DSN
  std::string original;  // ORCPT, as received; may be empty
};

struct ReportedMessage {
  mail::MessageId id;
  WallTime arrived;
  std::string sender;         // must not be empty
  std::string envid;          // RFC 3461, as received; may be empty
  std::string received_from;  // name of the client it came from; may be empty
  std::string tenant;         // both go on into the report's envelope
  std::string job;
  // As much of the original as the caller has at hand; what follows the header is used only for
  // the whole.
  std::string_view content;
  bool utf8 = false;   // came with SMTPUTF8
  bool whole = false;  // `content` is all of it, and all of it is to be returned
};

inline constexpr std::size_t max_returned_header = 16 * 1024;

// `recipients` must not be empty. `id` and `now` are the report's own; the boundary derives from
// the id, so that the same report comes out the same after a restart.
[[nodiscard]] mail::Message delivery_report(const ReportedMessage& message,
                                            const std::vector<ReportedRecipient>& recipients,
                                            mail::MessageId id, std::string_view hostname,
                                            WallTime now);

}  // namespace ringpost::dsn
