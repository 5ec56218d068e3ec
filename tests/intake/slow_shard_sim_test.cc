// A shard whose disk is slow, or that takes nothing at all, slows only its own mail: that of the
// other shard flows at its usual pace, through the listener of either.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sim/mail_world.h"

namespace ringpost::intake {
namespace {

using sim::MailWorld;

class SlowShard : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  static constexpr int count = 200;

  // When the last message for the fast site was answered, with as many for the slow one under way.
  Duration time_for_the_fast(std::size_t slow_clients, std::size_t size) {
    if (slow_clients > 0) {
      for (int number = 0; number < count; ++number) {
        world_.write({fmt::format("reader{}@slow.example", number)}, size);
      }
      world_.begin_inject(slow_clients);
      world_.world.run_for(3s);  // what may pile up has done so
    }
    const Instant began = world_.world.clock().now();
    const std::size_t before = taken_by_fast();
    for (int number = 0; number < count; ++number) {
      world_.write({fmt::format("reader{}@fast.example", number)}, 2000);
    }
    world_.begin_inject(8);
    EXPECT_TRUE(world_.world.run_until(
        [&] { return taken_by_fast() == before + static_cast<std::size_t>(count); }, 5min));
    return world_.world.clock().now() - began;
  }
  [[nodiscard]] std::size_t taken_by_fast() const { return fast_.taken.size(); }
  // All for the slow one came in, too, in the end.
  void all_is_well() {
    world_.relay.kernel(1).disk_delay = {};
    EXPECT_TRUE(world_.world.run_until([&] { return !world_.injecting(); }, 30min));
    EXPECT_TRUE(world_.settle(30min));
    EXPECT_EQ(world_.what_is_wrong(), "");
    EXPECT_TRUE(world_.relay.drain());
  }

  MailWorld world_{GetParam(), 2, settings()};
  sim::MailServer& slow_ = world_.add_site("slow.example");
  sim::MailServer& fast_ = world_.add_site("fast.example");

 private:
  static std::vector<std::string> settings() {
    return {
        "queue_group=[{name=\"slow\",domains=[\"slow.example\"],shard=1},"
        "{name=\"fast\",domains=[\"fast.example\"],shard=0}]",
        "listener.memory_budget=2M"};
  }
};

TEST_P(SlowShard, ASlowDiskSlowsTheMailOfItsShardOnly) {
  ASSERT_TRUE(world_.relay.start_and_wait());
  world_.run_minutes(1);
  const Duration alone = time_for_the_fast(0, 0);
  world_.relay.kernel(1).disk_delay = 2s;
  const Duration beside = time_for_the_fast(40, 2000);
  EXPECT_LT(slow_.taken.size(), static_cast<std::size_t>(count)) << "it was not slow";
  EXPECT_LT(beside, 3 * alone + 100ms);
  all_is_well();
}

TEST_P(SlowShard, LargeMessagesThatWaitForItAreInNobodysWay) {
  ASSERT_TRUE(world_.relay.start_and_wait());
  world_.run_minutes(1);
  const Duration alone = time_for_the_fast(0, 0);
  world_.relay.kernel(1).disk_delay = 10s;
  const Duration beside = time_for_the_fast(60, 200'000);
  EXPECT_GT(world_.relay.shard(1).memory().waiting(), 0U) << "nobody had to wait";
  EXPECT_LT(beside, 3 * alone + 100ms);
  all_is_well();
}

// A shard that does not even look into its mailboxes.
TEST_P(SlowShard, AShardThatTakesNoTurnsHoldsUpItsOwnMailOnly) {
  ASSERT_TRUE(world_.relay.start_and_wait());
  world_.run_minutes(1);
  const Duration alone = time_for_the_fast(0, 0);
  world_.relay.kernel(1).drive(nullptr);
  for (int number = 0; number < count; ++number) {
    world_.write({fmt::format("reader{}@slow.example", number)});
  }
  world_.begin_inject(40);
  world_.world.run_for(3s);
  const std::size_t before = taken_by_fast();
  const Instant began = world_.world.clock().now();
  std::size_t served = 0;
  for (int number = 0; number < count; ++number) {
    world_.write({fmt::format("reader{}@fast.example", number)}, 2000);
  }
  world_.begin_inject(40);  // those that the stuck shard's listener would take wait for it
  world_.world.run_until(
      [&] {
        served = taken_by_fast() - before;
        return served >= count / 4;
      },
      1min);
  EXPECT_GE(served, static_cast<std::size_t>(count / 4));
  EXPECT_LT(world_.world.clock().now() - began, 3 * alone + 100ms);
  world_.relay.kernel(1).drive(&world_.relay.shard(1).reactor());
  all_is_well();
}

INSTANTIATE_TEST_SUITE_P(Seeds, SlowShard, ::testing::Range<std::uint64_t>(0, 5));

}  // namespace
}  // namespace ringpost::intake
