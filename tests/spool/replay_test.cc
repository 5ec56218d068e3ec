// What recovery makes of records: exactly what is still to be done, whatever order it came about
// in.
#include "ringpost/spool/replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <list>

#include "samples.h"
#include "segment_image.h"

namespace ringpost::spool {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using State = RecoveredRecipient::State;
using HandOver = HandOverRecord::State;

class ReplayTest : public ::testing::Test {
 protected:
  // Later calls make newer segments.
  SegmentImage& segment() {
    const std::uint64_t number = images_.size() + 1;
    table_.add(number);
    return images_.emplace_back(SegmentName{1, number}, 256 << 10);
  }

  std::vector<RecoveredMessage>& replay() {
    Replay replay(table_, [this](RecoveredMessage&& m) { found_.push_back(std::move(m)); });
    for (auto image = images_.rbegin(); image != images_.rend(); ++image) {
      image->commit();
      replay.segment(image->name().segment, image->scan().records);
      table_.settled(image->name().segment);
    }
    highest_ = replay.highest_id().value;
    malformed_ = replay.malformed();
    return found_;
  }

  std::vector<std::uint64_t> ids() {
    std::vector<std::uint64_t> ids;
    for (const RecoveredMessage& message : replay()) {
      ids.push_back(message.key.message.value);
    }
    return ids;
  }

  void add(SegmentImage& image, const mail::Message& message, const PartKey& key,
           const std::vector<std::uint32_t>& parts = {}, std::uint16_t generation = 0) {
    image.builder().add(samples::encoded(message, key, parts, generation), message.content, true);
  }

