// Answers that somebody tampered with: forged, cut, flipped, looping, swollen.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "packet.h"
#include "ringpost/base/random.h"
#include "ringpost/dns/message.h"
#include "ringpost/dns/name.h"

namespace ringpost::dns {
namespace {

using testing::Message;

constexpr std::uint16_t id = 0xbeef;
const Question question{"example.org", RecordType::mx};

Message good() {
  Message message{.id = id, .question = question};
  message.answers = {testing::cname("example.org", "alias.example"),
                     testing::mx("alias.example", 10, "mx1.example.org"),
                     testing::mx("alias.example", 20, "mx2.example.org")};
  message.authorities = {testing::soa("example", 600, 60)};
  message.additionals = {testing::address("mx1.example.org", "192.0.2.1"),
                         testing::record("", 41, 0, "", 1232)};
  return message;
}
AnswerStatus status_of(std::string_view wire) {
  return parse_answer(wire, question, id).status;
}

// Whatever came in, what goes out is sound.
void expect_sound(const Answer& answer) {
  EXPECT_TRUE(answer.status == AnswerStatus::ok || (answer.mx.empty() && answer.addresses.empty()));
  EXPECT_GE(answer.time_to_live, 0s);
  for (const MxRecord& record : answer.mx) {
    for (const char c : record.exchange) {
      EXPECT_TRUE(c > ' ' && c <= '~');
    }
  }
}

TEST(HostileAnswer, ForgedOnesAreMismatched) {
  EXPECT_EQ(status_of(good().wire()), AnswerStatus::ok);
  Message message = good();
  message.id = id + 1;
  EXPECT_EQ(status_of(message.wire()), AnswerStatus::mismatched);
  message = good();
  message.question.name = "example.net";
  EXPECT_EQ(status_of(message.wire()), AnswerStatus::mismatched);
  message = good();
  message.question.type = RecordType::a;
  EXPECT_EQ(status_of(message.wire()), AnswerStatus::mismatched);
  message = good();
  message.flags = 0x0100;  // a query
  EXPECT_EQ(status_of(message.wire()), AnswerStatus::mismatched);
  message = good();
  message.flags |= 4 << 11;  // a notification
  EXPECT_EQ(status_of(message.wire()), AnswerStatus::mismatched);

  std::string wire = good().wire();
  const std::size_t question_class = 12 + testing::wire_name("example.org").size() + 3;
  wire[question_class] = 3;
  EXPECT_EQ(status_of(wire), AnswerStatus::mismatched);
  wire = good().wire();
  wire[5] = 0;  // no question
  EXPECT_EQ(status_of(wire), AnswerStatus::mismatched);
  wire[5] = 2;
  EXPECT_EQ(status_of(wire), AnswerStatus::mismatched);
}

TEST(HostileAnswer, AFailureWithoutOurQuestionIsNotForUs) {
  Message message{.id = id, .question = {"example.com", RecordType::mx}, .rcode = 2};
  EXPECT_EQ(status_of(message.wire()), AnswerStatus::mismatched);
  EXPECT_EQ(status_of(testing::u16(id) + testing::u16(0x8182) + std::string(8, '\0')),
            AnswerStatus::mismatched);
}

TEST(HostileAnswer, CutAtEveryByte) {
  const std::string wire = good().wire();
  const std::size_t question_end = 12 + testing::wire_name("example.org").size() + 4;
  for (std::size_t size = 0; size < wire.size(); ++size) {
    EXPECT_EQ(status_of(wire.substr(0, size)),
              size < question_end ? AnswerStatus::mismatched : AnswerStatus::malformed)
        << size;
  }
}

TEST(HostileAnswer, TruncatedIsSeenWhereverItWasCut) {
  Message message = good();
  message.flags |= testing::flag_truncated;
  const std::string wire = message.wire();
  const std::size_t question_end = 12 + testing::wire_name("example.org").size() + 4;
  for (std::size_t size = question_end; size <= wire.size(); ++size) {
    ASSERT_EQ(status_of(wire.substr(0, size)), AnswerStatus::truncated) << size;
  }
}

TEST(HostileAnswer, EveryByteReplaced) {
  const std::string wire = good().wire();
  for (std::size_t at = 0; at < wire.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string changed = wire;
      changed[at] = static_cast<char>(value);
      const Answer answer = parse_answer(changed, question, id);
      expect_sound(answer);
    }
  }
}

TEST(HostileAnswer, RandomDamage) {
  const std::string wire = good().wire();
  Random random(Random::seed_from(20));
  for (int round = 0; round < 20'000; ++round) {
    std::string changed = wire;
    for (std::uint64_t flips = 1 + random.below(12); flips > 0; --flips) {
      // Behind the question, so that the rest is looked at.
      const std::size_t at = 29 + random.below(changed.size() - 29);
      changed[at] = static_cast<char>(random.below(256));
    }
    if (random.below(4) == 0) {
      changed.resize(29 + random.below(changed.size() - 29));
    }
    expect_sound(parse_answer(changed, question, id));
  }
}

TEST(HostileAnswer, CompressionLoops) {
  const std::string fixed = testing::u16(15) + testing::u16(1) + testing::u32(60);
  const std::size_t start = Message{.id = id, .question = question}.wire().size();
  const auto pointer = [](std::size_t to) {
    return testing::u16(0xc000U | static_cast<unsigned>(to));
  };
  Message message{.id = id, .question = question};
  // To itself, forth and back, beyond the end, and through a label round and round.
  message.answers = {pointer(start) + fixed + testing::u16(3) + testing::u16(1) + '\0'};
  EXPECT_EQ(status_of(message.wire()), AnswerStatus::malformed);
  message.answers = {pointer(start + 2) + pointer(start) + fixed + testing::u16(0)};
  EXPECT_EQ(status_of(message.wire()), AnswerStatus::malformed);
  message.answers = {pointer(0x3fff) + fixed + testing::u16(0)};
  EXPECT_EQ(status_of(message.wire()), AnswerStatus::malformed);
  message.answers = {"\1a" + pointer(start) + fixed + testing::u16(3) + testing::u16(1) + '\0'};
  EXPECT_EQ(status_of(message.wire()), AnswerStatus::malformed);
}

TEST(HostileAnswer, PointersInTheQuestion) {
  std::string wire = testing::u16(id) + testing::u16(0x8180) + testing::u16(1) +
                     std::string(6, '\0') + "\xc0\x0c" + testing::u16(15) + testing::u16(1);
  EXPECT_EQ(status_of(wire), AnswerStatus::mismatched);
}

TEST(HostileAnswer, RecordsThatLieAboutTheirLength) {
  Message message{.id = id, .question = question};
  for (const std::string_view data : {"", "\1", "\1\2", "\1\2\3", "\1\2\3abcd"}) {
    message.answers = {testing::record("example.org", 15, 60, data)};
    EXPECT_EQ(status_of(message.wire()), AnswerStatus::malformed) << data.size();
  }
  const Question v4{"example.org", RecordType::a};
  message.question = v4;
  for (std::size_t size = 0; size < 4; ++size) {
    message.answers = {testing::record("example.org", 1, 60, std::string(size, '\1'))};
    EXPECT_EQ(parse_answer(message.wire(), v4, id).status, AnswerStatus::malformed) << size;
  }
}

TEST(HostileAnswer, CountsBeyondTheData) {
  std::string wire = good().wire();
  for (const std::size_t count : {6U, 8U, 10U}) {
    std::string changed = wire;
    changed[count] = changed[count + 1] = '\xff';
    EXPECT_EQ(status_of(changed), AnswerStatus::malformed);
  }
}

TEST(HostileAnswer, SwollenOnesAreNotUnpacked) {
  Message message{.id = id, .question = question};
  while (message.wire().size() <= max_message_size) {
    for (int i = 0; i < 50; ++i) {
      message.answers.push_back(testing::mx("example.org", 10, "mx.example.org"));
    }
  }
  EXPECT_EQ(status_of(message.wire()), AnswerStatus::malformed);
}

TEST(HostileAnswer, ExchangesWithStrangeOctetsStayDistinct) {
  Message message{.id = id, .question = question};
  message.answers = {
      testing::record("example.org", 15, 60, testing::u16(1) + std::string("\5a\r\n.b\0", 7)),
      testing::record("example.org", 15, 60, testing::u16(2) + std::string("\3a.b\0", 5))};
  const Answer answer = parse_answer(message.wire(), question, id);
  ASSERT_EQ(answer.mx.size(), 2U);
  EXPECT_EQ(answer.mx[0].exchange, "a\\013\\010\\046b");
  EXPECT_EQ(answer.mx[1].exchange, "a\\046b");
  EXPECT_FALSE(canonical_name(answer.mx[0].exchange));
}

}  // namespace
}  // namespace ringpost::dns
