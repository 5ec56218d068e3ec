// The queue in front of the writer: places, order, failure, and moving elsewhere.
#include "ringpost/spool/commit_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "ringpost/ring/gate.h"
#include "ringpost/ring/task.h"
#include "ringpost/spool/segment_header.h"
#include "samples.h"

namespace ringpost::spool {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint64_t segment_size = 128 << 10;

class CommitQueueTest : public ::testing::Test {
 protected:
  CommitQueueTest() { queue_.start(10); }
  ~CommitQueueTest() override { queue_.fail_all(-1), run(); }

  Location add(std::uint64_t id, std::size_t size = 100) {
    const mail::Message message = samples::message(id, size);
    return queue_.add(samples::encoded(message, samples::key(id)), message.content, true);
  }
  void wait(Ticket ticket, int name) { gate_.spawn(wait_for(ticket, name)); }
  ring::Task<void> wait_for(Ticket ticket, int name) {
    const int error = co_await Committed(queue_, ticket);
    woken_.emplace_back(name, error);
  }
  void run() {
    while (!ready_.empty()) {
      ready_.resume_next();
    }
  }

  ring::ReadyQueue ready_;
  ring::Gate gate_{ready_};
  CommitQueue queue_{segment_size, 16 << 10, 64 << 10};
  std::vector<std::pair<int, int>> woken_;
};

TEST_F(CommitQueueTest, WaitersGoOnWhenTheirBatchIsSettledAndNotBefore) {
  add(1);
  const Ticket first = queue_.newest();
  wait(first, 1);
  BatchBuilder& batch = queue_.front();
  add(2);
  const Ticket second = queue_.newest();
  EXPECT_LT(first, second) << "a batch on its way takes no more records";
  wait(second, 2);
  wait(first, 3);
  run();
  EXPECT_THAT(woken_, IsEmpty());
  EXPECT_EQ(batch.records(), 1);
  queue_.settle_front(0);
  run();
  EXPECT_THAT(woken_, ElementsAre(std::pair(1, 0), std::pair(3, 0)));
  queue_.front();
  queue_.settle_front(-5);
  run();
  EXPECT_THAT(woken_, ElementsAre(std::pair(1, 0), std::pair(3, 0), std::pair(2, -5)));
  EXPECT_EQ(queue_.error_of(first), 0);
  EXPECT_EQ(queue_.error_of(second), -5) << "also for those who ask late";
  wait(second, 4);
  run();
  EXPECT_EQ(woken_.back(), std::pair(4, -5));
}

TEST_F(CommitQueueTest, RecordsLieWhereAppendingSaidTheyWould) {
  std::vector<std::pair<std::uint64_t, Location>> places;
  for (std::uint64_t id = 1; id <= 60; ++id) {
    places.emplace_back(id, add(id, id * 211 % 9000));
  }
  std::map<std::uint32_t, std::string> segments;
  std::uint32_t previous = 10;
  while (!queue_.empty()) {
    BatchBuilder& batch = queue_.front();
    batch.seal(1, 1);
    EXPECT_GE(batch.segment(), previous);
    previous = batch.segment();
    std::string& bytes = segments.try_emplace(previous, SegmentHeader::area, '\0').first->second;
    EXPECT_EQ(bytes.size(), batch.offset()) << "no holes";
    bytes.append(batch.bytes());
    queue_.settle_front(0);
  }
  EXPECT_GT(segments.size(), 1);
  for (const auto& [number, bytes] : segments) {
    EXPECT_LE(bytes.size() + 2 * block_size, segment_size) << "index and seal have room";
  }
  for (const auto& [id, place] : places) {
    EXPECT_EQ(segments.at(place.segment).substr(place.offset, place.length),
              samples::message(id, id * 211 % 9000).content);
  }
}

TEST_F(CommitQueueTest, LargeRecordIsABatchOfItsOwnAndTooLargeOnesAreToldApart) {
  EXPECT_TRUE(queue_.can_hold(200, 100 << 10));
  EXPECT_FALSE(queue_.can_hold(200, segment_size));
  add(1);
  const Location large = add(2, 60 << 10);
  add(3);
  EXPECT_EQ(queue_.front().records(), 2);
  EXPECT_EQ(large.segment, 10);
}

TEST_F(CommitQueueTest, RoomEndsAndComesBack) {
  while (queue_.has_room()) {
    add(1, 5000);
  }
  EXPECT_GE(queue_.waiting_bytes(), 64U << 10);
  while (!queue_.empty()) {
    queue_.front();
    queue_.settle_front(0);
  }
  EXPECT_EQ(queue_.waiting_bytes(), 0);
  EXPECT_TRUE(queue_.has_room());
}

TEST_F(CommitQueueTest, AfterAFailureLocationsFollowTheirBatches) {
  const Location before = add(1);
  queue_.front();
  queue_.settle_front(0);
  const Location failed = add(2, 5000);
  queue_.front();
  const Location behind = add(3, 90'000);
  const std::uint32_t fresh = queue_.move_to_fresh_segment();
  EXPECT_GT(fresh, behind.segment);
  EXPECT_EQ(queue_.front().offset(), SegmentHeader::area + block_size) << "voids come first";
  const std::uint32_t fresher = queue_.move_to_fresh_segment();
  EXPECT_GT(fresher, fresh);
  const Location after = add(4);

  EXPECT_EQ(queue_.resolve(before), before);
  EXPECT_EQ(queue_.resolve(after), after);
  for (const auto& [id, place] :
       {std::pair(2, failed), std::pair(3, behind), std::pair(4, after)}) {
    const Location moved = queue_.resolve(place);
    BatchBuilder& batch = queue_.front();
    EXPECT_EQ(moved.segment, batch.segment());
    EXPECT_EQ(batch.bytes().substr(moved.offset - batch.offset(), moved.length),
              samples::message(static_cast<std::uint64_t>(id), place.length).content);
    queue_.settle_front(0);
  }
  queue_.segment_retired(fresher);
  EXPECT_EQ(queue_.resolve(failed), failed);
}

TEST_F(CommitQueueTest, FinishingWaitsForTheRecordBehindIt) {
  const Location location = add(1);
  const Ticket ticket = queue_.newest();
  EXPECT_TRUE(queue_.finish_after(location, ticket));
  EXPECT_THAT(queue_.front().finished(), ElementsAre(location));
  queue_.settle_front(0);
  EXPECT_FALSE(queue_.finish_after(location, ticket)) << "it is durable already";
}

}  // namespace
}  // namespace ringpost::spool