  std::list<SegmentImage> images_;
  SegmentTable table_;
  std::vector<RecoveredMessage> found_;
  std::uint64_t highest_ = 0;
  std::uint64_t malformed_ = 0;
};

TEST_F(ReplayTest, UntouchedMessagesComeBackWhole) {
  const mail::Message message = samples::message(5, 3000, 2);
  segment().add(message);
  ASSERT_EQ(replay().size(), 1);
  const RecoveredMessage& found = found_[0];
  EXPECT_EQ(found.key, samples::key(5));
  EXPECT_EQ(found.arrived, message.arrived);
  EXPECT_EQ(found.envelope.recipients, message.envelope.recipients);
  EXPECT_THAT(found.recipients, IsEmpty());
  EXPECT_EQ(images_.front().bytes().substr(found.location.offset, found.location.length),
            message.content);
  EXPECT_EQ(table_.live_messages(), 1);
  EXPECT_EQ(table_.live_bytes(), 3000);
}

TEST_F(ReplayTest, DoneMessagesStayGoneAndTheHighestIdIsKnown) {
  segment()
      .add(samples::message(1))
      .add(samples::message(2))
      .add(samples::delivered(samples::key(1)));
  segment()
      .add(samples::delivered(samples::key(2)))
      .add(samples::message(9))
      .add(samples::delivered(samples::key(9)));
  EXPECT_THAT(ids(), IsEmpty());
  EXPECT_EQ(highest_, 9);
  EXPECT_EQ(table_.live_messages(), 0);
}

TEST_F(ReplayTest, LatestRecordOfARecipientCounts) {
  segment().add(samples::message(1, 10, 4)).add(samples::deferred(samples::key(1), 0, 1, 100));
  segment()
      .add(samples::deferred(samples::key(1), 0, 2, 200))
      .add(samples::deferred(samples::key(1), 1, 1, 150))
      .add(samples::deferred(samples::key(1), 0, 3, 300))
      .add(samples::delivered(samples::key(1), 3));
  segment().add(samples::delivered(samples::key(1), 1));
  ASSERT_EQ(replay().size(), 1);
  const auto& recipients = found_[0].recipients;
  ASSERT_EQ(recipients.size(), 3);
  EXPECT_EQ(recipients[0].recipient, 0);
  EXPECT_EQ(recipients[0].state, State::queued);
  EXPECT_EQ(recipients[0].attempts, 3);
  EXPECT_EQ(recipients[0].due, samples::at(300));
  EXPECT_EQ(recipients[0].last.reply, "451 4.3.0 later");
  EXPECT_EQ(recipients[1].recipient, 1);
  EXPECT_EQ(recipients[1].state, State::done);
  EXPECT_EQ(recipients[2].recipient, 3);
  EXPECT_EQ(recipients[2].state, State::done);
}

TEST_F(ReplayTest, OwedReportIsRecreatedUntilItIsDischarged) {
  SegmentImage& first = segment();
  first.add(samples::message(1)).add(samples::bounced(samples::key(1), 0, 50));
  first.add(samples::message(2)).add(samples::bounced(samples::key(2), 0, 60));
  segment().add(ReportDischarged{samples::key(2), {60}});
  ASSERT_EQ(replay().size(), 1);
  ASSERT_EQ(found_[0].reports.size(), 1);
  EXPECT_EQ(found_[0].reports[0].report.value, 50);
  EXPECT_EQ(found_[0].reports[0].recipients[0].outcome.reply, "550 5.1.1 No such user");
  EXPECT_EQ(found_[0].recipients[0].state, State::done);
  EXPECT_EQ(highest_, 60) << "ids of reports are never given twice";
}

TEST_F(ReplayTest, PartsOfOthersAreGivenUntilTheyMoved) {
  SegmentImage& image = segment();
  add(image, samples::message(1, 10, 4), samples::key(1), {0, 1, 2, 1});
  image.add(samples::delivered(samples::key(1), 0));
  segment().add(samples::hand_over(samples::key(1), HandOver::moved, 1));
  ASSERT_EQ(replay().size(), 1);
  const auto& recipients = found_[0].recipients;
  ASSERT_EQ(recipients.size(), 4);
  EXPECT_EQ(recipients[0].state, State::done);
  EXPECT_EQ(recipients[1].state, State::done);
  EXPECT_EQ(recipients[2].state, State::given);
  EXPECT_EQ(recipients[2].part, 2);
  EXPECT_EQ(recipients[3].state, State::done);
}

TEST_F(ReplayTest, RecipientsGivenLaterKeepTheirAttempts) {
  segment().add(samples::message(1, 10, 2)).add(samples::deferred(samples::key(1), 1, 4, 400));
  segment().add(samples::hand_over(samples::key(1), HandOver::given, 8, {1}));
  ASSERT_EQ(replay().size(), 1);
  ASSERT_EQ(found_[0].recipients.size(), 1);
  EXPECT_EQ(found_[0].recipients[0].state, State::given);
  EXPECT_EQ(found_[0].recipients[0].part, 8);
  EXPECT_EQ(found_[0].recipients[0].attempts, 4);
}

// Until the giver has confirmed, a taken part must not be forgotten: the giver would give it again.
TEST_F(ReplayTest, TakenPartIsRememberedUntilConfirmed) {
  SegmentImage& image = segment();
  add(image, samples::message(1), samples::key(1, 3, 1));
  image.add(samples::delivered(samples::key(1, 3, 1)));
  add(image, samples::message(2), samples::key(2, 3, 1));
  image.add(samples::delivered(samples::key(2, 3, 1)));
  image.add(samples::hand_over(samples::key(2, 3, 1), HandOver::confirmed, 3));
  ASSERT_EQ(replay().size(), 1);
  EXPECT_EQ(found_[0].key, samples::key(1, 3, 1));
  EXPECT_FALSE(found_[0].confirmed);
}

TEST_F(ReplayTest, PartsOfOneMessageAreKeptApart) {
  SegmentImage& image = segment();
  add(image, samples::message(1), samples::key(1, 0, 0));
  add(image, samples::message(1), samples::key(1, 5, 1));
  image.add(samples::delivered(samples::key(1, 0, 0)));
  ASSERT_EQ(replay().size(), 1);
  EXPECT_EQ(found_[0].key, samples::key(1, 5, 1));
}

TEST_F(ReplayTest, CopyOfHigherGenerationReplacesTheOriginal) {
  SegmentImage& first = segment();
  first.add(samples::message(1));
  SegmentImage& second = segment();
  add(second, samples::message(1), samples::key(1), {}, 1);
  second.add(samples::deferred(samples::key(1), 0, 2, 200));
  ASSERT_EQ(replay().size(), 1);
  EXPECT_EQ(found_[0].location.segment, 2);
  EXPECT_EQ(found_[0].recipients[0].attempts, 2);
  EXPECT_EQ(table_.live_messages(), 1);
}

TEST_F(ReplayTest, OutcomesOfForgottenMessagesAndUnknownKindsAreHarmless) {
  SegmentImage& image = segment();
  image.add(samples::delivered(samples::key(77)));
  image.add(samples::message(1));
  std::string odd = samples::encoded(samples::delivered(samples::key(1)));
  odd[16] = 99;  // the kind
  const std::uint64_t checksum = checksum_of(std::string_view(odd).substr(8));
  std::memcpy(odd.data(), &checksum, sizeof(checksum));
  image.builder().add(odd, {}, false);
  image.add(samples::delivered(samples::key(1), 12345));
  EXPECT_THAT(ids(), ElementsAre(1));
  EXPECT_EQ(malformed_, 2) << "an unknown kind, and a recipient that does not exist";
}

// An outcome must outlive its message's segment, or the message would be sent again.
TEST_F(ReplayTest, SegmentsOfOutcomesOutliveThoseOfTheirMessages) {
  segment().add(samples::message(1)).add(samples::message(2, 10, 2));
  segment().add(samples::delivered(samples::key(1)));
  segment().add(samples::delivered(samples::key(2), 0));
  EXPECT_THAT(ids(), ElementsAre(2));
  EXPECT_EQ(table_.next_to_retire(), std::nullopt);
  EXPECT_TRUE(table_.message_finished(1, 10));
  EXPECT_EQ(table_.next_to_retire(), 1);
  EXPECT_EQ(table_.next_to_retire(), std::nullopt) << "not before 1 is retired on disk";
  table_.retired(1);
  EXPECT_EQ(table_.next_to_retire(), 2);
  EXPECT_EQ(table_.next_to_retire(), 3);
}

TEST(SegmentTableTest, BusyOrLiveSegmentsAreNotRetired) {
  SegmentTable table;
  table.add(1);
  EXPECT_EQ(table.next_to_retire(), std::nullopt) << "it is still written to";
  table.message_added(1, 10);
  table.settled(1);
  EXPECT_EQ(table.next_to_retire(), std::nullopt);
  table.message_added(1, 5);
  EXPECT_FALSE(table.message_finished(1, 10));
  EXPECT_TRUE(table.message_finished(1, 5));
  EXPECT_EQ(table.live_bytes(), 0);
  EXPECT_EQ(table.next_to_retire(), 1);
  table.retired(1);
  EXPECT_FALSE(table.contains(1));
}

}  // namespace
}  // namespace ringpost::spool
