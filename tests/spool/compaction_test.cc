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

// Messages of 3,000 bytes in the first segment, which another one follows.
std::map<std::uint64_t, Location> store_some(Harness& harness, std::uint64_t count) {
  std::map<std::uint64_t, Location> places;
  for (std::uint64_t id = 1; id <= count; ++id) {
    places[id] = harness.store(samples::message(id, 3'000));
  }
  for (std::uint64_t id = 100;
       places.at(1).segment == harness.store(samples::message(id, 100)).segment; ++id) {
  }
  return places;
}

void finish(Harness& harness, std::uint64_t id, const Location& place) {
  const Ticket done = harness.spool().append(samples::delivered(samples::key(id)), place);
  harness.spool().finished(place, done);
  EXPECT_EQ(harness.wait(done), 0);
}

// Messages that come and go, until so many segments were begun: the older ones may be retired.
void pass(Harness& harness, std::uint32_t segments) {
  Location newest = harness.store(samples::message(1'000, 4'000));
  finish(harness, 1'000, newest);
  const std::uint32_t last = newest.segment + segments;
  for (std::uint64_t id = 1'001; newest.segment < last; ++id) {
    newest = harness.store(samples::message(id, 4'000));
    finish(harness, id, newest);
  }
}

// Copies that share a commit may lie in several batches. One that became durable counts, although a
// later one failed: otherwise it would come back when the old one's outcome is forgotten.
TEST(CompactionTest, OfACommitThatFailsHalfwayTheFirstHalfCounts) {
  SpoolSettings settings = eager();
  settings.compaction.most_live_percent = 100;
  settings.compaction.patience = 10s;
  settings.compaction.look_every = 1s;
  Harness harness(1, {}, settings);
  ASSERT_TRUE(harness.open());
  const auto places = store_some(harness, 30);
  harness.store(samples::message(99, 40'000));  // so that not all copies fit behind it
  const std::uint64_t others = harness.spool().counters().live_messages - places.size();
  int large_writes = 0;
  harness.kernel().write_fault = [&](const std::string&, std::uint64_t, std::size_t length) {
    const bool copies = length > (16 << 10) && length < (100 << 10);  // no file that is made
    large_writes += copies ? 1 : 0;
    return copies && (large_writes == 2 || large_writes == 3) ? -EIO : 0;
  };
  for (int turn = 0; turn < 100'000 && harness.spool().accepting(); ++turn) {
    harness.turns(1);
  }
  for (int turn = 0; turn < 1'000 && !harness.spool().accepting(); ++turn) {
    harness.turns(1);
  }
  ASSERT_EQ(large_writes, 3) << "two batches, of which the second failed twice";
  ASSERT_TRUE(harness.spool().accepting());
  EXPECT_EQ(harness.spool().counters().compaction.segments, 0U);
  for (const auto& [id, place] : places) {
    finish(harness, id, place);
  }
  EXPECT_EQ(harness.spool().counters().live_messages, others);
  pass(harness, 6);
  Harness restarted(2, harness.kernel().cut_power(), lazy());
  ASSERT_TRUE(restarted.open());
  for (const auto& [key, message] : restarted.messages()) {
    EXPECT_GE(key.message.value, 99U) << "done, and back";
  }
  harness.close();
  restarted.close();
}

// The copy of a message that is done must not be forgotten before the message itself is.
TEST(CompactionTest, WhatCannotBeReadStaysAndKeepsTheOthersCopies) {
  SpoolSettings settings = eager();
  settings.compaction.most_live_percent = 100;
  Harness harness(1, {}, settings);
  ASSERT_TRUE(harness.open());
  const Location first = harness.store(samples::message(1, 3'000));
  harness.store(samples::message(2, 3'000));
  for (const auto& [path, file] : harness.kernel().disk()) {
    const std::size_t at = file->cached.find(samples::message(2, 3'000).content);
    if (at != std::string::npos) {
      file->cached[at + 1'000] ^= 1;
      file->durable[at + 1'000] ^= 1;
    }
  }
  pass(harness, 3);
  for (int turn = 0; turn < 10'000 && harness.spool().counters().compaction.messages == 0; ++turn) {
    harness.turns(1);
  }
  ASSERT_EQ(harness.spool().counters().compaction.messages, 1U);
  finish(harness, 1, first);
  pass(harness, 9);
  harness.turns(200);
  Harness restarted(2, harness.kernel().cut_power(), lazy());
  ASSERT_TRUE(restarted.open());
  EXPECT_FALSE(restarted.messages().contains(samples::key(1))) << "done, and back";
  EXPECT_TRUE(restarted.messages().contains(samples::key(2))) << "damaged, but not forgotten";
  harness.close();
  restarted.close();
}

}  // namespace
}  // namespace ringpost::spool
