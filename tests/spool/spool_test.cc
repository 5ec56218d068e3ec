// The spool on a disk that can be looked at, stopped, filled and broken.
#include "ringpost/spool/spool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness.h"

namespace ringpost::spool {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(SpoolTest, StoredMessagesComeBackAfterACleanStop) {
  Harness first;
  ASSERT_TRUE(first.open());
  for (std::uint64_t id = 1; id <= 200; ++id) {
    first.store(samples::message(id, 3000));
  }
  first.close();
  EXPECT_EQ(first.kernel().open_files(), 0);

  Harness second(2, first.kernel().disk());
  const Result<Recovered> recovered = second.open();
  ASSERT_TRUE(recovered);
  EXPECT_EQ(recovered->messages, 200);
  EXPECT_EQ(recovered->highest_id.value, 200);
  EXPECT_EQ(recovered->sealed, recovered->segments) << "a clean stop seals";
  EXPECT_GT(recovered->segments, 3);
  for (const auto& [key, message] : second.messages()) {
    const mail::Message sample = samples::message(key.message.value, 3000);
    EXPECT_EQ(message.envelope.recipients, sample.envelope.recipients);
    EXPECT_EQ(second.read(message.location).value(), sample.content);
  }
  EXPECT_EQ(second.spool().counters().live_messages, 200);
  second.close();
}

// The promise: nothing that committed() said yes to before a cut is missing after it.
TEST(SpoolTest, NothingIsAnsweredWhileItsWriteIsOnItsWay) {
  Harness harness;
  ASSERT_TRUE(harness.open());
  harness.store(samples::message(1));
  const Appended appended = harness.spool().append(samples::message(2));
  harness.kernel().hold(true);
  harness.turns(50);
  EXPECT_GT(harness.kernel().pending(), 0) << "the write was submitted";
  EXPECT_FALSE(harness.spool().durable(appended.ticket));
  harness.kernel().hold(false);
  EXPECT_EQ(harness.wait(appended.ticket), 0);
  EXPECT_TRUE(harness.spool().durable(appended.ticket));

  Harness after(2, harness.kernel().cut_power());
  ASSERT_TRUE(after.open());
  EXPECT_TRUE(after.messages().contains(samples::key(2)));
  after.close();
  harness.close();
}

TEST(SpoolTest, ManyMessagesShareOneWrite) {
  Harness harness;
  ASSERT_TRUE(harness.open());
  harness.store(samples::message(1));
  const std::uint64_t before = harness.spool().counters().commits.batches;
  Ticket last;
  for (std::uint64_t id = 2; id < 22; ++id) {
    last = harness.spool().append(samples::message(id)).ticket;
  }
  EXPECT_EQ(harness.wait(last), 0);
  EXPECT_LE(harness.spool().counters().commits.batches - before, 2);
  harness.close();
}

TEST(SpoolTest, OutcomesAndDeferralsSurviveAndDoneMessagesDoNotComeBack) {
  Harness first;
  ASSERT_TRUE(first.open());
  const Location one = first.store(samples::message(1));
  const Location two = first.store(samples::message(2));
  const Ticket done = first.spool().append(samples::delivered(samples::key(1)), one);
  first.spool().finished(one, done);
  const Ticket later = first.spool().append(samples::deferred(samples::key(2), 0, 3, 99), two);
  EXPECT_EQ(first.wait(later), 0);
  EXPECT_EQ(first.spool().counters().live_messages, 1);

  Harness second(2, first.kernel().cut_power());
  ASSERT_TRUE(second.open());
  ASSERT_EQ(second.messages().size(), 1);
  const RecoveredMessage& message = second.messages().at(samples::key(2));
  EXPECT_EQ(message.recipients[0].attempts, 3);
  EXPECT_EQ(message.recipients[0].due, samples::at(99));
  second.close();
  first.close();
}

TEST(SpoolTest, FinishedSegmentsAreReusedAndNotRead) {
  Harness harness;
  ASSERT_TRUE(harness.open());
  std::size_t most_files = 0;
  for (std::uint64_t id = 1; id <= 1500; ++id) {
    const Location location = harness.store(samples::message(id, 3000));
    const Ticket done = harness.spool().append(samples::delivered(samples::key(id)), location);
    harness.spool().finished(location, done);
    EXPECT_EQ(harness.wait(done), 0);
    most_files = std::max(most_files, harness.kernel().disk().size());
  }
  EXPECT_LE(most_files, 6) << "about 90 segments were filled";
  EXPECT_EQ(harness.spool().counters().live_bytes, 0);
  Harness after(2, harness.kernel().cut_power());
  const Result<Recovered> recovered = after.open();
  ASSERT_TRUE(recovered);
  EXPECT_THAT(after.messages(), IsEmpty());
  EXPECT_LE(recovered->segments, 3);
  EXPECT_EQ(recovered->highest_id.value, 1500);
  after.close();
  harness.close();
}

// A message that stays keeps the outcomes of its segment's other messages alive.
TEST(SpoolTest, OneQueuedMessageDoesNotBringTheOthersBack) {
  Harness first;
  ASSERT_TRUE(first.open());
  std::vector<Location> locations;
  for (std::uint64_t id = 1; id <= 100; ++id) {
    locations.push_back(first.store(samples::message(id, 3000)));
  }
  for (std::uint64_t id = 2; id <= 100; ++id) {
    const Ticket done =
        first.spool().append(samples::delivered(samples::key(id)), locations[id - 1]);
    first.spool().finished(locations[id - 1], done);
    EXPECT_EQ(first.wait(done), 0);
  }
  for (std::uint64_t id = 200; id <= 500; ++id) {
    const Location location = first.store(samples::message(id, 3000));
    const Ticket done = first.spool().append(samples::delivered(samples::key(id)), location);
    first.spool().finished(location, done);
    EXPECT_EQ(first.wait(done), 0);
  }
  Harness second(2, first.kernel().cut_power());
  ASSERT_TRUE(second.open());
  EXPECT_EQ(second.messages().size(), 1);
  EXPECT_TRUE(second.messages().contains(samples::key(1)));
  second.close();
  first.close();
}

TEST(SpoolTest, DamagedContentIsNeverHandedOut) {
  Harness harness;
  ASSERT_TRUE(harness.open());
  const Location location = harness.store(samples::message(1, 3000));
  ASSERT_TRUE(harness.read(location));
  for (auto& [path, file] : harness.kernel().disk()) {
    if (file->cached.size() > location.offset) {
      file->cached[location.offset + 1500] ^= 1;
    }
  }
  const Result<std::string> read = harness.read(location);
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().describe(), HasSubstr("damaged"));
  EXPECT_EQ(harness.spool().counters().quarantined_total, 1);
  harness.close();
}

