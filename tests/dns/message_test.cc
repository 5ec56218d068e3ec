#include "ringpost/dns/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "packet.h"

namespace ringpost::dns {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::Message;

constexpr std::uint16_t id = 0x1234;
const Question mx_question{"example.org", RecordType::mx};
const Question a_question{"mx.example.org", RecordType::a};

Message answer_to(const Question& question) {
  return {.id = id, .question = question};
}
Answer parse(const Message& message, const Question& question) {
  return parse_answer(message.wire(), question, id);
}

TEST(Query, IsWhatRfc1035Says) {
  const std::string expected = testing::u16(id) + testing::u16(0x0100) + testing::u16(1) +
                               testing::u16(0) + testing::u16(0) + testing::u16(0) +
                               testing::wire_name("example.org") + testing::u16(15) +
                               testing::u16(1);
  EXPECT_EQ(build_query(mx_question, id, Edns::no), expected);
}

TEST(Query, AnnouncesItsPayloadSize) {
  const std::string query = build_query(mx_question, id, Edns::yes);
  EXPECT_EQ(query.substr(10, 2), testing::u16(1));  // one additional record
  // RFC 6891 section 6.1.2: the root, type OPT, the size as class, version 0, no data.
  EXPECT_TRUE(query.ends_with(testing::record("", 41, 0, "", udp_payload_size)));
}

TEST(Query, TakesTheLongestNameAndTheRoot) {
  const std::string label(63, 'a');
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'a');
  EXPECT_FALSE(build_query({longest, RecordType::a}, id, Edns::yes).empty());
  EXPECT_TRUE(build_query({"a." + longest, RecordType::a}, id, Edns::yes).empty());
  EXPECT_EQ(build_query({"", RecordType::a}, id, Edns::no).size(), 12U + 1 + 4);
}

TEST(Answer, GivesMxRecordsWithTheSmallestTimeToLive) {
  Message message = answer_to(mx_question);
  message.answers = {testing::mx("example.org", 10, "MX1.Example.ORG", 300),
                     testing::mx("EXAMPLE.org", 20, "mx2.example.org", 60),
                     testing::mx("example.org", 0, "", 900)};
  const Answer answer = parse(message, mx_question);
  EXPECT_EQ(answer.status, AnswerStatus::ok);
  EXPECT_THAT(answer.mx, ElementsAre(MxRecord{10, "mx1.example.org"},
                                     MxRecord{20, "mx2.example.org"}, MxRecord{0, ""}));
  EXPECT_EQ(answer.time_to_live, 60s);
}

TEST(Answer, GivesAddresses) {
  Message message = answer_to(a_question);
  message.answers = {testing::address("mx.example.org", "192.0.2.1"),
                     testing::address("mx.example.org", "192.0.2.2")};
  EXPECT_THAT(parse(message, a_question).addresses,
              ElementsAre(IpAddress::parse("192.0.2.1"), IpAddress::parse("192.0.2.2")));

  const Question question{"mx.example.org", RecordType::aaaa};
  message = answer_to(question);
  message.answers = {testing::address("mx.example.org", "2001:db8::1")};
  EXPECT_THAT(parse(message, question).addresses, ElementsAre(IpAddress::parse("2001:db8::1")));
}

TEST(Answer, TakesCompressedNames) {
  Message message = answer_to(mx_question);
  // The owner is the question's name (offset 12), the exchange ends in it.
  message.answers = {"\xc0\x0c" + testing::u16(15) + testing::u16(1) + testing::u32(60) +
                     testing::u16(7) + testing::u16(10) + "\2mx\xc0\x0c"};
  EXPECT_THAT(parse(message, mx_question).mx, ElementsAre(MxRecord{10, "mx.example.org"}));
}

TEST(Answer, TakesTheQuestionInAnyCase) {
  Message message = answer_to({"eXaMpLe.ORG", RecordType::mx});
  message.answers = {testing::mx("Example.Org", 10, "a.example")};
  EXPECT_EQ(parse(message, mx_question).status, AnswerStatus::ok);
}

TEST(Answer, PassesOverWhatWasNotAsked) {
  Message message = answer_to(a_question);
  message.answers = {testing::address("other.example.org", "192.0.2.66"),
                     testing::address("mx.example.org", "2001:db8::66"),
                     testing::record("mx.example.org", 1, 60, "\1\2\3\4", 3),  // class CHAOS
                     testing::mx("mx.example.org", 1, "evil.example"),
                     testing::address("mx.example.org", "192.0.2.1")};
  message.additionals = {testing::address("mx.example.org", "192.0.2.67")};
  const Answer answer = parse(message, a_question);
  EXPECT_THAT(answer.addresses, ElementsAre(IpAddress::parse("192.0.2.1")));
  EXPECT_THAT(answer.mx, IsEmpty());
}

