// The durable store of a shard: what a 250 rests on. Appending copies into the batch that fills and
// never waits; committed() resumes when the batch is on disk. open() recovers what an earlier run
// left; finished() gives space back. One spool to a shard, on the shard's reactor.
//
// The durable parts of a message's life, and who appends them: message (router), outcome, deferral,
// report discharged (delivery), hand-over (intake).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ringpost/base/result.h"
#include "ringpost/mail/message.h"
#include "ringpost/ring/gate.h"
#include "ringpost/ring/reactor.h"
#include "ringpost/ring/task.h"
#include "ringpost/spool/commit_queue.h"
#include "ringpost/spool/compaction.h"
#include "ringpost/spool/group_commit.h"
#include "ringpost/spool/location.h"
#include "ringpost/spool/record.h"
#include "ringpost/spool/recovery.h"
#include "ringpost/spool/replay.h"
#include "ringpost/spool/segment_supply.h"
#include "ringpost/spool/segment_table.h"

namespace ringpost::spool {

struct SpoolSettings {
  std::string directory;                   // of this shard
  std::uint64_t segment_size = 64 << 20;   // bytes, a multiple of 4 KiB, 64 KiB to 4 GiB - 4 KiB
  std::uint64_t minimum_free = 256 << 20;  // bytes of disk space kept from new mail
  CompactionSettings compaction;
};

struct Appended {
  Ticket ticket;
  Location location;
};

struct SpoolCounters {
  std::uint64_t live_messages = 0;
  std::uint64_t live_bytes = 0;  // of contents
  std::uint64_t free_bytes = 0;  // on the disk and in free segments, as last seen
  std::uint64_t quarantined_total = 0;
  std::uint64_t segments = 0;
  CommitCounters commits;
  CompactionCounters compaction;
};

class Spool {
 public:
  Spool(ring::Reactor& reactor, SpoolSettings settings);
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  // Creates or recovers the spool and starts writing. Gives `sink` every message that something is
  // still to be done about, newest first, while it runs. Damage is no error; a directory that
  // cannot be read or written, or that holds another spool's files, is.
  ring::Task<Result<Recovered>> open(RecoverySink sink);

  // Whether a message of this size fits into a segment; ask before append().
  [[nodiscard]] bool can_hold(const mail::Message& message) const;
  // Stores the message for its key {message.id, part, hop}. `parts` as in MessageRecord.
  Appended append(const mail::Message& message, std::uint32_t part = 0, std::uint32_t hop = 0,
                  const std::vector<std::uint32_t>& parts = {});
  // `message` is where the message lies that the record is about: its segment outlives the record.
  Ticket append(const OutcomeRecord& record, const Location& message);
  Ticket append(const DeferralRecord& record, const Location& message);
  Ticket append(const ReportDischarged& record, const Location& message);
  Ticket append(const HandOverRecord& record, const Location& message);

  // `int error = co_await spool.committed(ticket);`: 0 once everything appended up to the ticket is
  // durable; a negative errno if that failed, and then nothing of the batch counts: answer 451, or
  // append an outcome again. Any number of waiters; each costs O(1).
  Committed committed(Ticket ticket) { return Committed(queue_, ticket); }
  [[nodiscard]] bool durable(Ticket ticket) const {
    return queue_.settled(ticket) && queue_.error_of(ticket) == 0;
  }

  // Back-pressure: false while too many bytes wait, or while writing fails. Appending is still
  // possible, but whoever can wait should `co_await room()` first.
  [[nodiscard]] bool has_room() const { return queue_.has_room() && !commit_.suspended(); }
  ring::Task<void> room();
  // False when new mail must be refused with 452 4.3.1: the disk is short of space or fails.
  [[nodiscard]] bool accepting() const { return !commit_.suspended() && !supply_.short_of_space(); }

  // The content, verified against its checksum. An error when it cannot be read or is damaged:
  // then the message is lost, which is counted.
  ring::Task<Result<std::string>> read_content(Location location);

  // Nothing is to be done about the message any more (recipients, reports, hand-over) once the
  // record behind `after` is durable; its space may be used again. If that commit fails, append
  // the record again and call this again.
  void finished(const Location& location, Ticket after);

  // Writes what waits, seals the last segment, and lets go of the files. Nothing may be appended
  // or read any more.
  ring::Task<void> close();

  [[nodiscard]] SpoolCounters counters() const;

 private:
  Ticket add(const Location& message);
  ring::Task<Result<>> prepare_directory();
  ring::Task<void> retire_loop();

  ring::Reactor& reactor_;
  SpoolSettings settings_;
  SegmentTable table_;
  SegmentFiles files_;
  CommitQueue queue_;
  SegmentSupply supply_;
  GroupCommit commit_;
  Compaction compaction_;
  std::string scratch_;  // the head of the record that is being appended
  std::uint64_t quarantined_ = 0;
  bool stopping_ = false;
  ring::Gate gate_;  // last, so that its coroutines never outlive what they use
};

}  // namespace ringpost::spool
