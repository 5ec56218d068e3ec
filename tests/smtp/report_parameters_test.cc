// RET, ENVID, NOTIFY and ORCPT (RFC 3461 section 4) and SMTPUTF8 (RFC 6531), as clients write them
// and as they go on.
#include "ringpost/smtp/report_parameters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ringpost/smtp/command.h"
#include "server_fixture.h"

namespace ringpost::smtp {
namespace {

using mail::Returned;
using testing::HasSubstr;

TEST(ReportParameters, MailTakesThemOnceAndOnlyWhole) {
  MailArguments arguments;
  EXPECT_EQ(parse_mail("FROM:<a@b> ret=hdrs ENVID=QQ+2B314 SIZE=5", arguments), "");
  EXPECT_EQ(arguments.returned, Returned::headers);
  EXPECT_EQ(arguments.envid, "QQ+2B314");
  EXPECT_EQ(parse_mail("FROM:<> RET=Full", arguments), "");
  EXPECT_EQ(arguments.returned, Returned::full);
  std::string encoded;
  for (int count = 0; count < 100; ++count) {
    encoded += "+2B";
  }
  EXPECT_EQ(parse_mail("FROM:<> ENVID=" + encoded, arguments), "");
  for (const std::string& bad : {std::string("RET"),
                                 std::string("RET="),
                                 std::string("RET=BODY"),
                                 std::string("RET=FULL,HDRS"),
                                 std::string("RET=FULL RET=FULL"),
                                 std::string("ENVID"),
                                 std::string("ENVID="),
                                 std::string("ENVID=a+2"),
                                 std::string("ENVID=a+2b"),
                                 std::string("ENVID=a+zz"),
                                 std::string("ENVID=+"),
                                 std::string("ENVID=a=b"),
                                 std::string("ENVID=+0A"),
                                 std::string("ENVID=+80"),
                                 std::string("ENVID=\xc3\xa4"),
                                 std::string("ENVID=a ENVID=b"),
                                 "ENVID=" + encoded + "x",
                                 "ENVID=" + std::string(101, 'x'),
                                 std::string("SIZE=1 SIZE=1"),
                                 std::string("BODY=7BIT BODY=7BIT"),
                                 std::string("SMTPUTF8=yes"),
                                 std::string("SMTPUTF8="),
                                 std::string("SMTPUTF8 SMTPUTF8")}) {
    const Refusal refusal = parse_mail("FROM:<a@b> " + bad, arguments);
    EXPECT_TRUE(refusal.starts_with("501 5.5.4 ")) << bad << ": " << refusal;
    EXPECT_GT(refusal.size(), 20U) << bad << ": " << refusal;
  }
}

TEST(ReportParameters, RcptTakesThemOnceAndOnlyWhole) {
  struct Case {
    std::string parameters;
    int notify;
    std::string original;
  };
  namespace notify = mail::notify;
  const Case good[] = {
      {"", notify::unsaid, ""},
      {"NOTIFY=NEVER", notify::never, ""},
      {"notify=Success,failure,DELAY", notify::success | notify::failure | notify::delay, ""},
      {"NOTIFY=DELAY,SUCCESS ORCPT=rfc822;a+2Bb@c.example", notify::delay | notify::success,
       "rfc822;a+2Bb@c.example"},
      {"ORCPT=x-400;+2FG+3DJo NOTIFY=FAILURE", notify::failure, "x-400;+2FG+3DJo"},
      {"ORCPT=rfc822;" + std::string(493, 'x'), notify::unsaid, "rfc822;" + std::string(493, 'x')},
      {"ORCPT=utf-8;j\\x{F6}rg@c.example", notify::unsaid, "utf-8;j\\x{F6}rg@c.example"},
  };
  for (const Case& c : good) {
    RcptArguments arguments;
    const std::string text = "TO:<a@b> " + c.parameters;
    const Refusal refusal = parse_rcpt(text, false, arguments);
    EXPECT_EQ(refusal, "") << c.parameters;
    EXPECT_EQ(arguments.notify, c.notify) << c.parameters;
    EXPECT_EQ(arguments.original, c.original) << c.parameters;
  }
  for (const std::string& bad : {std::string("NOTIFY"),
                                 std::string("NOTIFY="),
                                 std::string("NOTIFY=,"),
                                 std::string("NOTIFY=NEVER,SUCCESS"),
                                 std::string("NOTIFY=FAILURE,NEVER"),
                                 std::string("NOTIFY=NEVER,NEVER"),
                                 std::string("NOTIFY=SUCCESS,SUCCESS"),
                                 std::string("NOTIFY=SUCCESS,"),
                                 std::string("NOTIFY=,SUCCESS"),
                                 std::string("NOTIFY=ALWAYS"),
                                 std::string("NOTIFY=SUCCESS;FAILURE"),
                                 std::string("NOTIFY=DELAY NOTIFY=DELAY"),
                                 std::string("ORCPT"),
                                 std::string("ORCPT="),
                                 std::string("ORCPT=a@b"),
                                 std::string("ORCPT=;a@b"),
                                 std::string("ORCPT=rfc822;"),
                                 std::string("ORCPT=rfc 822;a@b"),
                                 std::string("ORCPT=rfc+822;a@b"),
                                 std::string("ORCPT=rfc822;a+b@c"),
                                 std::string("ORCPT=rfc822;a+0D+0Ab"),
                                 std::string("ORCPT=rfc822;j\xc3\xb6@b"),
                                 std::string("ORCPT=utf-8;j\xc3\xb6@b"),
                                 std::string("ORCPT=utf-8;a=b"),
                                 std::string("ORCPT=rfc822;a@b ORCPT=rfc822;a@b"),
                                 "ORCPT=rfc822;" + std::string(494, 'x')}) {
    RcptArguments arguments;
    const Refusal refusal = parse_rcpt("TO:<a@b> " + bad, false, arguments);
    EXPECT_TRUE(refusal.starts_with("501 5.5.4 ")) << bad << ": " << refusal;
  }
  RcptArguments arguments;
  EXPECT_EQ(parse_rcpt("TO:<a@b> ORCPT=utf-8;j\xc3\xb6@b", true, arguments), "");
  EXPECT_NE(parse_rcpt("TO:<a@b> ORCPT=utf-8;j\xc3@b", true, arguments), "");
}

TEST(ReportParameters, GoOnAsTheyCame) {
  EXPECT_EQ(mail_report_parameters(Returned::unsaid, ""), "");
  EXPECT_EQ(mail_report_parameters(Returned::full, ""), " RET=FULL");
  EXPECT_EQ(mail_report_parameters(Returned::headers, "QQ+2B3"), " RET=HDRS ENVID=QQ+2B3");
  EXPECT_EQ(rcpt_report_parameters({0, 0, ""}), "");
  EXPECT_EQ(rcpt_report_parameters({0, mail::notify::never, ""}), " NOTIFY=NEVER");
  EXPECT_EQ(
      rcpt_report_parameters({0, mail::notify::success | mail::notify::delay, "rfc822;a+2Bb"}),
      " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb");
}

TEST(ReportParameters, SessionKeepsThemByRecipientAndForgetsThemAfterwards) {
  ServerSettings settings = small_settings();
  settings.max_command_length = 600;
  Fixture fixture(settings);
  fixture.feed_all(
      std::string(hello) +
      "MAIL FROM:<a@b> RET=FULL ENVID=one\r\nRCPT TO:<c@d>\r\nRCPT TO:<bad> NOTIFY=NEVER\r\n"
      "RCPT TO:<e@f> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x@y\r\nRCPT TO:<g@h> NOTIFY=NEVER\r\n"
      "DATA\r\n\r\n.\r\n" +
      std::string(letter));
  ASSERT_EQ(fixture.messages.size(), 2U);
  const mail::Envelope& asked = fixture.messages[0].envelope;
  EXPECT_EQ(asked.envid, "one");
  EXPECT_EQ(asked.recipients.size(), 3U);
  const mail::ReportRequest wanted{
      Returned::full,
      {{1, mail::notify::success | mail::notify::failure, "rfc822;x@y"},
       {2, mail::notify::never, ""}}};
  EXPECT_EQ(asked.reports, wanted);
  EXPECT_EQ(asked.reports.of(0), nullptr);
  ASSERT_NE(asked.reports.of(2), nullptr);
  EXPECT_EQ(asked.reports.of(3), nullptr);
  EXPECT_TRUE(fixture.messages[1].envelope.reports.empty());
  EXPECT_EQ(fixture.messages[1].envelope.envid, "");
}

// The commands, cut in two at every byte and fed one byte at a time.
TEST(ReportParameters, SplitsChangeNothing) {
  const std::string script = std::string(hello) +
                             "MAIL FROM:<j\xc3\xb6@b> RET=HDRS SMTPUTF8 ENVID=q+3D\r\n"
                             "RCPT TO:<r\xc3\xa9@d> NOTIFY=SUCCESS,DELAY "
                             "ORCPT=utf-8;r\xc3\xa9@d\r\nDATA\r\n\r\nx\r\n.\r\n";
  ServerSettings settings = small_settings();
  settings.max_command_length = 200;
  Fixture whole(settings);
  whole.feed_all(script);
  ASSERT_EQ(whole.messages.size(), 1U);
  const mail::Envelope& wanted = whole.messages[0].envelope;
  EXPECT_TRUE(wanted.utf8);
  EXPECT_EQ(wanted.reports.recipients.at(0).original, "utf-8;r\xc3\xa9@d");
  for (std::size_t at = 0; at < script.size(); ++at) {
    Fixture split(settings);
    split.feed_all(std::string_view(script).substr(0, at));
    split.feed_all(std::string_view(script).substr(at));
    ASSERT_EQ(split.output, whole.output) << at;
    ASSERT_EQ(split.messages.size(), 1U) << at;
    ASSERT_EQ(split.messages[0].envelope.reports, wanted.reports) << at;
    ASSERT_EQ(split.messages[0].envelope.envid, "q+3D") << at;
    ASSERT_EQ(split.messages[0].envelope.sender, wanted.sender) << at;
  }
}

TEST(Smtputf8, OnlyWhereMailSaidSo) {
  MailArguments mail;
  EXPECT_EQ(parse_mail("FROM:<j\xc3\xb6@b\xc3\xbc"
                       "cher.example> SMTPUTF8 BODY=8BITMIME",
                       mail),
            "");
  EXPECT_EQ(mail.sender,
            "j\xc3\xb6@b\xc3\xbc"
            "cher.example");
  EXPECT_TRUE(mail.utf8);
  MailArguments silent;
  EXPECT_TRUE(parse_mail("FROM:<j\xc3\xb6@b>", silent).starts_with("553 5.6.7 "));
  EXPECT_TRUE(parse_mail("FROM:<j\xf6@b> SMTPUTF8", silent).starts_with("553 5.6.7 "));
  RcptArguments rcpt;
  EXPECT_TRUE(parse_rcpt("TO:<j\xc3\xb6@b>", false, rcpt).starts_with("553 5.6.7 "));
  EXPECT_TRUE(parse_rcpt("TO:<a@b\xc3\xbc"
                         "cher.example>",
                         false, rcpt)
                  .starts_with("553 5.6.7 "));
  EXPECT_EQ(parse_rcpt("TO:<a@b\xc3\xbc"
                       "cher.example>",
                       true, rcpt),
            "");
  EXPECT_EQ(parse_rcpt("TO:<\"j\xc3\xb6 x\"@b>", true, rcpt), "");
  EXPECT_TRUE(parse_rcpt("TO:<j\xed\xa0\x80@b>", true, rcpt).starts_with("553 5.6.7 "));
}

TEST(Smtputf8, DomainsThatNobodyCouldLookUpAreRefused) {
  MailArguments mail;
  RcptArguments rcpt;
  for (const std::string domain : {"\xe2\x98\x83.example", "\xc3\xbc\xef\xbc\xa0x.example"}) {
    const Refusal sender = parse_mail("FROM:<a@" + domain + "> SMTPUTF8", mail);
    EXPECT_TRUE(sender.starts_with("501 5.1.7 Refused: the domain is no internationalised"))
        << sender;
    const Refusal recipient = parse_rcpt("TO:<a@" + domain + ">", true, rcpt);
    EXPECT_TRUE(recipient.starts_with("501 5.1.3 Refused: the domain is no internationalised"))
        << recipient;
  }
}

TEST(Smtputf8, TraceNamesTheProtocolAndStaysAscii) {
  ServerSettings settings = small_settings();
  settings.max_command_length = 200;
  Fixture fixture(settings);
  fixture.feed_all(std::string(hello) +
                   "MAIL FROM:<a@b> SMTPUTF8\r\nRCPT TO:<j\xc3\xb6@d>\r\nDATA\r\n\r\nx\r\n.\r\n"
                   "MAIL FROM:<a@b> SMTPUTF8\r\nRCPT TO:<c@d>\r\nDATA\r\n\r\nx\r\n.\r\n"
                   "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n\r\nx\r\n.\r\n");
  ASSERT_EQ(fixture.messages.size(), 3U);
  EXPECT_THAT(fixture.messages[0].content, HasSubstr(" with UTF8SMTP id "));
  EXPECT_THAT(fixture.messages[0].content, testing::Not(HasSubstr("for <")));
  EXPECT_FALSE(fixture.messages[0].envelope.eight_bit);
  EXPECT_THAT(fixture.messages[1].content, HasSubstr("for <c@d>"));
  EXPECT_THAT(fixture.messages[2].content, HasSubstr(" with ESMTP id "));
  EXPECT_FALSE(fixture.messages[2].envelope.utf8) << "it is of one transaction only";
}

}  // namespace
}  // namespace ringpost::smtp
