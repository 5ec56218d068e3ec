#include "ringpost/dsn/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "ringpost/base/check.h"
#include "ringpost/base/text.h"
#include "ringpost/mail/byte_scan.h"
#include "ringpost/mail/utf8.h"
#include "ringpost/mail/xtext.h"

namespace ringpost::dsn {

namespace {

constexpr std::size_t longest_line = 998;  // RFC 5322 section 2.1.1, without CRLF
constexpr std::size_t pleasant_line = 76;

// What strangers wrote, fit for one line of a header: visible ASCII and spaces, and where `utf8`
// allows them the characters beyond.
std::string visible(std::string_view text, bool utf8 = false) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const bool plain = text.front() >= 0x20 && text.front() <= 0x7e;
    const std::size_t length = !plain && utf8 ? mail::utf8_length(text) : 0;
    out += length == 0 ? text.substr(0, 1) : text.substr(0, length);
    if (!plain && length == 0) {
      out.back() = '?';
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

// The same for the text part, which may say it is UTF-8; on one line with words of ours.
std::string without_controls(std::string_view text) {
  std::string out(text.substr(0, longest_line - 100));
  std::ranges::replace_if(
      out, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return out;
}

// A field, folded before words that would stand beyond the pleasant width (RFC 5322 section 2.2.3).
void append_field(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ':';
  std::size_t column = name.size() + 1;
  while (!value.empty()) {
    const std::size_t end = std::min(value.find(' ', 1), value.size());
    std::string_view word = value.substr(0, end);
    value.remove_prefix(end);
    if (word.starts_with(' ')) {
      word.remove_prefix(1);
    }
    if (word.empty()) {
      continue;
    }
    const bool first = column == name.size() + 1;
    if (!first && column + 1 + word.size() > pleasant_line) {
      out += "\r\n";
      column = 0;
    }
    out += ' ';
    // A single word of more than a line has no place to fold at.
    for (column += 1; word.size() + column > longest_line; column = 1) {
      const std::size_t room = longest_line - column;
      out += word.substr(0, room);
      out += "\r\n ";
      word.remove_prefix(room);
    }
    out += word;
    column += word.size();
  }
  out += "\r\n";
}

mail::EnhancedStatus status_of(const ReportedRecipient& recipient) {
  if (recipient.expired) {
    return {4, 4, 7};  // failed for good, but by trouble that might have passed (RFC 3464 2.3.4)
  }
  const std::uint16_t wanted = recipient.relayed ? 2 : 5;
  return recipient.status.status_class == wanted ? recipient.status
                                                 : mail::EnhancedStatus{wanted, 0, 0};
}

// Up to the empty line that ends the header, in whole lines, within a bound. What cannot be a field
// or its continuation is left out: it could pass for a boundary.
std::string returned_header(std::string_view content) {
  std::string out;
  while (!content.empty()) {
    const std::size_t end = content.find('\n');
    std::string_view line = content.substr(0, end);
    content.remove_prefix(end == std::string_view::npos ? content.size() : end + 1);
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (line.empty()) {
      break;
    }
    line = line.substr(0, longest_line);
    if (out.size() + line.size() + 2 > max_returned_header) {
      break;
    }
    if (line.starts_with("--")) {
      continue;
    }
    const std::size_t start = out.size();
    out += line;
    std::replace_if(
        out.begin() + static_cast<std::ptrdiff_t>(start), out.end(),
        [](char c) { return c == '\r' || c == '\0'; }, '?');
    out += "\r\n";
  }
  return out;
}

bool any_failed(const std::vector<ReportedRecipient>& recipients) {
  return !std::ranges::all_of(recipients, &ReportedRecipient::relayed);
}

// What became of those that failed, or of the others.
void append_recipients(std::string& out, const std::vector<ReportedRecipient>& recipients,
                       bool relayed) {
  for (const ReportedRecipient& recipient : recipients) {
    if (recipient.relayed != relayed) {
      continue;
    }
    fmt::format_to(std::back_inserter(out), "\r\n  <{}>\r\n", without_controls(recipient.address));
    const std::string reply = without_controls(recipient.reply);
    if (recipient.expired) {
      out += "    It was tried again and again, until its time in the queue was over.\r\n";
    }
    if (reply.empty()) {
      continue;
    }
    if (recipient.remote_mx.empty()) {
      fmt::format_to(std::back_inserter(out), "    {}{}\r\n",
                     recipient.expired ? "The last attempt: " : "", reply);
    } else {
      fmt::format_to(std::back_inserter(out), "    {} said{}:\r\n    {}\r\n",
                     without_controls(recipient.remote_mx),
                     recipient.expired ? " at the last attempt" : "", reply);
    }
  }
}

std::string text_part(const ReportedMessage& message,
                      const std::vector<ReportedRecipient>& recipients, std::string_view hostname,
                      bool whole) {
  const auto relayed = std::ranges::count_if(recipients, &ReportedRecipient::relayed);
  const auto failed = std::ssize(recipients) - relayed;
  const auto these = [](std::ptrdiff_t count) {
    return count == 1 ? "this recipient" : "these recipients";
  };
  std::string out = fmt::format(
      "This is the mail system at {}.\r\n\r\n"
      "Your message, which arrived here on\r\n{},\r\n",
      hostname, format_rfc5322(message.arrived));
  if (failed > 0) {
    fmt::format_to(std::back_inserter(out), "could not be delivered to {}:\r\n", these(failed));
    append_recipients(out, recipients, false);
  }
  if (relayed > 0) {
    fmt::format_to(std::back_inserter(out),
                   "{}was passed on for {} to a mail server that does not report\r\n"
                   "what becomes of it:\r\n",
                   failed > 0 ? "\r\nIt " : "", these(relayed));
    append_recipients(out, recipients, true);
  }
  fmt::format_to(std::back_inserter(out),
                 "\r\n{} {} is below,\r\n"
                 "and before it the details that a mail program can read.\r\n",
                 failed > 0 ? "No further attempt will be made." : "No further report will come.",
                 whole ? "Your message" : "The header of your message");
  return out;
}

// ORCPT without its encoding (RFC 3461 section 6.3). One of type utf-8 is shown as it came,
// RFC 6533 section 3.
std::string original_recipient(const ReportedRecipient& recipient, bool utf8) {
  const std::string_view orcpt = recipient.original;
  const std::size_t semicolon = std::min(orcpt.find(';'), orcpt.size());
  const std::string_view type = orcpt.substr(0, semicolon);
  const std::string_view address = orcpt.substr(std::min(semicolon + 1, orcpt.size()));
  const std::string decoded = equals_ignoring_case(type, "utf-8")
                                  ? std::string(address)
                                  : mail::decode_xtext(address).value_or(std::string());
  return decoded.empty() ? std::string() : visible(type, false) + "; " + visible(decoded, utf8);
}

// RFC 3464 section 2: fields of the message, then a group of fields for each recipient.
void append_delivery_status(std::string& out, const ReportedMessage& message,
                            const std::vector<ReportedRecipient>& recipients,
                            std::string_view hostname) {
  const bool utf8 = message.utf8;
  const std::string envid = mail::decode_xtext(message.envid).value_or(std::string());
  if (!envid.empty()) {
    append_field(out, "Original-Envelope-Id", envid);
  }
  append_field(out, "Reporting-MTA", "dns; " + visible(hostname));
  if (!message.received_from.empty()) {
    append_field(out, "Received-From-MTA", "dns; " + visible(message.received_from));
  }
  append_field(out, "Arrival-Date", format_rfc5322(message.arrived));
  append_field(out, "X-Ringpost-Id", message.id.to_string());
  for (const ReportedRecipient& recipient : recipients) {
    out += "\r\n";
    if (const std::string original = original_recipient(recipient, utf8); !original.empty()) {
      append_field(out, "Original-Recipient", original);
    }
    const bool international = utf8 && mail::has_eight_bit(recipient.address);
    append_field(out, "Final-Recipient",
                 (international ? "utf-8; " : "rfc822; ") + visible(recipient.address, utf8));
    append_field(out, "Action", recipient.relayed ? "relayed" : "failed");
    append_field(out, "Status", status_of(recipient).to_string());
    if (!recipient.remote_mx.empty()) {
      append_field(out, "Remote-MTA", "dns; " + visible(recipient.remote_mx));
      if (!recipient.reply.empty()) {
        append_field(out, "Diagnostic-Code", "smtp; " + visible(recipient.reply, utf8));
      }
    } else if (!recipient.reply.empty()) {
      append_field(out, "Diagnostic-Code", "X-Ringpost; " + visible(recipient.reply, utf8));
    }
    if (recipient.last_attempt) {
      append_field(out, "Last-Attempt-Date", format_rfc5322(*recipient.last_attempt));
    }
  }
}

std::string_view original_description(bool failed, bool whole) {
  if (whole) {
    return "Undelivered message";
  }
  return failed ? "Header of the undelivered message" : "Header of the message";
}

std::string_view original_type(bool utf8, bool whole) {
  if (utf8) {
    return whole ? "message/global" : "message/global-headers";
  }
  return whole ? "message/rfc822" : "text/rfc822-headers";
}

mail::Envelope envelope_for(const ReportedMessage& message) {
  mail::Envelope envelope;
  envelope.recipients.push_back(message.sender);
  envelope.tenant = message.tenant;
  envelope.job = message.job;
  envelope.utf8 = mail::has_eight_bit(message.sender);
  // RFC 3461 section 6.1: nobody is told what becomes of a report.
  envelope.reports.recipients.push_back({0, mail::notify::never, {}});
  return envelope;
}

}  // namespace

mail::Message delivery_report(const ReportedMessage& message,
                              const std::vector<ReportedRecipient>& recipients, mail::MessageId id,
                              std::string_view hostname, WallTime now) {
  check(!message.sender.empty(), "a message with a null sender gets no report (RFC 5321 4.5.5)");
  check(!recipients.empty(), "a report tells of at least one recipient");
  const std::string name = id.to_string();
  const std::string boundary = "=_" + name + "/ringpost";
  const std::string host = visible(hostname);

  // A content that could pass for the report's own parts is not returned.
  const bool whole =
      message.whole && message.content.find("--" + boundary) == std::string_view::npos;
  const bool failed = any_failed(recipients);
  const std::string text = text_part(message, recipients, host, whole);
  std::string status;
  append_delivery_status(status, message, recipients, host);
  const std::string original =
      whole ? std::string(message.content) : returned_header(message.content);
  const bool eight_bit = mail::has_eight_bit(text) || mail::has_eight_bit(status) ||
                         mail::has_eight_bit(original) || mail::has_eight_bit(message.sender);
  const auto encoding = [](std::string_view part) {
    return mail::has_eight_bit(part) ? "8bit" : "7bit";
  };

  std::string out;
  append_field(out, "From", "\"Mail Delivery Subsystem\" <MAILER-DAEMON@" + host + ">");
  append_field(out, "To", "<" + without_controls(message.sender) + ">");
  append_field(out, "Subject",
               failed ? "Undeliverable: your message could not be delivered"
                      : "Relayed: your message was passed on");
  append_field(out, "Date", format_rfc5322(now));
  append_field(out, "Message-ID", "<" + name + "@" + host + ">");
  append_field(out, "Auto-Submitted", "auto-generated");
  append_field(out, "MIME-Version", "1.0");
  append_field(out, "Content-Type",
               "multipart/report; report-type=delivery-status; boundary=\"" + boundary + "\"");
  append_field(out, "Content-Transfer-Encoding", eight_bit ? "8bit" : "7bit");
  const auto begin_part = [&](std::string_view description, std::string_view type,
                              std::string_view body) {
    out += "\r\n--" + boundary + "\r\n";
    append_field(out, "Content-Description", description);
    append_field(out, "Content-Type", type);
    append_field(out, "Content-Transfer-Encoding", encoding(body));
    out += "\r\n";
    out += body;
  };
  out += "\r\nThis is a delivery report in MIME format.\r\n";
  begin_part(
      "Notification",
      mail::has_eight_bit(text) ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii",
      text);
  // RFC 6533 sections 3 and 4 name what UTF-8 may stand in.
  begin_part("Delivery report",
             message.utf8 ? "message/global-delivery-status" : "message/delivery-status", status);
  begin_part(original_description(failed, whole), original_type(message.utf8, whole), original);
  out += "\r\n--" + boundary + "--\r\n";

  mail::Message report;
  report.id = id;
  report.arrived = now;
  report.envelope = envelope_for(message);
  report.envelope.eight_bit = eight_bit;
  report.content = std::move(out);
  return report;
}

}  // namespace ringpost::dsn
