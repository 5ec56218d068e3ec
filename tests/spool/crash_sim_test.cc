// The spool on a simulated disk, with everything it runs in the background: it is killed or loses
// power at any moment of its life, recovery included, again and again. What was answered is there
// afterwards, whole; what was recorded as done does not come back. A failure names its seed.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ringpost/spool/spool.h"
#include "samples.h"
#include "sim/sim_process.h"

namespace ringpost::spool {
namespace {

using ring::Task;
using sim::SimWorld;

const std::string directory = "/spool/shard-0";

// What the world outside knows of a message.
struct Known {
  mail::Message message;
  bool answered = false;       // it was told that the message is durable
  bool may_be_done = false;    // an outcome was appended
  bool done = false;           // and was told to be durable
  std::uint32_t attempts = 0;  // told to be durable
};
using Ledger = std::map<std::uint64_t, Known>;

struct Faults {
  double write_error = 0;
  double sync_error = 0;
  double short_write = 0;
};

// From a start to a crash, or to an orderly end.
class Life {
 public:
  Life(sim::SimHost& host, Ledger& ledger, std::uint64_t& next_id)
      : world_(host.world()),
        ledger_(ledger),
        next_id_(next_id),
        process_(host),
        spool_(process_.reactor, settings()),
        gate_(process_.reactor.ready()) {}

  void start(int workers) {
    process_.reactor.turn(Duration::zero());
    gate_.spawn(live(workers));
    process_.kernel.rouse();
  }
  bool started() const { return started_; }
  [[nodiscard]] bool ended() const { return gate_.running() == 0; }
  void stop_working() { stopping_ = true; }

  std::optional<Recovered> recovered;

 private:
  static SpoolSettings settings() {
    SpoolSettings settings;
    settings.directory = directory;
    settings.segment_size = 128 << 10;
    settings.minimum_free = 1 << 20;
    settings.compaction.most_live_percent = 60;
    settings.compaction.patience = 0ms;
    settings.compaction.look_every = 2ms;
    return settings;
  }

  Task<void> live(int workers) {
    std::vector<RecoveredMessage> found;
    RecoverySink sink = [&found](RecoveredMessage&& message) {
      found.push_back(std::move(message));
    };
    const Result<Recovered> opened = co_await spool_.open(std::move(sink));
    EXPECT_TRUE(opened.has_value()) << opened.error().describe();
    if (!opened) {
      co_return;
    }
    recovered = *opened;
    co_await check_all(found);
    started_ = true;
    ring::Gate working(process_.reactor.ready());
    for (int worker = 0; worker < workers; ++worker) {
      working.spawn(work());
    }
    co_await working.close();
    co_await spool_.close();
  }

  Task<void> check_all(std::vector<RecoveredMessage>& found) {
    std::set<std::uint64_t> there;
    for (const RecoveredMessage& message : found) {
      const std::uint64_t id = message.key.message.value;
      EXPECT_TRUE(there.insert(id).second) << "recovered twice";
      const auto known = ledger_.find(id);
      EXPECT_TRUE(known != ledger_.end()) << "nobody sent message " << id;
      if (known == ledger_.end()) {
        continue;
      }
      const Known& what = known->second;
      EXPECT_FALSE(what.done) << "done message " << id << " came back";
      EXPECT_EQ(message.envelope.sender, what.message.envelope.sender);
      EXPECT_EQ(message.envelope.recipients, what.message.envelope.recipients);
      const Result<std::string> content = co_await spool_.read_content(message.location);
      EXPECT_TRUE(content.has_value()) << "message " << id << ": " << content.error().describe();
      EXPECT_TRUE(!content || *content == what.message.content) << "torn body of " << id;
      std::uint32_t attempts = 0;
      for (const RecoveredRecipient& recipient : message.recipients) {
        attempts = recipient.attempts;
      }
      EXPECT_GE(attempts, what.attempts);
      co_await finish(known->second, message.location);
    }
    for (auto& [id, known] : ledger_) {
      EXPECT_TRUE(!known.answered || known.may_be_done || there.contains(id))
          << "message " << id << " was answered and is lost";
    }
    std::erase_if(ledger_, [&](const auto& entry) {
      return !there.contains(entry.first) || entry.second.done;
    });
  }

