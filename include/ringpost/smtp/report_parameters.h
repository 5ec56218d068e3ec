// The parameters of MAIL and RCPT that speak of reports (RFC 3461 section 4): RET, ENVID, NOTIFY,
// ORCPT. Read for the server's side, where what is wrong gets a reason, and written for the
// client's, where they go on as they came. Never decides who is told what.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/mail/report_request.h"

namespace ringpost::smtp {

// Each answers why the value cannot be taken, for a reply, or nothing; then `out` is set.
[[nodiscard]] std::string_view parse_ret(std::string_view value, mail::Returned& out);
[[nodiscard]] std::string_view parse_notify(std::string_view value, std::uint8_t& out);
// These are kept as they are. `utf8`: SMTPUTF8 was said with MAIL (RFC 6533 section 3).
[[nodiscard]] std::string_view fault_of_envid(std::string_view value);
[[nodiscard]] std::string_view fault_of_orcpt(std::string_view value, bool utf8);

// What is said behind the paths of one transaction's commands: empty, or beginning with a space.
struct ReportParameters {
  std::string mail;
  std::vector<std::string> rcpt;  // one for each recipient
};
[[nodiscard]] std::string mail_report_parameters(mail::Returned returned, std::string_view envid);
[[nodiscard]] std::string rcpt_report_parameters(const mail::RecipientRequest& request);

}  // namespace ringpost::smtp
