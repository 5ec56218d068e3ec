// The memory that large messages are granted while they come in: never more than the budget, and
// nobody is stuck for ever.
#include "ringpost/intake/content_memory.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sim/mail_world.h"
#include "sim/sim_process.h"

namespace ringpost::intake {
namespace {

using ring::Task;

class ContentMemoryTest : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  ~ContentMemoryTest() override { host_.crash(sim::Crash::killed); }

  Task<void> take(std::uint64_t held, std::uint64_t wanted, std::string& said) {
    const bool granted = co_await memory_.ask(held, wanted);
    said += granted ? "yes " : "no ";
  }
  std::string ask(std::uint64_t held, std::uint64_t wanted) {
    std::string said;
    process_.spawn(take(held, wanted, said));
    world_.run_for(1ms);
    if (said.empty()) {
      world_.run_for(ContentMemory::patience + 1s);
      said += "late ";
    }
    return said;
  }

  // A content that grows, as one that comes in does, then takes a while until it is durable.
  Task<void> come_in(std::uint64_t end) {
    std::uint64_t held = 0;
    while (held < end) {
      const std::uint64_t wanted = std::min(end, std::max<std::uint64_t>(held * 2, 10));
      co_await process_.reactor.sleep(sim::between(world_.random(), 0us, 20ms));
      const bool granted = co_await memory_.ask(held, wanted);
      if (!granted) {
        ++refused_;
        break;
      }
      held = wanted;
      most_ = std::max(most_, memory_.granted());
    }
    co_await process_.reactor.sleep(sim::between(world_.random(), 0us, 20ms));
    if (held > 0) {
      memory_.give_back(held);
    }
  }

