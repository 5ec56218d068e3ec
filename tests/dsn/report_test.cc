#include "ringpost/dsn/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace ringpost::dsn {
namespace {

using testing::HasSubstr;
using testing::Not;

ReportedMessage message_with(std::string_view content) {
  return {.id = {77},
          .arrived = WallTime(1'700'000'000s),
          .sender = "list@sender.example",
          .envid = "",
          .received_from = "",
          .tenant = "tenant",
          .job = "job",
          .content = content};
}
ReportedRecipient refused(std::string address) {
  return {std::move(address), {5, 1, 1}, "550 5.1.1 No such user", "mx.x.example", {}, false};
}
mail::Message report_of(const ReportedMessage& message, std::vector<ReportedRecipient> recipients) {
  return delivery_report(message, recipients, {78}, "relay.example", WallTime(1'700'000'200s));
}

bool has_only_crlf(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n')) ||
        (text[i] == '\n' && (i == 0 || text[i - 1] != '\r'))) {
      return false;
    }
  }
  return true;
}
std::size_t longest_line(std::string_view text) {
  std::size_t longest = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find("\r\n"), text.size());
    longest = std::max(longest, end);
    text.remove_prefix(std::min(text.size(), end + 2));
  }
  return longest;
}

TEST(FailureReport, IsThisVeryText) {
  const mail::Message report =
      report_of(message_with("Subject: news\r\n\r\nbody\r\n"), {refused("gone@x.example")});
  const std::string boundary = "=_" + mail::MessageId{78}.to_string() + "/ringpost";
  EXPECT_EQ(report.content,
            "From: \"Mail Delivery Subsystem\" <MAILER-DAEMON@relay.example>\r\n"
            "To: <list@sender.example>\r\n"
            "Subject: Undeliverable: your message could not be delivered\r\n"
            "Date: Tue, 14 Nov 2023 22:16:40 +0000\r\n"
            "Message-ID: <" +
                mail::MessageId{78}.to_string() +
                "@relay.example>\r\n"
                "Auto-Submitted: auto-generated\r\n"
                "MIME-Version: 1.0\r\n"
                "Content-Type: multipart/report; report-type=delivery-status;\r\n"
                " boundary=\"" +
                boundary +
                "\"\r\n"
                "Content-Transfer-Encoding: 7bit\r\n"
                "\r\n"
                "This is a delivery report in MIME format.\r\n"
                "\r\n--" +
                boundary +
                "\r\n"
                "Content-Description: Notification\r\n"
                "Content-Type: text/plain; charset=us-ascii\r\n"
                "Content-Transfer-Encoding: 7bit\r\n"
                "\r\n"
                "This is the mail system at relay.example.\r\n"
                "\r\n"
                "Your message, which arrived here on\r\n"
                "Tue, 14 Nov 2023 22:13:20 +0000,\r\n"
                "could not be delivered to this recipient:\r\n"
                "\r\n"
                "  <gone@x.example>\r\n"
                "    mx.x.example said:\r\n"
                "    550 5.1.1 No such user\r\n"
                "\r\n"
                "No further attempt will be made. The header of your message is below,\r\n"
                "and before it the details that a mail program can read.\r\n"
                "\r\n--" +
                boundary +
                "\r\n"
                "Content-Description: Delivery report\r\n"
                "Content-Type: message/delivery-status\r\n"
                "Content-Transfer-Encoding: 7bit\r\n"
                "\r\n"
                "Reporting-MTA: dns; relay.example\r\n"
                "Arrival-Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
                "X-Ringpost-Id: " +
                mail::MessageId{77}.to_string() +
                "\r\n"
                "\r\n"
                "Final-Recipient: rfc822; gone@x.example\r\n"
                "Action: failed\r\n"
                "Status: 5.1.1\r\n"
                "Remote-MTA: dns; mx.x.example\r\n"
                "Diagnostic-Code: smtp; 550 5.1.1 No such user\r\n"
                "\r\n--" +
                boundary +
                "\r\n"
                "Content-Description: Header of the undelivered message\r\n"
                "Content-Type: text/rfc822-headers\r\n"
                "Content-Transfer-Encoding: 7bit\r\n"
                "\r\n"
                "Subject: news\r\n"
                "\r\n--" +
                boundary + "--\r\n");
}

TEST(FailureReport, HasANullSenderAndGoesBackWithItsJob) {
  const mail::Message report = report_of(message_with("Subject: x\r\n"), {refused("a@x.example")});
  EXPECT_EQ(report.id, (mail::MessageId{78}));
  EXPECT_EQ(report.envelope.sender, "");
  EXPECT_THAT(report.envelope.recipients, testing::ElementsAre("list@sender.example"));
  EXPECT_EQ(report.envelope.tenant, "tenant");
  EXPECT_EQ(report.envelope.job, "job");
  EXPECT_FALSE(report.envelope.eight_bit);
}

