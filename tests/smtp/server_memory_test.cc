// Contents that need more memory than they may take without asking.
#include "server_fixture.h"

namespace ringpost::smtp {
namespace {

using Step = ServerSession::Step;

constexpr std::size_t unasked = 64;

ServerSettings scarce() {
  ServerSettings settings = small_settings();
  settings.max_message_size = std::size_t{4} << 20;
  settings.unasked_memory = unasked + 512;  // the trace field counts
  return settings;
}

// Feeds in pieces, grants or refuses, and counts how often it was asked.
class Asked {
 public:
  explicit Asked(bool grants = true) : grants_(grants), ids_(0), settings_(scarce()) {
    session_.greet();
  }

  void feed(std::string_view bytes, std::size_t piece = std::string_view::npos) {
    while (!bytes.empty()) {
      std::string_view next = bytes.substr(0, piece);
      bytes.remove_prefix(next.size());
      feed_piece(next);
    }
    output += session_.take_output();
  }

  ServerSession& session() { return session_; }

  std::string output;
  std::vector<mail::Message> messages;
  std::vector<std::uint64_t> wanted;
  std::uint64_t allowed_at_message = 1;

 private:
  void feed_piece(std::string_view bytes) {
    Step step = Step::memory;
    while (!bytes.empty() || step == Step::message) {
      const auto progress = session_.feed(bytes, noon);
      bytes.remove_prefix(progress.consumed);
      step = progress.step;
      if (step == Step::memory) {
        wanted.push_back(session_.wanted_memory());
        ASSERT_GT(session_.wanted_memory(), session_.allowed_memory());
        ASSERT_FALSE(session_.recipients().empty());
        if (grants_) {
          session_.allow_memory();
        } else {
          session_.refuse_memory();
        }
      } else if (step == Step::message) {
        messages.push_back(session_.take_message());
        allowed_at_message = session_.allowed_memory();
        session_.complete(session_.last_message_number(), "250 2.0.0 queued\r\n");
      } else {
        ASSERT_TRUE(bytes.empty());
      }
    }
  }

