// A random life of a group, against a checker that knows only what it was told: which recipients
// there are, who holds which entry, and what the settings allow.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "support.h"

namespace ringpost::queue {
namespace {

class Model {
 public:
  explicit Model(std::uint64_t seed) : random_(Random::seed_from(seed)) {
    settings_.name = "model";
    settings_.runners = 1 + static_cast<std::uint32_t>(random_.below(12));
    settings_.max_connections_per_destination = 1 + static_cast<std::uint32_t>(random_.below(4));
    settings_.max_recipients_per_transaction = 1 + static_cast<std::uint32_t>(random_.below(4));
    settings_.messages_per_second = chance(4) ? 20 : 0;
    settings_.idle_domains = static_cast<std::uint32_t>(random_.below(5));
    settings_.retry.expiry = 2h;
    settings_.retry.longest = 40min;
    group_.emplace(settings_);
  }

  void run(int steps) {
    for (int step = 0; step < steps && !testing::Test::HasFatalFailure(); ++step) {
      act();
      check_all();
      check_progress();
    }
    drain();
  }

 private:
  struct Runner {
    Seat seat;
    std::vector<Entry*> entries;
  };

  bool chance(std::uint64_t one_in) { return random_.below(one_in) == 0; }

  void act() {
    switch (random_.below(12)) {
      case 0:
      case 1:
        file();
        break;
      case 2:
        resolve();
        break;
      case 3:
        acquire();
        break;
      case 4:
      case 5:
        take();
        break;
      case 6:
      case 7:
        end();
        break;
      case 8:
        leave();
        break;
      case 9:
        disturb();
        break;
      case 10:
        pass(Duration(random_.below(chance(10) ? 600'000 : 2000) * 1'000'000));
        break;
      default:
        reconfigure();
        break;
    }
  }

  std::string domain() { return "d" + std::to_string(random_.below(12)) + ".example"; }

  void file() {
    mail::Envelope envelope;
    envelope.sender = "s@example";
    envelope.job = "job" + std::to_string(random_.below(3));
    const std::uint64_t count = 1 + random_.below(6);
    for (std::uint64_t i = 0; i < count; ++i) {
      envelope.recipients.push_back("r@" + domain());
    }
    QueuedMessage& message =
        messages_.add({++last_id_}, 0, now_.wall, envelope, random_.below(100'000), {});
    live_.insert(last_id_);
    recipients_ += count;
    group_->file(message, chance(5) ? now_.wall + 5min : now_.wall, now_);
  }

  void resolve() {
    Domain* domain = group_->next_unresolved();
    if (domain == nullptr) {
      return;
    }
    ASSERT_TRUE(resolving_.insert(domain->name()).second) << "asked for twice at a time";
    if (chance(4)) {
      return;  // answered later
    }
    answer(*domain);
  }
  void answer(Domain& domain) {
    resolving_.erase(domain.name());
    if (chance(6)) {
      group_->fail_route(domain, now_.instant + 1min, now_);
      return;
    }
    // Two lanes share a destination.
    LaneKey key = lane_key("dest" + std::to_string(random_.below(3)));
    key.hosts[0].name += std::to_string(random_.below(2));
    group_->assign(domain, key, now_.instant + 3min, now_);
  }

  void acquire() {
    const std::uint32_t slow_before = group_->lanes().slow_seats();
    Seat seat = group_->next_lane(now_);
    if (!seat) {
      return;
    }
    ASSERT_FALSE(seat.lane->status().suspended(now_.instant));
    ASSERT_GT(seat.lane->ready_entries(), 0U);
    if (seat.lane->slow()) {
      ASSERT_LT(slow_before, group_->lanes().slow_limit());
    }
    runners_.push_back({seat, {}});
    ASSERT_LE(group_->runners_busy(), settings_.runners);
    std::size_t same = 0;
    for (const Runner& runner : runners_) {
      same += &runner.seat.lane->destination() == &seat.lane->destination() ? 1U : 0U;
    }
    ASSERT_LE(same, settings_.max_connections_per_destination);
  }

  Runner* some_runner() {
    return runners_.empty() ? nullptr : &runners_[random_.below(runners_.size())];
  }
  void take() {
    Runner* runner = some_runner();
    if (runner == nullptr || runner->entries.size() > 3) {
      return;
    }
    Entry* entry = group_->next_entry(runner->seat, now_);
    if (entry == nullptr) {
      return;
    }
    ASSERT_LE(entry->count(), settings_.max_recipients_per_transaction + 4);
    ASSERT_EQ(entry->domain().lane(), runner->seat.lane);
    if (settings_.messages_per_second > 0) {
      auto& taken = taken_[entry->domain().lane()->destination().name()];
      taken.push_back(now_.instant);
      const auto since =
          std::ranges::count_if(taken, [this](Instant at) { return at > now_.instant - 1s; });
      ASSERT_LE(static_cast<double>(since), settings_.messages_per_second * 1.1 + 1);
    }
    runner->entries.push_back(entry);
  }
  void end() {
    Runner* runner = some_runner();
    if (runner == nullptr || runner->entries.empty()) {
      return;
    }
    Entry* entry = runner->entries.front();
    runner->entries.erase(runner->entries.begin());
    finish(*entry, false);
  }
  void finish(Entry& entry, bool all_done) {
    if (!all_done && chance(8)) {
      group_->put_back(entry, now_);
      return;
    }
    if (!all_done && chance(8)) {
      group_->defer(entry, now_.wall + 2min, now_);
      return;
    }
    QueuedMessage& message = entry.message();
    std::vector<RecipientResult> results;
    for (std::uint32_t i = 0; i < entry.count(); ++i) {
      const auto next = all_done ? Next::done : static_cast<Next>(random_.below(4));
      recipients_ -= next == Next::done ? 1U : 0U;
      results.push_back({next, {4, 0, 0}, "4xx", false});
    }
    const WallTime due = group_->retry_at(entry, now_, random_);
    ASSERT_LE(due, std::max(now_.wall, message.arrived() + 2h));
    if (group_->finish(entry, results, due, now_) == 0) {
      live_.erase(message.id().value);
      messages_.erase(message);
    }
  }
  void leave() {
    if (runners_.empty()) {
      return;
    }
    const auto at = runners_.begin() + static_cast<std::ptrdiff_t>(random_.below(runners_.size()));
    if (chance(2)) {
      group_->lane_succeeded(*at->seat.lane, now_);
    }
    for (Entry* entry : at->entries) {
      group_->put_back(*entry, now_);
    }
    group_->release(at->seat, now_);
    runners_.erase(at);
  }
  void disturb() {
    Runner* runner = some_runner();
    if (runner != nullptr && chance(2)) {
      if (runner->seat.has_runner) {
        const bool room = group_->lanes().attempts() < settings_.most_attempts;
        ASSERT_LE(group_->lanes().part_from_runner(runner->seat), room);
      } else if (group_->lanes().regain_runner(runner->seat)) {
        ASSERT_LE(group_->runners_busy(), settings_.runners);
      }
      group_->lanes().greeted(*runner->seat.lane, now_);
    }
    if (runner != nullptr && chance(2)) {
      group_->defer_lane(*runner->seat.lane, {4, 4, 1}, "refused", {}, now_);
    } else if (runner != nullptr) {
      group_->set_slow(*runner->seat.lane, chance(2), now_);
    } else if (!resolving_.empty()) {
      answer(*group_->find_domain(*resolving_.begin()));
    }
    if (chance(3)) {  // the operator deletes something
      for (const std::uint64_t id : live_) {
        QueuedMessage& message = *messages_.find({id});
        Entry* entry = nullptr;
        for (const QueuedRecipient& recipient : message.recipients()) {
          entry = recipient.entry() != nullptr && recipient.state() == RecipientState::queued
                      ? recipient.entry()
                      : entry;
        }
        if (entry == nullptr) {
          continue;
        }
        recipients_ -= entry->count();
        if (group_->remove(*entry) == 0) {
          live_.erase(id);
          messages_.erase(message);
        }
        return;
      }
    }
  }
  void reconfigure() {
    if (!chance(10)) {
      return;
    }
    if (chance(2)) {
      now_.wall += chance(2) ? WallTime::duration(1min) : WallTime::duration(-1min);
      return;
    }
    settings_.delivery = chance(3) ? DeliveryMode::hold : DeliveryMode::queue;
    group_->change_settings(settings_, now_);
  }
  void pass(Duration duration) {
    now_.instant += duration;
    now_.wall += std::chrono::duration_cast<std::chrono::milliseconds>(duration);
    group_->advance(now_);
    ASSERT_GT(group_->next_due(), now_.instant);
    while (Entry* entry = group_->next_expired()) {
      ASSERT_GE(now_.wall, entry->message().arrived() + 2h - 10min);  // give or take clock steps
      finish(*entry, true);
    }
  }

  // Each recipient is in exactly one state, and all counters say the same.
  void check_all() {
    Counts seen;
    std::map<std::string, Counts> by_domain;
    std::set<const Entry*> held_by_runners;
    for (const Runner& runner : runners_) {
      held_by_runners.insert(runner.entries.begin(), runner.entries.end());
    }
    std::uint64_t open = 0;
    std::set<const Entry*> entries;
    messages_.for_each([&](QueuedMessage& message) {
      std::uint32_t open_here = 0;
      for (const QueuedRecipient& recipient : message.recipients()) {
        if (recipient.state() == RecipientState::done) {
          ASSERT_EQ(recipient.entry(), nullptr);
          continue;
        }
        ++open_here;
        const Entry* entry = recipient.entry();
        ASSERT_NE(entry, nullptr);
        ASSERT_EQ(&entry->message(), &message);
        ASSERT_EQ(entry->state() == EntryState::in_flight, held_by_runners.contains(entry));
        entries.insert(entry);
        ++seen.of(entry->state());
        ++by_domain[entry->domain().name()].of(entry->state());
      }
      ASSERT_EQ(open_here, message.open_recipients());
      open += open_here;
    });
    ASSERT_EQ(open, recipients_);
    ASSERT_EQ(entries.size(), group_->entries());
    ASSERT_EQ(seen, group_->counts());
    std::map<const Lane*, Counts> by_lane;
    group_->for_each_domain([&](const Domain& domain) {
      ASSERT_EQ(by_domain[domain.name()], domain.counts()) << domain.name();
      if (domain.lane() != nullptr) {
        by_lane[domain.lane()] += domain.counts();
      }
    });
    group_->lanes().for_each_lane([&](const Lane& lane) {
      ASSERT_EQ(by_lane[&lane], lane.counts()) << lane.key().canonical();
      const auto sits_here = [&](const Runner& r) { return r.seat.lane == &lane; };
      ASSERT_EQ(std::ranges::count_if(runners_, sits_here), lane.seats());
    });
    ASSERT_EQ(runners_.size(), group_->runners_busy() + group_->lanes().attempts());
  }

  // Whoever could be served without breaking a limit is not left waiting for nothing.
  void check_progress() {
    if (settings_.delivery == DeliveryMode::hold || group_->runners_busy() >= settings_.runners ||
        std::ranges::any_of(runners_, [](const Runner& runner) { return runner.seat.in_line; })) {
      return;
    }
    group_->advance(now_);  // so that waiting lanes have looked at the clock
    bool someone = false;
    group_->lanes().for_each_lane([&](const Lane& lane) {
      const bool slow = lane.slow() || lane.status().state() == HostStatus::State::down;
      someone =
          someone || (lane.ready_entries() > 0 && lane.seats() == 0 &&
                      !lane.status().suspended(now_.instant) &&
                      lane.destination().seats() < settings_.max_connections_per_destination &&
                      lane.destination().bucket().next(now_.instant) <= now_.instant &&
                      (!slow || group_->lanes().slow_seats() < group_->lanes().slow_limit()));
    });
    if (!someone) {
      return;
    }
    Seat seat = group_->next_lane(now_);
    ASSERT_TRUE(seat) << "a lane with work and free seats is forgotten";
    group_->release(seat, now_);
  }

  // In the end everything can be delivered: nothing got lost on the way.
  void drain() {
    settings_.delivery = DeliveryMode::queue;
    group_->change_settings(settings_, now_);
    while (!runners_.empty()) {
      leave();
    }
    for (int round = 0; round < 20'000 && recipients_ > 0; ++round) {
      while (!resolving_.empty()) {
        answer(*group_->find_domain(*resolving_.begin()));
      }
      while (Domain* domain = group_->next_unresolved()) {
        answer(*domain);
      }
      while (Seat seat = group_->next_lane(now_)) {
        while (Entry* entry = group_->next_entry(seat, now_)) {
          finish(*entry, true);
        }
        group_->lane_succeeded(*seat.lane, now_);
        group_->release(seat, now_);
      }
      pass(100ms);
      if (group_->next_due() > now_.instant + 1s && group_->next_due() != never) {
        pass(std::min(Duration(group_->next_due() - now_.instant), Duration(1min)));
      }
    }
    check_all();
    EXPECT_EQ(recipients_, 0U);
    EXPECT_EQ(messages_.size(), 0U);
    EXPECT_FALSE(group_->has_work());
  }

  Random random_;
  GroupSettings settings_;
  Now now_ = start_of_test;
  Messages messages_;
  std::optional<QueueGroup> group_;
  std::vector<Runner> runners_;
  std::set<std::uint64_t> live_;
  std::set<std::string> resolving_;
  std::map<std::string, std::vector<Instant>> taken_;
  std::uint64_t recipients_ = 0;
  std::uint64_t last_id_ = 0;
};

TEST(QueueModel, RandomLivesKeepEveryPromise) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    Model model(seed);
    model.run(600);
    if (testing::Test::HasFailure()) {
      return;
    }
  }
}

}  // namespace
}  // namespace ringpost::queue