TEST(SpoolTest, DamagedIndexFallsBackToReadingTheSegment) {
  Harness first;
  ASSERT_TRUE(first.open());
  for (std::uint64_t id = 1; id <= 60; ++id) {
    first.store(samples::message(id, 3000));
  }
  first.close();
  for (auto& [path, file] : first.kernel().disk()) {
    const auto seal = read_seal(std::string_view(file->cached).substr((128 << 10) - block_size));
    if (seal) {
      file->cached[seal->index_offset + 100] ^= 1;
    }
  }
  Harness second(2, first.kernel().disk());
  const Result<Recovered> recovered = second.open();
  ASSERT_TRUE(recovered);
  EXPECT_EQ(recovered->messages, 60);
  EXPECT_EQ(recovered->sealed, 0);
  second.close();
}

TEST(SpoolTest, FileKeptAsideWhenDamaged) {
  Harness first;
  ASSERT_TRUE(first.open());
  Location places[4];
  for (std::uint64_t id = 1; id <= 3; ++id) {
    places[id] = first.store(samples::message(id, 3000));
  }
  Disk disk = first.kernel().cut_power();
  for (auto& [path, file] : disk) {
    if (file->cached.size() > places[2].offset && file->cached[places[2].offset] != 0) {
      file->cached[places[2].offset + 10] ^= 1;
    }
  }
  Harness second(2, disk);
  const Result<Recovered> recovered = second.open();
  ASSERT_TRUE(recovered);
  EXPECT_EQ(recovered->messages, 2);
  EXPECT_EQ(recovered->quarantined, 1);
  for (const std::uint64_t id : {1U, 3U}) {
    const Location location = second.messages().at(samples::key(id)).location;
    const Ticket done = second.spool().append(samples::delivered(samples::key(id)), location);
    second.spool().finished(location, done);
    EXPECT_EQ(second.wait(done), 0);
  }
  second.turns(50);
  EXPECT_TRUE(second.kernel().disk().contains("/spool/shard-0/00000001.segment.damaged") ||
              second.kernel().disk().contains("/spool/shard-0/00000002.segment.damaged"));
  second.close();
  first.close();
}

TEST(SpoolTest, WorksWhereDirectWritingIsRefused) {
  Harness first;
  first.kernel().refuse_direct = true;
  ASSERT_TRUE(first.open());
  first.store(samples::message(1));
  Harness second(2, first.kernel().cut_power());
  second.kernel().refuse_direct = true;
  ASSERT_TRUE(second.open());
  EXPECT_EQ(second.messages().size(), 1);
  second.close();
  first.close();
}

TEST(SpoolTest, AnotherSpoolsFileIsRefused) {
  Harness first;
  ASSERT_TRUE(first.open());
  first.store(samples::message(1));
  first.close();
  Harness other(99);
  ASSERT_TRUE(other.open());
  other.store(samples::message(1));
  other.close();
  Disk mixed = first.kernel().disk();
  mixed["/spool/shard-0/00000077.segment"] = other.kernel().disk().begin()->second;
  Harness third(3, mixed);
  const Result<Recovered> opened = third.open();
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().describe(), HasSubstr("another spool"));
}

TEST(SpoolTest, SegmentSizesOutOfBoundsAreRefused) {
  for (const std::uint64_t size : {0ULL, 4096ULL, 100'000ULL, 1ULL << 40}) {
    Harness harness(1, {}, small_spool(size));
    EXPECT_FALSE(harness.open());
  }
}

}  // namespace
}  // namespace ringpost::spool