TEST(FailureReport, IsTheSameAfterARestart) {
  const ReportedMessage message = message_with("Subject: x\r\n\r\n");
  EXPECT_EQ(report_of(message, {refused("a@x.example")}).content,
            report_of(message, {refused("a@x.example")}).content);
}

TEST(FailureReport, EightBitIsDeclared) {
  const mail::Message report =
      report_of(message_with("Subject: gr\xc3\xbc\xc3\x9f\r\n\r\n"), {refused("a@x.example")});
  EXPECT_TRUE(report.envelope.eight_bit);
  EXPECT_THAT(report.content, HasSubstr("Content-Transfer-Encoding: 8bit\r\n\r\nThis is a"));
  EXPECT_THAT(report.content, HasSubstr("Content-Transfer-Encoding: 8bit\r\n\r\nSubject: gr"));
}

TEST(FailureReport, HostileWordsStayWithinTheirLine) {
  ReportedRecipient recipient = refused("a\r\nBcc: x@y.example\xff@x.example");
  recipient.reply = "550 no\r\n\r\n--=_boundary\r\nAction: delivered " + std::string(2000, 'x');
  recipient.remote_mx = "mx\r\n\r\nStatus: 2.0.0";
  const mail::Message report = report_of(message_with("Subject: x\r\n"), {recipient});
  EXPECT_TRUE(has_only_crlf(report.content));
  EXPECT_LE(longest_line(report.content), 998U);
  EXPECT_THAT(report.content, Not(HasSubstr("\r\nBcc:")));
  EXPECT_THAT(report.content, Not(HasSubstr("\r\nAction: delivered")));
  EXPECT_THAT(report.content, Not(HasSubstr("\r\nStatus: 2.0.0")));
  EXPECT_THAT(report.content, Not(HasSubstr("\r\n--=_boundary")));
}

TEST(FailureReport, TheReturnedHeaderIsBoundedAndCannotForgeABoundary) {
  const std::string boundary = "--=_" + mail::MessageId{78}.to_string() + "/ringpost";
  std::string content = boundary + "--\r\nX-Null: a";
  content += std::string("\0b\rc", 4) + "\r\nX-Long: " + std::string(5000, 'l') + "\r\n";
  for (int i = 0; i < 5000; ++i) {
    content += "X-Many: many\r\n";
  }
  const mail::Message report = report_of(message_with(content), {refused("a@x.example")});
  EXPECT_TRUE(has_only_crlf(report.content));
  EXPECT_LE(longest_line(report.content), 998U);
  EXPECT_LT(report.content.size(), max_returned_header + 4096);
  EXPECT_EQ(report.content.find('\0'), std::string::npos);
  EXPECT_EQ(report.content.find(boundary + "--"), report.content.size() - boundary.size() - 4);
  EXPECT_THAT(report.content, HasSubstr("\r\nX-Null: a?b?c\r\n"));
}

TEST(FailureReport, TheBodyIsNotReturned) {
  const mail::Message report =
      report_of(message_with("Subject: x\r\n\r\nsecret\r\n"), {refused("a@x.example")});
  EXPECT_THAT(report.content, Not(HasSubstr("secret")));
}

TEST(FailureReport, AnEnvelopeIdIsDecodedOrLeftOut) {
  ReportedMessage message = message_with("Subject: x\r\n");
  for (const auto& [envid, field] :
       {std::pair{"AB+2BC", "Original-Envelope-Id: AB+C\r\n"}, std::pair{"AB+2", ""},
        std::pair{"A+0D+0ABcc:x", ""}, std::pair{"A+zz", ""}}) {
    message.envid = envid;
    const mail::Message report = report_of(message, {refused("a@x.example")});
    if (*field == '\0') {
      EXPECT_THAT(report.content, Not(HasSubstr("Original-Envelope-Id"))) << envid;
    } else {
      EXPECT_THAT(report.content, HasSubstr(field)) << envid;
    }
  }
}

TEST(RelayReport, SaysWhoWasPassedOnAndReturnsTheHeader) {
  ReportedRecipient recipient{"a@x.example", {2, 6, 0}, "250 2.6.0 taken", "mx.x.example", {},
                              false,         true,      "rfc822;b+2Bc@y"};
  const mail::Message report = report_of(message_with("Subject: x\r\n\r\nsecret\r\n"), {recipient});
  EXPECT_THAT(report.content, HasSubstr("\r\nSubject: Relayed: "));
  EXPECT_THAT(report.content, HasSubstr("\r\nOriginal-Recipient: rfc822; b+c@y\r\n"
                                        "Final-Recipient: rfc822; a@x.example\r\n"
                                        "Action: relayed\r\nStatus: 2.6.0\r\n"));
  EXPECT_THAT(report.content, Not(HasSubstr("could not be delivered")));
  EXPECT_THAT(report.content, Not(HasSubstr("secret")));
  recipient.status = {};
  EXPECT_THAT(report_of(message_with(""), {recipient}).content, HasSubstr("\r\nStatus: 2.0.0\r\n"));
}

