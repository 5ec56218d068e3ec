#include "ringpost/dsn/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "ringpost/base/check.h"

namespace ringpost::dsn {

namespace {

constexpr std::size_t longest_line = 998;  // RFC 5322 section 2.1.1, without CRLF
constexpr std::size_t pleasant_line = 76;

bool is_eight_bit(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) > 127; });
}

// What strangers wrote, fit for one line of a header: visible ASCII and spaces.
std::string visible(std::string_view text) {
  std::string out(text);
  std::ranges::replace_if(out, [](char c) { return c < 0x20 || c > 0x7e; }, '?');
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

// RFC 3461 section 4: `+` and two upper-case hex digits stand for a character. Empty where
// malformed, or where it holds what no header may.
std::string decode_xtext(std::string_view text) {
  const auto hex = [](char c) {
    if (c >= '0' && c <= '9') {
      return c - '0';
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '+') {
      if (i + 2 >= text.size() || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0) {
        return {};
      }
      c = static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    }
    if (c < 0x20 || c > 0x7e) {
      return {};
    }
    out += c;
  }
  return out;
}

mail::EnhancedStatus status_of(const FailedRecipient& recipient) {
  if (recipient.expired) {
    return {4, 4, 7};  // failed for good, but by trouble that might have passed (RFC 3464 2.3.4)
  }
  return recipient.status.status_class == 5 ? recipient.status : mail::EnhancedStatus{5, 0, 0};
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

void append_text_part(std::string& out, const FailedMessage& message,
                      const std::vector<FailedRecipient>& recipients, std::string_view hostname) {
  fmt::format_to(std::back_inserter(out),
                 "This is the mail system at {}.\r\n\r\n"
                 "Your message, which arrived here on\r\n{},\r\n"
                 "could not be delivered to {}:\r\n",
                 hostname, format_rfc5322(message.arrived),
                 recipients.size() == 1 ? "this recipient" : "these recipients");
  for (const FailedRecipient& recipient : recipients) {
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
  out +=
      "\r\nNo further attempt will be made. The header of your message is below,\r\n"
      "and before it the details that a mail program can read.\r\n";
}

// RFC 3464 section 2: fields of the message, then a group of fields for each recipient.
void append_delivery_status(std::string& out, const FailedMessage& message,
                            const std::vector<FailedRecipient>& recipients,
                            std::string_view hostname) {
  if (const std::string envid = decode_xtext(message.envid); !envid.empty()) {
    append_field(out, "Original-Envelope-Id", envid);
  }
  append_field(out, "Reporting-MTA", "dns; " + visible(hostname));
  if (!message.received_from.empty()) {
    append_field(out, "Received-From-MTA", "dns; " + visible(message.received_from));
  }
  append_field(out, "Arrival-Date", format_rfc5322(message.arrived));
  append_field(out, "X-Ringpost-Id", message.id.to_string());
  for (const FailedRecipient& recipient : recipients) {
    out += "\r\n";
    append_field(out, "Final-Recipient", "rfc822; " + visible(recipient.address));
    append_field(out, "Action", "failed");
    append_field(out, "Status", status_of(recipient).to_string());
    if (!recipient.remote_mx.empty()) {
      append_field(out, "Remote-MTA", "dns; " + visible(recipient.remote_mx));
      if (!recipient.reply.empty()) {
        append_field(out, "Diagnostic-Code", "smtp; " + visible(recipient.reply));
      }
    } else if (!recipient.reply.empty()) {
      append_field(out, "Diagnostic-Code", "X-Ringpost; " + visible(recipient.reply));
    }
    if (recipient.last_attempt) {
      append_field(out, "Last-Attempt-Date", format_rfc5322(*recipient.last_attempt));
    }
  }
}

}  // namespace

mail::Message failure_report(const FailedMessage& message,
                             const std::vector<FailedRecipient>& recipients, mail::MessageId id,
                             std::string_view hostname, WallTime now) {
  check(!message.sender.empty(), "a message with a null sender gets no report (RFC 5321 4.5.5)");
  check(!recipients.empty(), "a report tells of at least one recipient");
  const std::string name = id.to_string();
  const std::string boundary = "=_" + name + "/ringpost";
  const std::string host = visible(hostname);

  std::string text;
  append_text_part(text, message, recipients, host);
  std::string status;
  append_delivery_status(status, message, recipients, host);
  const std::string header = returned_header(message.content);
  const bool eight_bit = is_eight_bit(text) || is_eight_bit(header) || is_eight_bit(message.sender);
  const auto encoding = [](std::string_view part) { return is_eight_bit(part) ? "8bit" : "7bit"; };

  std::string out;
  append_field(out, "From", "\"Mail Delivery Subsystem\" <MAILER-DAEMON@" + host + ">");
  append_field(out, "To", "<" + without_controls(message.sender) + ">");
  append_field(out, "Subject", "Undeliverable: your message could not be delivered");
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
  begin_part("Notification",
             is_eight_bit(text) ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii",
             text);
  begin_part("Delivery report", "message/delivery-status", status);
  begin_part("Header of the undelivered message", "text/rfc822-headers", header);
  out += "\r\n--" + boundary + "--\r\n";

  mail::Message report;
  report.id = id;
  report.arrived = now;
  report.envelope.recipients.push_back(message.sender);
  report.envelope.tenant = message.tenant;
  report.envelope.job = message.job;
  report.envelope.eight_bit = eight_bit;
  report.content = std::move(out);
  return report;
}

}  // namespace ringpost::dsn
