// Records: what is stored comes back, and nothing else passes for a record.
#include "ringpost/spool/record.h"

#include <gtest/gtest.h>

#include "samples.h"

namespace ringpost::spool {
namespace {

std::string_view meta_of(std::string_view head) {
  const auto header = read_record_header(head);
  EXPECT_TRUE(header);
  return head.substr(RecordHeader::size, header->meta_length);
}

TEST(RecordTest, MessageComesBackAsItWas) {
  mail::Message message = samples::message(77, 5000, 3);
  message.envelope.envid = "QQ314159";
  message.envelope.eight_bit = true;
  const std::vector<std::uint32_t> parts = {0, 9, 0};
  const std::string head = samples::encoded(message, samples::key(77, 0, 2), parts, 5);

  const auto header = read_record_header(head);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->kind, RecordKind::message);
  EXPECT_EQ(header->generation, 5);
  EXPECT_EQ(header->content_length, 5000);
  EXPECT_EQ(header->total(), head.size() + 5000);
  const auto record = decode_message(meta_of(head));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->key, samples::key(77, 0, 2));
  EXPECT_EQ(record->arrived, message.arrived);
  EXPECT_EQ(record->envelope.sender, message.envelope.sender);
  EXPECT_EQ(record->envelope.recipients, message.envelope.recipients);
  EXPECT_EQ(record->envelope.tenant, "tenant");
  EXPECT_EQ(record->envelope.job, "job 7");
  EXPECT_EQ(record->envelope.envid, "QQ314159");
  EXPECT_TRUE(record->envelope.eight_bit);
  EXPECT_EQ(record->parts, parts);
  EXPECT_EQ(record->content_checksum, checksum_of(message.content));
}

TEST(RecordTest, WhatWasAskedOfReportsComesBack) {
  mail::Message message = samples::message(7, 10, 4);
  const std::size_t without = samples::encoded(message, samples::key(7)).size();
  message.envelope.utf8 = true;
  EXPECT_EQ(samples::encoded(message, samples::key(7)).size(), without) << "a flag costs nothing";
  message.envelope.reports.returned = mail::Returned::headers;
  message.envelope.reports.recipients = {
      {1, mail::notify::success | mail::notify::delay, "rfc822;a+2Bb@c"},
      {3, mail::notify::never, ""}};
  const std::vector<std::uint32_t> parts = {0, 9, 0, 0};
  const std::string head = samples::encoded(message, samples::key(7), parts);
  const auto record = decode_message(meta_of(head));
  ASSERT_TRUE(record);
  EXPECT_TRUE(record->envelope.utf8);
  EXPECT_EQ(record->envelope.reports, message.envelope.reports);
  EXPECT_EQ(record->parts, parts);
  EXPECT_EQ(record->content_checksum, checksum_of(message.content));
}

TEST(RecordTest, RequestsThatCannotBeAreNoRecord) {
  using mail::RecipientRequest;
  const std::vector<std::vector<RecipientRequest>> impossible = {
      {{4, 1, ""}},                 // there is no such recipient
      {{1, 1, ""}, {1, 1, ""}},     // twice
      {{2, 1, ""}, {0, 1, ""}},     // not in order
      {{0, 16, ""}},                // no such word
      {{~std::uint32_t{0}, 1, ""}}  // nor this
  };
  for (const std::vector<RecipientRequest>& requests : impossible) {
    mail::Message message = samples::message(7, 10, 4);
    message.envelope.reports.recipients = requests;
    const std::string head = samples::encoded(message, samples::key(7));
    EXPECT_FALSE(decode_message(meta_of(head))) << requests.front().recipient;
  }
  mail::Message message = samples::message(7, 10, 4);
  message.envelope.reports.returned = static_cast<mail::Returned>(3);
  const std::string head = samples::encoded(message, samples::key(7));
  EXPECT_FALSE(decode_message(meta_of(head)));
}

TEST(RecordTest, ARelayedRecipientKeepsItsReply) {
  OutcomeRecord record = samples::bounced(samples::key(5), 3, 99);
  record.recipients.push_back(samples::ended(4));
  record.recipients.back().outcome.relayed = true;
  const std::string head = samples::encoded(record);
  const auto read = decode_outcome(meta_of(head));
  ASSERT_TRUE(read);
  EXPECT_FALSE(read->recipients[0].outcome.relayed);
  EXPECT_TRUE(read->recipients[1].outcome.relayed);
  EXPECT_FALSE(read->recipients[1].outcome.in_doubt);
  EXPECT_EQ(read->recipients[1].outcome.kind, mail::OutcomeKind::delivered);
  EXPECT_EQ(read->recipients[1].outcome.mx, "mx.domain.example");
}

TEST(RecordTest, NullSenderAndEmptyContentAreStored) {
  mail::Message message = samples::message(1, 0);
  message.envelope.sender.clear();
  const std::string head = samples::encoded(message, samples::key(1));
  const auto record = decode_message(meta_of(head));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->envelope.sender, "");
  EXPECT_TRUE(record->parts.empty());
}

