// Power cuts at random moments of random work, with and without failing writes: what was answered
// is there afterwards, what is done stays done, and no body is torn. A failure names its seed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness.h"

namespace ringpost::spool {
namespace {

// What the outside world knows of one message.
struct Known {
  mail::Message message;
  Location location;
  Ticket stored;
  Ticket done;                                              // batch 0 = no outcome was appended
  std::vector<std::pair<Ticket, std::uint32_t>> deferrals;  // and the attempts they say
};

using World = std::map<std::uint64_t, Known>;

SpoolSettings compacting() {
  SpoolSettings settings = small_spool();
  settings.compaction.most_live_percent = 60;
  settings.compaction.patience = 0ms;
  settings.compaction.look_every = 10ms;
  return settings;
}

class Life {
 public:
  Life(std::uint64_t seed, Disk disk, World world)
      : random_(Random::seed_from(seed + 1'000'000)),
        harness_(std::make_unique<Harness>(seed, std::move(disk), compacting())),
        world_(std::move(world)) {}

  // Whatever is recovered must agree with what the world knew when the power went.
  void recover_and_check() {
    const Result<Recovered> recovered = harness_->open();
    ASSERT_TRUE(recovered) << recovered.error().describe();
    EXPECT_EQ(recovered->quarantined, 0) << "a cut is no damage";
    auto& found = harness_->messages();
    for (auto& [key, message] : found) {
      ASSERT_TRUE(world_.contains(key.message.value)) << "a message that nobody sent";
    }
    for (auto known = world_.begin(); known != world_.end();) {
      const auto at = found.find(samples::key(known->first));
      check_one(known->second, at == found.end() ? nullptr : &at->second);
      if (at == found.end()) {
        known = world_.erase(known);
      } else {
        known->second.location = at->second.location;
        ++known;
      }
    }
  }

  void work(int steps, unsigned fault_percent) {
    if (fault_percent > 0) {
      harness_->kernel().write_fault = [this, fault_percent](const std::string&, std::uint64_t,
                                                             std::size_t) {
        return random_.below(100) < fault_percent ? -EIO : 0;
      };
    }
    for (int step = 0; step < steps; ++step) {
      act();
    }
  }

  // What is left of the disk, and what the outside knew at that moment.
  std::pair<Disk, World> cut() {
    World world = world_;
    for (auto known = world.begin(); known != world.end();) {
      Known& state = known->second;
      // Tickets mean nothing to the next life: 1 = certain, 2 = may or may not be.
      state.stored.batch = spool().durable(state.stored) ? 1 : 2;
      state.done.batch = state.done.batch == 0 ? 0 : spool().durable(state.done) ? 1 : 2;
      for (auto& [ticket, attempts] : state.deferrals) {
        ticket.batch = spool().durable(ticket) ? 1 : 2;
      }
      ++known;
    }
    return {harness_->kernel().cut_power(), std::move(world)};
  }

  void end() {
    harness_->kernel().write_fault = nullptr;
    harness_->close();
  }

 private:
  Spool& spool() { return harness_->spool(); }

  void check_one(Known& known, const RecoveredMessage* found) {
    const std::uint64_t id = known.message.id.value;
    if (found == nullptr) {
      EXPECT_TRUE(known.stored.batch == 2 || known.done.batch != 0) << "lost: " << id;
      return;
    }
    EXPECT_NE(known.done.batch, 1) << "came back although it was done: " << id;
    const Result<std::string> content = harness_->read(found->location);
    ASSERT_TRUE(content) << content.error().describe();
    EXPECT_EQ(*content, known.message.content) << "torn: " << id;
    EXPECT_EQ(found->envelope.recipients, known.message.envelope.recipients);
    std::uint32_t least = 0;
    std::uint32_t most = 0;
    for (const auto& [ticket, attempts] : known.deferrals) {
      least = ticket.batch == 1 ? attempts : least;
      most = attempts;
    }
    const std::uint32_t attempts = found->recipients.empty() ? 0 : found->recipients[0].attempts;
    EXPECT_GE(attempts, least) << id;
    EXPECT_LE(attempts, most) << id;
    known.stored.batch = 0;  // durable from the start of this life
    known.done.batch = 0;
    known.deferrals.clear();
    if (attempts > 0) {
      known.deferrals.emplace_back(Ticket(), attempts);
    }
  }

  void act() {
    const std::uint64_t dice = random_.below(10);
    if (dice < 4 && spool().accepting() && spool().has_room()) {
      append();
    } else if (dice < 8 && !world_.empty() && spool().has_room()) {
      auto known = world_.begin();
      std::advance(known, random_.below(world_.size()));
      if (spool().durable(known->second.stored) && known->second.done.batch == 0) {
        record(known->second, dice == 4);
      } else if (known->second.done.batch != 0 && spool().durable(known->second.done)) {
        world_.erase(known);
      }
    } else {
      harness_->turns(static_cast<int>(1 + random_.below(6)));
    }
  }

  void append() {
    Known known;
    known.message =
        samples::message(next_id(), random_.below(20) == 0 ? 40'000 : random_.below(5000));
    const Appended appended = spool().append(known.message);
    known.location = appended.location;
    known.stored = appended.ticket;
    world_.emplace(known.message.id.value, std::move(known));
  }

  void record(Known& known, bool defer) {
    const PartKey key{known.message.id};
    if (defer) {
      const std::uint32_t attempts =
          known.deferrals.empty() ? 1 : known.deferrals.back().second + 1;
      const auto record = samples::deferred(key, 0, attempts, 5);
      known.deferrals.emplace_back(spool().append(record, known.location), attempts);
    } else {
      known.done = spool().append(samples::delivered(key), known.location);
      spool().finished(known.location, known.done);
    }
  }

  std::uint64_t next_id() { return world_.empty() ? 1 : world_.rbegin()->first + 1; }

  Random random_;
  std::unique_ptr<Harness> harness_;
  World world_;
};

void live_and_die(std::uint64_t seed, unsigned fault_percent) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  Disk disk;
  World world;
  std::vector<std::unique_ptr<Life>> lives;
  Random random(Random::seed_from(seed));
  for (int generation = 0; generation < 4; ++generation) {
    Life& life = *lives.emplace_back(std::make_unique<Life>(
        seed * 10 + static_cast<std::uint64_t>(generation), std::move(disk), std::move(world)));
    life.recover_and_check();
    life.work(static_cast<int>(random.below(600)), generation == 3 ? 0 : fault_percent);
    std::tie(disk, world) = life.cut();
  }
  for (const auto& life : lives) {
    life->end();
  }
}

TEST(CrashTest, PowerCutsLoseNothingThatWasAnswered) {
  for (std::uint64_t seed = 1; seed <= 60 && !::testing::Test::HasFailure(); ++seed) {
    live_and_die(seed, 0);
  }
}

TEST(CrashTest, NorDoTheyWhileWritesFail) {
  for (std::uint64_t seed = 1001; seed <= 1060 && !::testing::Test::HasFailure(); ++seed) {
    live_and_die(seed, static_cast<unsigned>(seed % 4) * 3 + 1);
  }
}

}  // namespace
}  // namespace ringpost::spool