  bool grants_;
  mail::IdSequence ids_;
  ServerSettings settings_;
  ServerSession session_{settings_, ClientInfo{"192.0.2.9", true}, ids_};
};

std::string body_of(std::size_t size) {
  std::string body = "Subject: x\r\n\r\n";
  while (body.size() < size) {
    body += std::string(70, 'x') + "\r\n";
  }
  return body;
}

std::string letter_with(const std::string& body, const std::string& parameters = "") {
  return "MAIL FROM:<a@b>" + parameters + "\r\nRCPT TO:<c@d>\r\nDATA\r\n" + body + ".\r\n";
}

TEST(ServerMemory, SmallContentsDoNotAsk) {
  Asked asked;
  asked.feed(std::string(hello) + std::string(letter), 1);
  EXPECT_TRUE(asked.wanted.empty());
  EXPECT_EQ(asked.messages.size(), 1U);
}

TEST(ServerMemory, AContentOfUnknownSizeAsksForTwiceAsMuchEachTime) {
  const std::string body = body_of(3'500'000);
  for (const std::size_t piece : {std::size_t{100}, std::size_t{4096}, std::size_t{65'536}}) {
    Asked asked;
    asked.feed(std::string(hello) + letter_with(body), piece);
    ASSERT_EQ(asked.messages.size(), 1U);
    EXPECT_TRUE(asked.messages.front().content.ends_with(body));
    ASSERT_EQ(asked.wanted.size(), 3U);
    EXPECT_EQ(asked.wanted[0], 1U << 20);
    EXPECT_EQ(asked.wanted[1], 2U << 20);
    EXPECT_GE(asked.wanted[2], std::size_t{4} << 20) << "all that it can become";
    EXPECT_LT(asked.wanted[2], (std::size_t{4} << 20) + 1024);
    EXPECT_EQ(asked.allowed_at_message, 0U) << "it is the message's";
  }
}

TEST(ServerMemory, AnAnnouncedSizeIsAskedForOnce) {
  const std::string body = body_of(200'000);
  const std::string size = " SIZE=" + std::to_string(body.size());
  for (const std::size_t piece : {std::size_t{1}, std::size_t{4096}, std::string_view::npos}) {
    Asked asked;
    asked.feed(std::string(hello) + letter_with(body, size) + letter_with("small\r\n"), piece);
    ASSERT_EQ(asked.messages.size(), 2U);
    EXPECT_TRUE(asked.messages.front().content.ends_with(body));
    ASSERT_EQ(asked.wanted.size(), 1U);
    EXPECT_GE(asked.wanted.front(), asked.messages.front().content.size());
    EXPECT_LT(asked.wanted.front(), body.size() + 65'536);
  }
}

TEST(ServerMemory, WhoAnnouncesTooLittleAsksAgain) {
  Asked asked;
  asked.feed(std::string(hello) + letter_with(body_of(300'000), " SIZE=10"), 4096);
  EXPECT_EQ(asked.messages.size(), 1U);
  EXPECT_EQ(asked.wanted.size(), 1U);
}

TEST(ServerMemory, ChunksAskLikewise) {
  const std::string body = body_of(200'000);
  const std::string begin = std::string(hello) + "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";
  for (const std::size_t piece : {std::size_t{7}, std::size_t{4096}, std::string_view::npos}) {
    Asked whole;
    whole.feed(begin + "BDAT " + std::to_string(body.size()) + " LAST\r\n" + body, piece);
    ASSERT_EQ(whole.messages.size(), 1U);
    EXPECT_EQ(whole.wanted.size(), 1U);
    Asked halves;
    const std::string half = body.substr(0, body.size() / 2);
    const std::string rest = body.substr(half.size());
    halves.feed(begin + "BDAT " + std::to_string(half.size()) + "\r\n" + half + "BDAT " +
                    std::to_string(rest.size()) + " LAST\r\n" + rest,
                piece);
    ASSERT_EQ(halves.messages.size(), 1U);
    EXPECT_TRUE(halves.messages.front().content.ends_with(body));
    EXPECT_LE(halves.wanted.size(), 2U);
  }
}

TEST(ServerMemory, WhatIsRefusedIsReadToItsEndAndTheSessionGoesOn) {
  const std::string body = body_of(200'000);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{4096}, std::string_view::npos}) {
    Asked asked(false);
    asked.feed(std::string(hello) + letter_with(body) + letter_with("small\r\n"), piece);
    EXPECT_EQ(asked.wanted.size(), 1U);
    ASSERT_EQ(asked.messages.size(), 1U);
    EXPECT_TRUE(asked.messages.front().content.ends_with("small\r\n"));
    EXPECT_NE(asked.output.find("452 4.3.1 Too many large"), std::string::npos) << asked.output;
    EXPECT_EQ(asked.session().allowed_memory(), 0U);
  }
  Asked chunks(false);
  chunks.feed(std::string(hello) + "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT " +
              std::to_string(body.size()) + " LAST\r\n" + body + std::string(letter));
  EXPECT_EQ(chunks.messages.size(), 1U);
  EXPECT_NE(chunks.output.find("452 4.3.1 Too many large"), std::string::npos) << chunks.output;
}

TEST(ServerMemory, AFaultGivesBackWhatWasAllowed) {
  Asked asked;
  asked.feed(std::string(hello) + "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n" + body_of(10'000));
  EXPECT_GT(asked.session().allowed_memory(), 0U);
  asked.feed("bare\nline feed\r\n");
  EXPECT_EQ(asked.session().allowed_memory(), 0U);
  asked.feed(body_of(10'000) + ".\r\n");
  EXPECT_EQ(asked.wanted.size(), 1U) << "what is not kept needs nothing";
  EXPECT_NE(asked.output.find("550 5.6.0"), std::string::npos);
}

}  // namespace
}  // namespace ringpost::smtp