TEST(RelayReport, SharesItsReportWithThoseThatFailed) {
  ReportedRecipient passed_on = refused("ok@x.example");
  passed_on.relayed = true;
  const mail::Message report =
      report_of(message_with("Subject: x\r\n"), {passed_on, refused("gone@x.example")});
  EXPECT_THAT(report.content, HasSubstr("\r\nSubject: Undeliverable: "));
  const std::size_t failed = report.content.find("  <gone@x.example>");
  const std::size_t relayed = report.content.find("It was passed on for this recipient");
  EXPECT_LT(failed, relayed);
  EXPECT_LT(relayed, report.content.find("  <ok@x.example>"));
  EXPECT_THAT(report.content, HasSubstr("Action: relayed\r\nStatus: 2.0.0\r\n"));
  EXPECT_THAT(report.content, HasSubstr("Action: failed\r\nStatus: 5.1.1\r\n"));
}

TEST(FailureReport, WholeMessagesAreReturnedWhereTheyCannotForgeABoundary) {
  ReportedMessage message = message_with("Subject: x\r\n\r\n--the body\r\n");
  message.whole = true;
  const mail::Message report = report_of(message, {refused("a@x.example")});
  EXPECT_THAT(report.content, HasSubstr("Content-Type: message/rfc822\r\n"));
  EXPECT_THAT(report.content, HasSubstr("\r\n\r\nSubject: x\r\n\r\n--the body\r\n"));
  const std::string forged =
      "Subject: x\r\n\r\n--=_" + mail::MessageId{78}.to_string() + "/ringpost--\r\n";
  message.content = forged;
  const mail::Message other = report_of(message, {refused("a@x.example")});
  EXPECT_THAT(other.content, HasSubstr("Content-Type: text/rfc822-headers\r\n"));
}

TEST(FailureReport, OriginalRecipientsAreDecodedOrLeftOut) {
  ReportedRecipient recipient = refused("a@x.example");
  for (const auto& [original, field] :
       {std::pair{"rfc822;a+2Bb@c", "Original-Recipient: rfc822; a+b@c\r\n"},
        std::pair{"utf-8;j\\x{F6}@c", "Original-Recipient: utf-8; j\\x{F6}@c\r\n"},
        std::pair{"rfc822;a+0D+0ABcc:x", ""}, std::pair{"rfc822", ""}, std::pair{"", ""}}) {
    recipient.original = original;
    const std::string text = report_of(message_with("Subject: x\r\n"), {recipient}).content;
    if (*field == '\0') {
      EXPECT_THAT(text, Not(HasSubstr("Original-Recipient"))) << original;
    } else {
      EXPECT_THAT(text, HasSubstr(field)) << original;
    }
  }
}

TEST(FailureReport, OfAnSmtputf8MessageHasTheFormsOfRfc6533) {
  ReportedMessage message = message_with("Subject: gr\xc3\xbc\xc3\x9f\r\n");
  message.utf8 = true;
  ReportedRecipient recipient = refused("j\xc3\xb6rg\xff@x.example");
  recipient.original = "utf-8;j\xc3\xb6@y.example";
  mail::Message report = report_of(message, {recipient, refused("plain@x.example")});
  EXPECT_THAT(report.content, HasSubstr("\r\nContent-Type: message/global-delivery-status\r\n"
                                        "Content-Transfer-Encoding: 8bit\r\n"));
  EXPECT_THAT(report.content, HasSubstr("\r\nContent-Type: message/global-headers\r\n"));
  EXPECT_THAT(report.content, HasSubstr("\r\nFinal-Recipient: utf-8; j\xc3\xb6rg?@x.example\r\n"));
  EXPECT_THAT(report.content, HasSubstr("\r\nFinal-Recipient: rfc822; plain@x.example\r\n"));
  EXPECT_THAT(report.content, HasSubstr("\r\nOriginal-Recipient: utf-8; j\xc3\xb6@y.example\r\n"));
  EXPECT_TRUE(report.envelope.eight_bit);
  EXPECT_FALSE(report.envelope.utf8) << "an ASCII sender can be told without SMTPUTF8";
  message.sender = "l\xc3\xa4st@sender.example";
  message.whole = true;
  report = report_of(message, {recipient});
  EXPECT_TRUE(report.envelope.utf8);
  EXPECT_THAT(report.content, HasSubstr("\r\nContent-Type: message/global\r\n"));
}

TEST(FailureReport, IsNeverReportedItself) {
  const mail::Message report = report_of(message_with("Subject: x\r\n"), {refused("a@x.example")});
  ASSERT_EQ(report.envelope.reports.recipients.size(), 1U);
  EXPECT_EQ(report.envelope.reports.recipients[0].notify, mail::notify::never);
  EXPECT_EQ(report.envelope.reports.returned, mail::Returned::unsaid);
}

TEST(FailureReport, IsNeverMadeForANullSender) {
  ReportedMessage message = message_with("Subject: x\r\n");
  message.sender.clear();
  EXPECT_DEATH((void)report_of(message, {refused("a@x.example")}), "null sender");
}

}  // namespace
}  // namespace ringpost::dsn
