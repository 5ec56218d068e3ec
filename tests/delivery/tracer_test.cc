// What those see who follow a destination: no more than they may, no more than there is room for.
#include "ringpost/delivery/tracer.h"

#include <gtest/gtest.h>

#include <string>

namespace ringpost::delivery {
namespace {

class Following : public ::testing::Test {
 protected:
  void say(const std::string& destination, const std::string& text) {
    TraceLine line;
    line.kind = TraceKind::sent;
    line.text = text;
    tracer_.note(destination, line, now_);
  }
  Tracer::Taken take(const std::string& follower = "me", const std::string& of = "mx.example") {
    const auto taken = tracer_.take(follower, of, now_);
    EXPECT_TRUE(taken);
    return taken.value_or(Tracer::Taken());
  }

  Tracer tracer_;
  Instant now_ = Instant() + 1h;
};

TEST_F(Following, BeginsWithTheFirstQuestionAndConcernsOneDestination) {
  EXPECT_FALSE(tracer_.anybody());
  say("mx.example", "EHLO early\r\n");
  EXPECT_TRUE(take().lines.empty());
  EXPECT_TRUE(tracer_.follows("MX.example"));
  EXPECT_FALSE(tracer_.follows("other.example"));
  say("mx.example", "MAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\n");
  say("other.example", "RSET\r\n");
  EXPECT_TRUE(take("you").lines.empty());
  const Tracer::Taken mine = take();
  ASSERT_EQ(mine.lines.size(), 2U);
  EXPECT_EQ(mine.lines[0].text, "MAIL FROM:<>");
  EXPECT_EQ(mine.lines[1].text, "RCPT TO:<a@b.example>");
  EXPECT_TRUE(take().lines.empty());
}

TEST_F(Following, ASlowFollowerLosesTheOldestLinesAndIsToldHowMany) {
  take("slow");
  take("quick");
  for (std::size_t number = 0; number < Tracer::most_lines + 5; ++number) {
    say("mx.example", std::to_string(number) + "\r\n");
    EXPECT_EQ(take("quick").lines.size(), 1U);
  }
  const Tracer::Taken slow = take("slow");
  EXPECT_EQ(slow.lost, 5U);
  ASSERT_EQ(slow.lines.size(), Tracer::most_lines);
  EXPECT_EQ(slow.lines.front().text, "5");
  EXPECT_EQ(take("slow").lost, 0U);
}

TEST_F(Following, ThoseWhoDoNotAskAreForgottenAndThereAreOnlySoMany) {
  for (std::size_t number = 0; number < Tracer::most_followers; ++number) {
    take("f" + std::to_string(number));
  }
  EXPECT_FALSE(tracer_.take("more", "mx.example", now_));
  now_ += Tracer::forgotten_after;
  EXPECT_TRUE(tracer_.take("more", "mx.example", now_));
  now_ += Tracer::forgotten_after;
  say("mx.example", "RSET\r\n");
  EXPECT_FALSE(tracer_.anybody());
}

TEST_F(Following, SecretsAndLongLinesAreCut) {
  take();
  say("mx.example", "auth PLAIN AGEAYg==\r\nAUTH LOGIN\r\n" + std::string(2000, 'x') + "\r\n");
  const Tracer::Taken taken = take();
  ASSERT_EQ(taken.lines.size(), 3U);
  EXPECT_EQ(taken.lines[0].text, "auth PLAIN (hidden)");
  EXPECT_EQ(taken.lines[1].text, "AUTH LOGIN");
  EXPECT_EQ(taken.lines[2].text.size(), Tracer::longest_text);
}

}  // namespace
}  // namespace ringpost::delivery