TEST(RecordTest, OutcomeComesBackButTheReplyOfADelivery) {
  OutcomeRecord record = samples::bounced(samples::key(5, 1, 2), 3, 99);
  record.recipients.push_back(samples::ended(4));
  record.recipients[0].outcome.in_doubt = true;
  const std::string head = samples::encoded(record);
  const auto read = decode_outcome(meta_of(head));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->key, record.key);
  EXPECT_EQ(read->report, record.report);
  ASSERT_EQ(read->recipients.size(), 2);
  const mail::Outcome& bounced = read->recipients[0].outcome;
  EXPECT_EQ(read->recipients[0].recipient, 3);
  EXPECT_EQ(bounced.kind, mail::OutcomeKind::bounced);
  EXPECT_EQ(bounced.reply, "550 5.1.1 No such user");
  EXPECT_EQ(bounced.mx, "mx.domain.example");
  EXPECT_EQ(bounced.address, "192.0.2.1:25");
  EXPECT_EQ(bounced.status, (mail::EnhancedStatus{5, 1, 1}));
  EXPECT_TRUE(bounced.in_doubt);
  EXPECT_EQ(read->recipients[1].outcome.kind, mail::OutcomeKind::delivered);
  EXPECT_EQ(read->recipients[1].outcome.reply, "");
}

TEST(RecordTest, DeferralDischargeHandOverAndVoidComeBack) {
  const std::string deferral = samples::encoded(samples::deferred(samples::key(5), 2, 4, 12345));
  const auto deferred = decode_deferral(meta_of(deferral));
  ASSERT_TRUE(deferred);
  EXPECT_EQ(deferred->recipients[0].recipient, 2);
  EXPECT_EQ(deferred->recipients[0].attempts, 4);
  EXPECT_EQ(deferred->recipients[0].due, samples::at(12345));
  EXPECT_EQ(deferred->recipients[0].last.reply, "451 4.3.0 later");

  const std::string discharge = samples::encoded(ReportDischarged{samples::key(5), {42}});
  const auto discharged = decode_report_discharged(meta_of(discharge));
  ASSERT_TRUE(discharged);
  EXPECT_EQ(discharged->report.value, 42);

  const std::string moving = samples::encoded(
      samples::hand_over(samples::key(5, 1, 1), HandOverRecord::State::given, 7, {0, 3}));
  const auto moved = decode_hand_over(meta_of(moving));
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->state, HandOverRecord::State::given);
  EXPECT_EQ(moved->part, 7);
  EXPECT_EQ(moved->recipients, (std::vector<std::uint32_t>{0, 3}));

  VoidRecord voids;
  voids.voids = {{3, 900}, {4, 0}};
  const std::string voided = samples::encoded(voids);
  const auto read = decode_voided(meta_of(voided));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->voids, voids.voids);
}

std::vector<std::string> one_of_each() {
  return {
      samples::encoded(samples::message(9, 20, 2), samples::key(9), {0, 1}),
      samples::encoded(samples::bounced(samples::key(9), 0, 3)),
      samples::encoded(samples::deferred(samples::key(9), 0, 1, 2)),
      samples::encoded(ReportDischarged{samples::key(9), {3}}),
      samples::encoded(samples::hand_over(samples::key(9), HandOverRecord::State::moved, 1, {0})),
      samples::encoded(VoidRecord{{{1, 2}}})};
}

TEST(RecordTest, EveryTruncationIsRefused) {
  for (const std::string& head : one_of_each()) {
    for (std::size_t length = 0; length < head.size(); ++length) {
      EXPECT_FALSE(read_record_header(std::string_view(head).substr(0, length)));
    }
  }
}

TEST(RecordTest, EveryFlippedBitIsNoticed) {
  for (const std::string& head : one_of_each()) {
    for (std::size_t bit = 0; bit < head.size() * 8; ++bit) {
      std::string damaged = head;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
      EXPECT_FALSE(read_record_header(damaged)) << "bit " << bit;
    }
  }
}

// A verified checksum is no proof of sense: decoders see arbitrary bytes without harm, and take
// nothing that is shorter or longer than what they describe.
TEST(RecordTest, DecodersRefuseWhatIsCutOrLonger) {
  const auto refused = [](std::string_view meta, std::size_t which) {
    switch (which) {
      case 0:
        return !decode_message(meta);
      case 1:
        return !decode_outcome(meta);
      case 2:
        return !decode_deferral(meta);
      case 3:
        return !decode_report_discharged(meta);
      case 4:
        return !decode_hand_over(meta);
      default:
        return !decode_voided(meta);
    }
  };
  const std::vector<std::string> heads = one_of_each();
  for (std::size_t which = 0; which < heads.size(); ++which) {
    const std::string_view meta = std::string_view(heads[which]).substr(RecordHeader::size);
    EXPECT_FALSE(refused(meta, which));
    for (std::size_t length = 0; length < meta.size(); ++length) {
      EXPECT_TRUE(refused(meta.substr(0, length), which)) << which << " cut at " << length;
    }
    EXPECT_TRUE(refused(std::string(meta) + 'x', which)) << which;
  }
}

TEST(RecordTest, ForgedCountsAllocateNothing) {
  for (const std::string& head : one_of_each()) {
    const std::string_view meta = std::string_view(head).substr(RecordHeader::size);
    for (std::size_t at = 0; at + 4 <= meta.size(); ++at) {
      std::string forged(meta);
      forged.replace(at, 4, "\xff\xff\xff\xff");
      (void)decode_message(forged);
      (void)decode_outcome(forged);
      (void)decode_deferral(forged);
      (void)decode_hand_over(forged);
      (void)decode_voided(forged);
    }
  }
}

}  // namespace
}  // namespace ringpost::spool
