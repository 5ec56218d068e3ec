// Writes that fail, disks that fill up: nothing false is answered, and it goes on by itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness.h"

namespace ringpost::spool {
namespace {

constexpr Duration a_while = 5s;

class FailureTest : public ::testing::Test {
 protected:
  FailureTest() { EXPECT_TRUE(harness_.open()); }
  ~FailureTest() override { harness_.close(); }

  // Fails the next `count` writes of batches (not those of headers), after part of them was done.
  void fail_batches(int count, int error = -EIO) {
    harness_.kernel().write_fault = [count, error](const std::string&, std::uint64_t offset,
                                                   std::size_t) mutable {
      if (offset < SegmentHeader::area || count == 0) {
        return 0;
      }
      --count;
      return error;
    };
  }
  // Lets timers of up to `a_while` run out.
  void wait_a_while() {
    const Instant until = harness_.reactor().now() + a_while;
    while (harness_.reactor().now() < until) {
      harness_.reactor().turn(std::chrono::milliseconds(100));
    }
  }
  Spool& spool() { return harness_.spool(); }

  Harness harness_;
};

TEST_F(FailureTest, OneFailedWriteIsMadeGoodElsewhere) {
  const Location before = harness_.store(samples::message(1, 3000));
  fail_batches(1);
  const Location during = harness_.store(samples::message(2, 3000));
  const Location after = harness_.store(samples::message(3, 3000));
  EXPECT_TRUE(spool().accepting());
  EXPECT_EQ(spool().counters().commits.failures, 1);
  EXPECT_EQ(harness_.read(before).value(), samples::message(1, 3000).content);
  EXPECT_EQ(harness_.read(during).value(), samples::message(2, 3000).content)
      << "places given before the failure stay valid";
  EXPECT_EQ(harness_.read(after).value(), samples::message(3, 3000).content);
  const Ticket done = spool().append(samples::delivered(samples::key(2)), during);
  spool().finished(during, done);
  EXPECT_EQ(harness_.wait(done), 0);
  EXPECT_EQ(spool().counters().live_messages, 2);

  Harness second(2, harness_.kernel().cut_power());
  ASSERT_TRUE(second.open());
  EXPECT_EQ(second.messages().size(), 2);
  second.close();
}

// What was answered 451 must not come back, even if all of it did reach the disk.
TEST_F(FailureTest, RefusedMessagesAreNotResurrected) {
  harness_.store(samples::message(1));
  harness_.kernel().write_fault = [](const std::string&, std::uint64_t offset, std::size_t) {
    return offset < SegmentHeader::area ? 0 : -EIO;
  };
  const Appended refused = spool().append(samples::message(2));
  EXPECT_EQ(harness_.wait(refused.ticket), -EIO);
  EXPECT_FALSE(spool().durable(refused.ticket));
  EXPECT_FALSE(spool().accepting());
  EXPECT_FALSE(spool().has_room());
  harness_.kernel().write_fault = nullptr;
  wait_a_while();
  EXPECT_TRUE(spool().accepting());
  EXPECT_TRUE(spool().has_room());
  harness_.store(samples::message(3));

  for (std::uint64_t seed = 2; seed < 40; ++seed) {
    Harness second(seed, harness_.kernel().cut_power());
    ASSERT_TRUE(second.open());
    EXPECT_TRUE(second.messages().contains(samples::key(1)));
    EXPECT_FALSE(second.messages().contains(samples::key(2)));
    EXPECT_TRUE(second.messages().contains(samples::key(3)));
    // The voids outlive a second life too.
    second.store(samples::message(4));
    Harness third(seed, second.kernel().cut_power());
    ASSERT_TRUE(third.open());
    EXPECT_EQ(third.messages().size(), 3);
    third.close();
    second.close();
  }
}

TEST_F(FailureTest, AllThatWaitsIsToldAndAppendingGoesOn) {
  fail_batches(1'000'000);
  const Ticket first = spool().append(samples::message(1)).ticket;
  harness_.turns(1);
  const Ticket second = spool().append(samples::message(2)).ticket;
  EXPECT_EQ(harness_.wait(second), -EIO);
  EXPECT_EQ(harness_.wait(first), -EIO);
  // An outcome that is appended meanwhile waits for the disk.
  harness_.kernel().write_fault = nullptr;
  const Ticket later = spool().append(samples::message(3)).ticket;
  EXPECT_EQ(harness_.wait(later), 0);
  EXPECT_EQ(spool().counters().live_messages, 1);
}

TEST_F(FailureTest, FailedHeadersOfSegmentsAreAFailedWrite) {
  harness_.store(samples::message(1));
  harness_.kernel().write_fault = [](const std::string&, std::uint64_t offset, std::size_t) {
    return offset < SegmentHeader::area ? -EIO : 0;
  };
  int error = 0;
  for (std::uint64_t id = 2; id < 100 && error == 0; ++id) {
    error = harness_.wait(spool().append(samples::message(id, 4000)).ticket);
  }
  EXPECT_EQ(error, -EIO);
  harness_.kernel().write_fault = nullptr;
  wait_a_while();
  harness_.store(samples::message(200));
}

TEST_F(FailureTest, FullDiskRefusesMailRecordsOutcomesAndRecovers) {
  const Location first = harness_.store(samples::message(1000));
  harness_.turns(50);  // until the reserve is there
  harness_.kernel().allocate_fault = [](const std::string&) { return -ENOSPC; };
  std::vector<std::pair<std::uint64_t, Location>> stored = {{1000, first}};
  std::uint64_t id = 0;
  while (spool().accepting()) {
    ++id;
    ASSERT_LT(id, 1000) << "the disk never got full";
    stored.emplace_back(id, harness_.store(samples::message(id, 3000)));
    harness_.turns(2);
  }
  EXPECT_GT(id, 10);
  // Deliveries go on: there is room for the outcomes of all that is queued.
  for (const auto& [done, location] : stored) {
    const Ticket ticket = spool().append(samples::delivered(samples::key(done)), location);
    spool().finished(location, ticket);
    ASSERT_EQ(harness_.wait(ticket), 0);
  }
  wait_a_while();
  EXPECT_TRUE(spool().accepting()) << "the space of what was delivered serves again";
  harness_.store(samples::message(5000, 3000));
}

TEST_F(FailureTest, FreedSpaceIsNoticed) {
  harness_.turns(50);
  harness_.kernel().free_bytes = 0;
  std::uint64_t id = 0;
  while (spool().accepting()) {
    harness_.store(samples::message(++id, 3000));
    harness_.turns(2);
    ASSERT_LT(id, 1000);
  }
  harness_.kernel().free_bytes = 1 << 30;
  wait_a_while();
  EXPECT_TRUE(spool().accepting());
}

TEST_F(FailureTest, RoomEndsWhileTheDiskIsSlow) {
  harness_.store(samples::message(1));
  harness_.kernel().hold(true);
  std::uint64_t id = 1;
  while (spool().has_room()) {
    ASSERT_LT(++id, 10'000) << "no bound";
    spool().append(samples::message(id, 4000));
    harness_.turns(1);
  }
  harness_.kernel().hold(false);
  harness_.reactor().run(spool().room());
  EXPECT_TRUE(spool().has_room());
}

TEST_F(FailureTest, UnreadablePiecesAreQuarantinedNotFatal) {
  for (std::uint64_t id = 1; id <= 10; ++id) {
    harness_.store(samples::message(id, 3000));
  }
  Disk disk = harness_.kernel().cut_power();
  for (auto& [path, file] : disk) {
    file->cached.resize(file->cached.size() - 40'000);  // the file was cut short
  }
  Harness second(2, disk);
  const Result<Recovered> recovered = second.open();
  ASSERT_TRUE(recovered);
  EXPECT_GE(recovered->quarantined, 1);
  EXPECT_EQ(recovered->messages, 10);
  second.close();
}

TEST_F(FailureTest, LostHeaderIsMadeGood) {
  for (std::uint64_t id = 1; id <= 10; ++id) {
    harness_.store(samples::message(id, 3000));
  }
  Disk disk = harness_.kernel().cut_power();
  for (auto& [path, file] : disk) {
    file->cached.replace(0, SegmentHeader::area, SegmentHeader::area, 'x');
  }
  Harness second(2, disk);
  const Result<Recovered> recovered = second.open();
  ASSERT_TRUE(recovered);
  EXPECT_EQ(recovered->messages, 10);
  EXPECT_GE(recovered->quarantined, 1);
  second.close();
}

}  // namespace
}  // namespace ringpost::spool