  // Sometimes: most messages wait for a while.
  Task<void> finish(Known& known, Location location) {
    Random& random = world_.random();
    if (random.below(2) == 0) {
      co_return;
    }
    const PartKey key = samples::key(known.message.id.value);
    if (random.below(3) == 0) {
      const std::uint32_t attempts = known.attempts + 1;
      const Ticket ticket = spool_.append(samples::deferred(key, 0, attempts, 1), location);
      const int error = co_await spool_.committed(ticket);
      known.attempts = error == 0 ? attempts : known.attempts;
    }
    while (!known.done && !stopping_) {
      known.may_be_done = true;
      const Ticket ticket = spool_.append(samples::delivered(key), location);
      spool_.finished(location, ticket);
      const int error = co_await spool_.committed(ticket);
      known.done = error == 0;
      if (error != 0) {
        co_await process_.reactor.sleep(20ms);
      }
    }
  }

  Task<void> work() {
    Random& random = world_.random();
    while (!stopping_) {
      co_await process_.reactor.sleep(sim::between(random, 0us, 4ms));
      if (!spool_.accepting()) {
        continue;
      }
      if (!spool_.has_room()) {
        co_await spool_.room();
      }
      const std::uint64_t id = next_id_++;
      const std::size_t size = random.below(20) == 0 ? random.below(90'000) : random.below(9'000);
      Known& known = ledger_[id];
      known.message = samples::message(id, size);
      const Appended appended = spool_.append(known.message);
      const int error = co_await spool_.committed(appended.ticket);
      if (error == 0) {
        known.answered = true;
        co_await finish(known, appended.location);
      } else {
        known.may_be_done = true;  // refused: it must not matter whether it is there
      }
    }
  }

  SimWorld& world_;
  Ledger& ledger_;
  std::uint64_t& next_id_;
  sim::SimProcess process_;
  Spool spool_;
  bool started_ = false;
  bool stopping_ = false;
  ring::Gate gate_;
};

struct Totals {
  std::uint64_t messages = 0;
  int crashes = 0;
  int torn_tails = 0;
  int crashes_in_recovery = 0;
};

void live_and_die(std::uint64_t seed, const Faults& faults, Totals& totals) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  SimWorld world(seed);
  sim::SimHost& host = world.add_host("host", {});
  Ledger ledger;
  std::uint64_t next_id = 1;
  const auto set_faults = [&](const Faults& now) {
    host.disk().faults.write_error = now.write_error;
    host.disk().faults.sync_error = now.sync_error;
    host.disk().faults.short_write = now.short_write;
  };
  const int lives = 2 + static_cast<int>(world.random().below(5));
  for (int number = 0; number < lives; ++number) {
    set_faults({});
    Life life(host, ledger, next_id);
    life.start(1 + static_cast<int>(world.random().below(12)));
    const bool early = world.random().below(4) == 0;
    if (!early) {
      ASSERT_TRUE(world.run_until([&] { return life.started(); }, 1min));
      set_faults(faults);
    }
    world.run_for(sim::between(world.random(), 0us, early ? 20ms : 400ms));
    totals.crashes_in_recovery += life.started() ? 0 : 1;
    if (life.recovered) {
      totals.torn_tails += static_cast<int>(life.recovered->torn_tails);
      EXPECT_EQ(life.recovered->quarantined, 0U) << "a crash is no damage";
    }
    host.crash(world.random().below(4) == 0 ? sim::Crash::killed : sim::Crash::power_cut);
    ++totals.crashes;
  }
  set_faults({});
  Life last(host, ledger, next_id);
  last.start(3);
  ASSERT_TRUE(world.run_until([&] { return last.started(); }, 1min));
  world.run_for(100ms);
  last.stop_working();
  ASSERT_TRUE(world.run_until([&] { return last.ended(); }, 1min)) << "closing does not end";
  EXPECT_EQ(host.descriptors_open(), 1);
  totals.messages += next_id;
}

TEST(SpoolOnSim, LosesNothingThatItAnsweredInAnyCrash) {
  Totals totals;
  for (std::uint64_t seed = 0; seed < 80 && !::testing::Test::HasFailure(); ++seed) {
    live_and_die(seed, {}, totals);
  }
  EXPECT_GT(totals.messages, 10'000U);
  EXPECT_GT(totals.torn_tails, 5);
  EXPECT_GT(totals.crashes_in_recovery, 10);
}

TEST(SpoolOnSim, LosesNothingWhenWritesAndSyncsFailBesides) {
  Totals totals;
  for (std::uint64_t seed = 1'000; seed < 1'030 && !::testing::Test::HasFailure(); ++seed) {
    live_and_die(seed, {.write_error = 0.02, .sync_error = 0.02, .short_write = 0.02}, totals);
  }
  EXPECT_GT(totals.messages, 1'000U);
}

}  // namespace
}  // namespace ringpost::spool