  sim::SimWorld world_{GetParam()};
  sim::SimHost& host_ = world_.add_host("one", {sim::SimWorld::address("10.0.0.1")});
  sim::SimProcess process_{host_};
  ContentMemory memory_{process_.reactor};
  std::uint64_t most_ = 0;
  int refused_ = 0;
};

TEST_P(ContentMemoryTest, WhoHasBegunCanEnd) {
  memory_.set_budget(100, 60);
  EXPECT_EQ(ask(0, 20), "yes ");
  EXPECT_EQ(ask(0, 30), "yes ");
  EXPECT_EQ(ask(0, 30), "no late ") << "then neither of them could have 60";
  EXPECT_EQ(ask(30, 60), "yes ");
  EXPECT_EQ(ask(20, 40), "yes ") << "the other one has all that it can want";
  EXPECT_EQ(memory_.granted(), 100U);
  memory_.give_back(60);
  EXPECT_EQ(ask(40, 60), "yes ");
  memory_.give_back(60);
  EXPECT_EQ(memory_.granted(), 0U);
}

TEST_P(ContentMemoryTest, ALargeOneIsNotOvertakenForEver) {
  memory_.set_budget(100, 60);
  EXPECT_EQ(ask(0, 60), "yes ");
  std::string large;
  std::string small;
  process_.spawn(take(0, 60, large));
  process_.spawn(take(0, 5, small));
  world_.run_for(1s);
  EXPECT_EQ(large + small, "") << "5 would be there, but who came first has to wait";
  memory_.give_back(60);
  world_.run_for(1s);
  EXPECT_EQ(large, "yes ");
  EXPECT_EQ(small, "yes ");
  memory_.stop();
  EXPECT_EQ(ask(0, 1), "no ");
  memory_.give_back(60);
  memory_.give_back(5);
}

TEST_P(ContentMemoryTest, OneAloneMayExceedAnyLimit) {
  memory_.set_budget(100, 60);
  EXPECT_EQ(ask(0, 500), "yes ");
  EXPECT_EQ(ask(0, 1), "no late ");
  memory_.give_back(500);
  EXPECT_EQ(ask(0, 1), "yes ");
  memory_.give_back(1);
}

TEST_P(ContentMemoryTest, ManyThatGrowAllEndWithinTheBudget) {
  memory_.set_budget(200, 100);
  for (int number = 0; number < 300; ++number) {
    process_.spawn(come_in(1 + world_.random().below(100)));
  }
  // Far less than the patience of anybody.
  EXPECT_TRUE(process_.finish(50s));
  EXPECT_EQ(refused_, 0);
  EXPECT_LE(most_, 200U);
  EXPECT_GT(most_, 150U);
  EXPECT_EQ(memory_.granted(), 0U);
  EXPECT_EQ(memory_.waiting(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ContentMemoryTest, ::testing::Range<std::uint64_t>(0, 5));

// --- in the relay ----------------------------------------------------------------------------

class LargeMessages : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  static constexpr std::uint64_t budget = 1 << 20;  // of two shards

  LargeMessages() {
    world_.add_site("one.example");
    world_.add_site("two.example");
    world_.add_site("three.example");
  }
  void write_large(int count) {
    Random& random = world_.world.random();
    for (int number = 0; number < count; ++number) {
      std::vector<std::string> recipients{"a@one.example"};
      if (random.below(2) == 0) {
        recipients = {"b@two.example", "c@three.example"};
      }
      world_.write(recipients, 100'000 + random.below(140'000));
    }
  }
  // The most that any shard had granted.
  std::uint64_t run_until_injected(Duration longest) {
    std::uint64_t most = 0;
    EXPECT_TRUE(world_.world.run_until(
        [&] {
          for (std::uint32_t number = 0; number < 2; ++number) {
            most = std::max(most, world_.relay.shard(number).memory().granted());
          }
          return !world_.injecting();
        },
        longest));
    return most;
  }
  int answered_with(std::string_view code) const {
    int count = 0;
    for (const auto& share : world_.sent()) {
      for (const sim::SentMessage& message : share) {
        count += message.reply.starts_with(code) ? 1 : 0;
      }
    }
    return count;
  }

  sim::MailWorld world_{GetParam(), 2, {fmt::format("listener.memory_budget={}", budget)}};
};

TEST_P(LargeMessages, ManyAtOnceStayWithinTheBudgetAndAllArrive) {
  ASSERT_TRUE(world_.relay.start_and_wait());
  write_large(80);
  world_.begin_inject(40);
  const std::uint64_t most = run_until_injected(10min);
  EXPECT_LE(most, budget / 2);
  EXPECT_GT(most, budget / 4);
  EXPECT_EQ(answered_with("250"), 80);
  ASSERT_TRUE(world_.settle(10min));
  EXPECT_EQ(world_.what_is_wrong(), "");
  for (std::uint32_t number = 0; number < 2; ++number) {
    EXPECT_EQ(world_.relay.shard(number).memory().granted(), 0U);
  }
  EXPECT_TRUE(world_.relay.drain());
}

TEST_P(LargeMessages, WhoWaitsForTooLongIsToldSoAndNothingIsLost) {
  ASSERT_TRUE(world_.relay.start_and_wait());
  world_.run_minutes(1);
  sim::DiskFaults& disk = world_.relay.host().disk().faults;
  const sim::DiskFaults before = disk;
  disk.least_latency = 100s;
  disk.most_latency = 110s;
  write_large(20);
  world_.begin_inject(20);
  const std::uint64_t most = run_until_injected(30min);
  EXPECT_LE(most, budget / 2);
  EXPECT_GT(answered_with("452 4.3.1"), 0);
  EXPECT_EQ(answered_with("452 4.3.1") + answered_with("250"), 20);
  disk = before;
  ASSERT_TRUE(world_.settle(1h));
  world_.run_minutes(5);  // the event log is still waiting for the slow disk
  EXPECT_EQ(world_.what_is_wrong(), "");
  for (std::uint32_t number = 0; number < 2; ++number) {
    EXPECT_EQ(world_.relay.shard(number).memory().granted(), 0U);
  }
  EXPECT_TRUE(world_.relay.drain());
}

TEST_P(LargeMessages, WhoWaitsWhenWeGoDownDoesNotHoldItUp) {
  ASSERT_TRUE(world_.relay.start_and_wait());
  world_.run_minutes(1);
  world_.world.network().faults.most_window = 4 << 10;  // slow clients
  world_.world.network().faults.least_latency = 50ms;
  world_.world.network().faults.most_latency = 80ms;
  write_large(20);
  world_.begin_inject(20);
  world_.world.run_for(1s);
  const Instant began = world_.world.clock().now();
  EXPECT_TRUE(world_.relay.drain());
  EXPECT_LT(world_.world.clock().now() - began, 15s);
  EXPECT_EQ(world_.relay.host().descriptors_open(), 0);
}

INSTANTIATE_TEST_SUITE_P(Seeds, LargeMessages, ::testing::Range<std::uint64_t>(0, 5));

}  // namespace
}  // namespace ringpost::intake
