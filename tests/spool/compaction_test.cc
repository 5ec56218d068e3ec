// Compaction: what is live in mostly dead segments goes to another one with all that is known of
// it, whenever the power is cut; and the space comes back.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "harness.h"

namespace ringpost::spool {
namespace {

using Kind = mail::OutcomeKind;
using Moves = HandOverRecord::State;

SpoolSettings eager() {
  SpoolSettings settings = small_spool();
  settings.compaction.most_live_percent = 60;
  settings.compaction.patience = 0ms;
  settings.compaction.look_every = 1ms;
  return settings;
}
SpoolSettings lazy() {
  SpoolSettings settings = small_spool();
  settings.compaction.most_live_percent = 0;
  return settings;
}

std::string described(const RecoveredMessage& message) {
  std::string text = fmt::format("part {} hop {} confirmed {} highest {} from {}", message.key.part,
                                 message.key.hop, message.confirmed, message.highest_part,
                                 message.envelope.sender);
  for (const RecoveredRecipient& recipient : message.recipients) {
    text += fmt::format("; {}: state {} attempts {} part {} due {} last {}", recipient.recipient,
                        static_cast<int>(recipient.state), recipient.attempts,
                        recipient.state == RecoveredRecipient::State::given ? recipient.part : 0,
                        recipient.due.time_since_epoch().count(), recipient.last.reply);
  }
  for (const OwedReport& owed : message.reports) {
    text += fmt::format("; report {}:", owed.report.value);
    for (const RecipientOutcome& failed : owed.recipients) {
      text += fmt::format(" {} {}", failed.recipient, failed.outcome.reply);
    }
  }
  return text;
}

// What a restart finds, by key, and that every content is whole.
std::map<PartKey, std::string> found_in(Harness& harness) {
  std::map<PartKey, std::string> found;
  EXPECT_TRUE(harness.open());
  for (const auto& [key, message] : harness.messages()) {
    found[key] = described(message);
    const Result<std::string> content = harness.read(message.location);
    EXPECT_TRUE(content) << content.error().describe();
    EXPECT_TRUE(!content || *content == samples::message(key.message.value, 3'000).content);
  }
  return found;
}

// Messages in every state that there is, among others that are done with.
class Scene {
 public:
  explicit Scene(SpoolSettings settings) : harness(1, {}, std::move(settings)) {
    EXPECT_TRUE(harness.open());
    add(1, 1);
    add(2, 3);
    add(3, 1, 257, 1);
    add(4, 2, 257, 1);
    add(5, 2, 0, 0, {0, 258});
    add(6, 2);
    add(7, 2);
    spool().append(samples::delivered(key(2), 0), place(2));
    spool().append(samples::hand_over(key(6), Moves::given, 600, {1}), place(6));
    spool().append(samples::bounced(key(7), 0, 901), place(7));
    fillers(30);
    spool().append(samples::bounced(key(2), 1, 900), place(2));
    spool().append(samples::deferred(key(2), 2, 2, 12'345), place(2));
    spool().append(samples::hand_over(key(4), Moves::confirmed, 257), place(4));
    spool().append(samples::delivered(key(4), 1), place(4));
    spool().append(samples::hand_over(key(6), Moves::moved, 600), place(6));
    fillers(5);
    const Ticket last = spool().append(ReportDischarged{key(7), {901}}, place(7));
    EXPECT_EQ(harness.wait(last), 0);
  }

  Spool& spool() { return harness.spool(); }
  [[nodiscard]] PartKey key(std::uint64_t id) const { return places_.at(id).first; }
  [[nodiscard]] Location place(std::uint64_t id) const { return places_.at(id).second; }

  Harness harness;

 private:
  void add(std::uint64_t id, std::size_t recipients, std::uint32_t part = 0, std::uint32_t hop = 0,
           const std::vector<std::uint32_t>& parts = {}) {
    const mail::Message message = samples::message(id, 3'000, recipients);
    const Appended appended = spool().append(message, part, hop, parts);
    EXPECT_EQ(harness.wait(appended.ticket), 0);
    places_[id] = {samples::key(id, part, hop), appended.location};
  }
  void fillers(int count) {
    for (int number = 0; number < count; ++number) {
      const std::uint64_t id = next_filler_++;
      const Location location = harness.store(samples::message(id, 4'000));
      const Ticket done = spool().append(samples::delivered(samples::key(id)), location);
      spool().finished(location, done);
      EXPECT_EQ(harness.wait(done), 0);
    }
  }

  std::map<std::uint64_t, std::pair<PartKey, Location>> places_;
  std::uint64_t next_filler_ = 100;
};

std::map<PartKey, std::string> expected() {
  Scene scene(lazy());
  Harness restarted(2, scene.harness.kernel().cut_power(), lazy());
  auto found = found_in(restarted);
  EXPECT_EQ(found.size(), 7U);
  scene.harness.close();
  restarted.close();
  return found;
}

bool run_until_compacted(Harness& harness, int most_turns = 500) {
  for (int turn = 0; turn < most_turns; ++turn) {
    if (harness.spool().counters().compaction.segments > 0) {
      harness.turns(100);  // and retired
      return true;
    }
    harness.turns(1);
  }
  return false;
}

TEST(CompactionTest, LetsAMostlyDeadSegmentGoAndForgetsNothing) {
  const auto before = expected();
  Scene scene(eager());
  ASSERT_TRUE(run_until_compacted(scene.harness));
  const SpoolCounters counters = scene.spool().counters();
  EXPECT_GE(counters.compaction.messages, 7U);
  EXPECT_EQ(counters.live_messages, 7U);
  EXPECT_LE(counters.segments, 2U);
  EXPECT_EQ(*scene.harness.read(scene.place(1)), samples::message(1, 3'000).content)
      << "the old place is still a name for it";
  Harness restarted(2, scene.harness.kernel().cut_power(), lazy());
  EXPECT_EQ(found_in(restarted), before);
  scene.harness.close();
  restarted.close();
}

TEST(CompactionTest, APowerCutAtAnyPointLosesAndDoublesNothing) {
  const auto before = expected();
  bool finished = false;
  int cuts = 0;
  for (int turns = 0; !finished && turns < 500; ++turns) {
    SCOPED_TRACE(fmt::format("cut after {} turns", turns));
    Scene scene(eager());
    scene.harness.turns(turns);
    finished =
        scene.spool().counters().compaction.segments > 0 && scene.spool().counters().segments <= 1;
    cuts += scene.spool().counters().compaction.messages > 0 ? 1 : 0;
    Harness restarted(static_cast<std::uint64_t>(turns), scene.harness.kernel().cut_power(),
                      eager());
    ASSERT_EQ(found_in(restarted), before);
    run_until_compacted(restarted);
    Harness again(static_cast<std::uint64_t>(turns), restarted.kernel().cut_power(), lazy());
    ASSERT_EQ(found_in(again), before) << "after another one in the next life";
    scene.harness.close();
    restarted.close();
    again.close();
  }
  EXPECT_TRUE(finished) << "it never ended";
  EXPECT_GT(cuts, 3) << "no cut came while it was at work";
}

TEST(CompactionTest, WhatIsRecordedMeanwhileGoesAlong) {
  for (int turns = 0; turns < 120; ++turns) {
    SCOPED_TRACE(fmt::format("recorded after {} turns", turns));
    Scene scene(eager());
    scene.harness.turns(turns);
    const Ticket done = scene.spool().append(samples::delivered(scene.key(1)), scene.place(1));
    scene.spool().finished(scene.place(1), done);
    const Ticket deferred =
        scene.spool().append(samples::deferred(scene.key(2), 2, 3, 99'999), scene.place(2));
    ASSERT_EQ(scene.harness.wait(deferred), 0);
    run_until_compacted(scene.harness);
    EXPECT_EQ(scene.spool().counters().live_messages, 6U);
    Harness restarted(2, scene.harness.kernel().cut_power(), lazy());
    const auto found = found_in(restarted);
    EXPECT_FALSE(found.contains(scene.key(1))) << "done, and back";
    EXPECT_NE(found.at(scene.key(2)).find("attempts 3"), std::string::npos);
    EXPECT_EQ(restarted.spool().counters().live_messages, 6U);
    scene.harness.close();
    restarted.close();
  }
}

TEST(CompactionTest, LeavesAloneWhatMayDrainByItself) {
  SpoolSettings patient = eager();
  patient.compaction.patience = 1h;
  Scene scene(patient);
  scene.harness.turns(50);
  EXPECT_EQ(scene.spool().counters().compaction.messages, 0U);
  scene.harness.close();
}

TEST(CompactionTest, AFailedWriteLeavesEverythingWhereItWas) {
  const auto before = expected();
  for (int turns = 0; turns < 60; turns += 3) {
    Scene scene(eager());
    scene.harness.turns(turns);
    int failures = 2;
    scene.harness.kernel().write_fault = [&failures](const std::string&, std::uint64_t,
                                                     std::size_t) {
      return failures-- > 0 ? -EIO : 0;
    };
    scene.harness.turns(30);
    scene.harness.kernel().write_fault = nullptr;
    scene.harness.turns(300);
    Harness restarted(2, scene.harness.kernel().cut_power(), lazy());
    EXPECT_EQ(found_in(restarted), before);
    scene.harness.close();
    restarted.close();
  }
}

}  // namespace
}  // namespace ringpost::spool