TEST(Answer, FollowsAliasesInAnyOrder) {
  Message message = answer_to(a_question);
  message.answers = {testing::address("c.example", "192.0.2.1", 500),
                     testing::cname("b.example", "C.example", 30),
                     testing::cname("mx.example.org", "b.example", 90)};
  const Answer answer = parse(message, a_question);
  EXPECT_EQ(answer.status, AnswerStatus::ok);
  EXPECT_THAT(answer.addresses, ElementsAre(IpAddress::parse("192.0.2.1")));
  EXPECT_EQ(answer.time_to_live, 30s);
}

TEST(Answer, BoundsTheAliases) {
  const auto chain = [](int length) {
    Message message = answer_to(a_question);
    std::string name = a_question.name;
    for (int i = 0; i < length; ++i) {
      const std::string next = "n" + std::to_string(i) + ".example";
      message.answers.push_back(testing::cname(name, next));
      name = next;
    }
    message.answers.push_back(testing::address(name, "192.0.2.1"));
    return parse(message, a_question).status;
  };
  EXPECT_EQ(chain(max_aliases), AnswerStatus::ok);
  EXPECT_EQ(chain(max_aliases + 1), AnswerStatus::malformed);
}

TEST(Answer, AnAliasLoopIsMalformed) {
  Message message = answer_to(a_question);
  message.answers = {testing::cname("mx.example.org", "b.example"),
                     testing::cname("b.example", "mx.example.org")};
  EXPECT_EQ(parse(message, a_question).status, AnswerStatus::malformed);
}

TEST(Answer, AnAliasToNothingIsNoData) {
  Message message = answer_to(mx_question);
  message.answers = {testing::cname("example.org", "b.example", 20)};
  message.authorities = {testing::soa("example", 600, 900)};
  const Answer answer = parse(message, mx_question);
  EXPECT_EQ(answer.status, AnswerStatus::no_data);
  EXPECT_EQ(answer.time_to_live, 20s);
}

TEST(Answer, TakesTheNegativeTimeToLiveFromTheSoa) {
  Message message = answer_to(mx_question);
  EXPECT_EQ(parse(message, mx_question).status, AnswerStatus::no_data);
  EXPECT_EQ(parse(message, mx_question).time_to_live, 0s);
  message.authorities = {testing::soa("org", 600, 900)};
  EXPECT_EQ(parse(message, mx_question).time_to_live, 600s);
  message.authorities = {testing::soa("org", 600, 30)};
  EXPECT_EQ(parse(message, mx_question).time_to_live, 30s);
  message.rcode = 3;
  EXPECT_EQ(parse(message, mx_question).status, AnswerStatus::name_error);
  EXPECT_EQ(parse(message, mx_question).time_to_live, 30s);
}

TEST(Answer, ATimeToLiveWithItsTopBitSetIsZero) {
  Message message = answer_to(mx_question);
  message.answers = {testing::mx("example.org", 10, "a.example", 0x80000001)};
  EXPECT_EQ(parse(message, mx_question).time_to_live, 0s);
  message.answers = {testing::mx("example.org", 10, "a.example", 0x7fffffff)};
  EXPECT_EQ(parse(message, mx_question).time_to_live, std::chrono::seconds(0x7fffffff));
}

TEST(Answer, TellsFailuresApart) {
  Message message = answer_to(mx_question);
  message.answers = {testing::mx("example.org", 10, "a.example")};
  const auto status = [&](unsigned rcode) {
    message.rcode = rcode;
    const Answer answer = parse(message, mx_question);
    EXPECT_EQ(answer.rcode, static_cast<int>(rcode));
    return answer.status;
  };
  EXPECT_EQ(status(1), AnswerStatus::server_failure);
  EXPECT_EQ(status(2), AnswerStatus::server_failure);
  EXPECT_EQ(status(3), AnswerStatus::name_error);
  EXPECT_EQ(status(4), AnswerStatus::server_failure);
  EXPECT_EQ(status(5), AnswerStatus::refused);
  EXPECT_EQ(status(15), AnswerStatus::server_failure);
}

TEST(Answer, ReadsTheUpperBitsOfTheCode) {
  Message message = answer_to(mx_question);
  message.additionals = {testing::record("", 41, 0x01000000, "", 1232)};  // BADVERS
  const Answer answer = parse(message, mx_question);
  EXPECT_EQ(answer.status, AnswerStatus::server_failure);
  EXPECT_EQ(answer.rcode, 16);
  EXPECT_EQ(rcode_text(16), "rcode 16");
}

}  // namespace
}  // namespace ringpost::dns
