// STARTTLS as the server's machine sees it (RFC 3207): what is offered when, and that nothing said
// in plain text is remembered under TLS.
#include <gtest/gtest.h>

#include <string>

#include "server_fixture.h"

namespace ringpost::smtp {
namespace {

ServerSettings with_starttls() {
  ServerSettings settings = small_settings();
  settings.starttls = true;
  return settings;
}

class StartTls : public ::testing::Test {
 protected:
  // Says it, and lets the handshake succeed.
  void switch_to_tls() {
    fixture_.output.clear();
    fixture_.feed_all("STARTTLS\r\n");
    ask_again();
    ASSERT_EQ(step_, ServerSession::Step::start_tls);
    EXPECT_EQ(codes_of(fixture_.output), "220");
    fixture_.session().tls_started();
    fixture_.output.clear();
  }
  // As a listener does that has no more bytes.
  void ask_again() {
    const auto progress = fixture_.session().feed("", noon);
    EXPECT_EQ(progress.consumed, 0U);
    step_ = progress.step;
    fixture_.output += fixture_.session().take_output();
  }

  Fixture fixture_{with_starttls()};
  ServerSession::Step step_ = ServerSession::Step::need_more;
};

TEST_F(StartTls, IsOfferedOnceAndOnlyWhereItIsSet) {
  fixture_.feed_all(hello);
  EXPECT_NE(fixture_.output.find("250-STARTTLS\r\n"), std::string::npos);
  switch_to_tls();
  fixture_.feed_all(hello);
  EXPECT_EQ(fixture_.output.find("STARTTLS"), std::string::npos) << fixture_.output;
  fixture_.output.clear();
  fixture_.feed_all("STARTTLS\r\n");
  EXPECT_EQ(codes_of(fixture_.output), "503");

  Fixture without;
  without.feed_all(hello);
  EXPECT_EQ(without.output.find("STARTTLS"), std::string::npos);
}

TEST_F(StartTls, ForgetsWhatWasSaidBefore) {
  fixture_.feed_all(hello);
  fixture_.feed_all("MAIL FROM:<plain@b>\r\nRCPT TO:<plain@d>\r\n");
  switch_to_tls();
  EXPECT_FALSE(fixture_.session().in_transaction());
  fixture_.feed_all("MAIL FROM:<a@b>\r\n");
  EXPECT_EQ(codes_of(fixture_.output), "503") << "EHLO must be said anew";
  fixture_.output.clear();
  fixture_.feed_all(hello);
  fixture_.feed_all("RCPT TO:<c@d>\r\nDATA\r\n");
  EXPECT_EQ(codes_of(fixture_.output), "250 503 503");
  fixture_.feed_all(letter);
  ASSERT_EQ(fixture_.messages.size(), 1U);
  EXPECT_EQ(fixture_.messages[0].envelope.sender, "a@b");
  EXPECT_EQ(fixture_.messages[0].envelope.recipients, std::vector<std::string>{"c@d"});
  EXPECT_NE(fixture_.messages[0].content.find(" with ESMTPS id "), std::string::npos);
}

TEST_F(StartTls, WhateverIsPipelinedBehindItEndsTheSession) {
  for (const std::string behind : {"x", "\r\n", "EHLO evil\r\n", "\n"}) {
    Fixture fixture(with_starttls());
    fixture.feed_all(hello);
    fixture.output.clear();
    fixture.feed_all("STARTTLS\r\n" + behind);
    EXPECT_EQ(codes_of(fixture.output), "554") << behind;
    EXPECT_EQ(fixture.last_step, ServerSession::Step::close);
  }
}

TEST_F(StartTls, WaitsForTheRepliesOfMessagesBeforeIt) {
  fixture_.answer_at_once = false;
  fixture_.feed_all(hello);
  fixture_.output.clear();
  fixture_.feed_all(std::string(letter) + "STARTTLS\r\n");
  ask_again();
  EXPECT_EQ(step_, ServerSession::Step::full);
  EXPECT_EQ(codes_of(fixture_.output), "250 250 354");
  fixture_.session().complete(1, "250 2.0.0 queued\r\n");
  ask_again();
  EXPECT_EQ(step_, ServerSession::Step::start_tls);
  EXPECT_EQ(codes_of(fixture_.output), "250 250 354 250 220");
}

TEST_F(StartTls, TakesNoArgument) {
  fixture_.feed_all("EHLO client.example\r\nSTARTTLS now\r\n");
  EXPECT_EQ(codes_of(fixture_.output), "220 250 501");
  ask_again();
  EXPECT_EQ(step_, ServerSession::Step::need_more);
}

TEST_F(StartTls, HeloUnderTlsIsNoEsmtp) {
  fixture_.feed_all(hello);
  switch_to_tls();
  fixture_.feed_all("HELO client.example\r\n");
  fixture_.feed_all(letter);
  ASSERT_EQ(fixture_.messages.size(), 1U);
  EXPECT_NE(fixture_.messages[0].content.find(" with SMTP id "), std::string::npos);
}

}  // namespace
}  // namespace ringpost::smtp
