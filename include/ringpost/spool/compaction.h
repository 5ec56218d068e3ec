// Gives the space of mostly dead segments back: copies what is still live in them forward, with all
// that became of it, and lets them be retired. A message's copy counts once it is durable; until
// its old segment is durably retired the highest generation wins. One segment at a time, a little
// at once, so that mail waits for none of it. Owned by Spool, which tells it of every record that
// is appended meanwhile.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ringpost/ring/reactor.h"
#include "ringpost/ring/task.h"
#include "ringpost/spool/commit_queue.h"
#include "ringpost/spool/group_commit.h"
#include "ringpost/spool/replay.h"
#include "ringpost/spool/segment_reader.h"
#include "ringpost/spool/segment_table.h"

namespace ringpost::spool {

class Spool;

struct CompactionSettings {
  // A segment is copied when so much of the space that it keeps, of each 100 bytes, is live…
  std::uint64_t most_live_percent = 25;
  // …and that has been so for this long: what drains anyway need not be copied. At once when the
  // disk is short of space.
  Duration patience = 30s;
  Duration look_every = 5s;
};

struct CompactionCounters {
  std::uint64_t segments = 0;  // copied
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
};

class Compaction {
 public:
  Compaction(ring::Reactor& reactor, Spool& spool, CommitQueue& queue, GroupCommit& commit,
             SegmentTable& table, SegmentFiles& files, SegmentSupply& supply,
             CompactionSettings settings);

  ring::Task<void> run();
  void stop();

  // A record about the message that lies there was appended.
  void note(std::string_view head, const Location& message);

  [[nodiscard]] bool busy() const { return segment_ != 0; }
  // Notified when it is no longer busy.
  ring::Event& ended() { return ended_; }
  [[nodiscard]] const CompactionCounters& counters() const { return counters_; }

 private:
  using Records = std::vector<StoredRecord>;  // as they were written
  using Histories = std::unordered_map<PartKey, Records>;
  // Keeps of a segment's records what is about the messages that are to be copied.
  class Keeper;

  std::uint64_t choose();
  ring::Task<bool> compact(std::uint64_t segment);
  // All that was recorded about the segment's messages so far.
  ring::Task<bool> gather(std::uint64_t segment);
  void add(Records& records, const StoredRecord& record);
  [[nodiscard]] std::optional<RecoveredMessage> state_of(const PartKey& key) const;
  ring::Task<std::vector<RecoveredMessage>> open_messages();
  ring::Task<bool> copy_some(std::vector<RecoveredMessage> some);
  void copy(const RecoveredMessage& as_found, std::string_view content);
  bool settle_copies();

  ring::Reactor& reactor_;
  Spool& spool_;
  CommitQueue& queue_;
  GroupCommit& commit_;
  SegmentTable& table_;
  SegmentFiles& files_;
  SegmentSupply& supply_;
  CompactionSettings settings_;
  std::map<std::uint64_t, Instant> candidates_;  // since when
  std::set<std::uint64_t> hopeless_;             // something in them cannot be read
  std::uint64_t segment_ = 0;                    // being copied
  Histories found_;                              // on disk, of its messages
  Histories noted_;                              // appended since
  std::deque<std::string> metas_;                // what their records point to
  CompactionCounters counters_;
  bool stopping_ = false;
  ring::Event wake_;
  ring::Event ended_;
};

}  // namespace ringpost::spool
