// Writes batch after batch, each with one durable write; while one is on its way the next fills, so
// the commit needs no timer. Opens segments as they are needed, seals those that are full, and
// carries what is waiting to a fresh segment when a write fails. One coroutine; the only writer of
// batches. Never says that something is durable before the write that holds it has completed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ringpost/ring/event.h"
#include "ringpost/ring/gate.h"
#include "ringpost/ring/reactor.h"
#include "ringpost/ring/task.h"
#include "ringpost/spool/commit_queue.h"
#include "ringpost/spool/record.h"
#include "ringpost/spool/segment_file.h"
#include "ringpost/spool/segment_index.h"
#include "ringpost/spool/segment_supply.h"
#include "ringpost/spool/segment_table.h"

namespace ringpost::spool {

// The files of the segments in use, by segment number.
using SegmentFiles = std::map<std::uint64_t, std::unique_ptr<SegmentFile>>;

struct CommitCounters {
  std::uint64_t batches = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;     // as written, padding included
  std::uint64_t failures = 0;  // writes that failed
};

class GroupCommit {
 public:
  GroupCommit(ring::Reactor& reactor, ring::Gate& gate, CommitQueue& queue, SegmentSupply& supply,
              SegmentTable& table, SegmentFiles& files);

  // After recovery. `voids` are those that older segments still need.
  void start(std::uint64_t spool, std::uint64_t next_batch, std::vector<Void> voids);
  // Writes until stop() and until nothing waits; then seals the last segment.
  ring::Task<void> run();
  void stop();

  // Both the first write and the one to a fresh segment failed: no new message should be accepted.
  // Tries again every second, and goes on by itself.
  [[nodiscard]] bool suspended() const { return suspended_; }
  [[nodiscard]] const CommitCounters& counters() const { return counters_; }
  [[nodiscard]] std::uint64_t spool() const { return spool_; }
  // The segment that is being written, 0 if none is, and the payload of its index as far as it is.
  [[nodiscard]] std::uint64_t active_segment() const {
    return active_ == nullptr ? 0 : active_number_;
  }
  [[nodiscard]] std::string active_index() const;
  [[nodiscard]] std::uint64_t first_void_of(std::uint64_t segment) const;
  // Notified when a segment may have become free to retire.
  ring::Event& retirable() { return retirable_; }
  // A finished message's space may be given back.
  void finish(const Location& location);
  // Voids that concern a retired segment are needed no more.
  void segment_retired(std::uint64_t segment);

 private:
  ring::Task<int> put(BatchBuilder& batch);
  ring::Task<int> open_segment(std::uint32_t number);
  ring::Task<int> write_voids(SegmentFile& file, std::uint64_t number);
  ring::Task<void> seal(std::uint64_t number, std::uint64_t offset, SegmentIndex index,
                        std::uint64_t last_batch);
  ring::Task<void> wait_for_disk();
  void seal_active();
  void add_void(const Void& voided);
  void poison_active(std::uint64_t first_batch);
  void settle(BatchBuilder& batch);

  ring::Reactor& reactor_;
  ring::Gate& gate_;
  CommitQueue& queue_;
  SegmentSupply& supply_;
  SegmentTable& table_;
  SegmentFiles& files_;

  std::uint64_t spool_ = 0;
  std::uint64_t next_batch_ = 1;
  SegmentFile* active_ = nullptr;
  std::uint64_t active_number_ = 0;
  std::uint64_t active_end_ = 0;
  SegmentIndex active_index_;
  std::vector<Void> voids_;
  bool voids_due_ = false;  // the next segment must begin with the voids
  bool suspended_ = false;
  bool stopping_ = false;
  CommitCounters counters_;
  ring::Event retirable_;
};

}  // namespace ringpost::spool
