// Reads a spool directory at start-up: which files there are, what each holds, what became of every
// message. Reads the index of a sealed segment and all of an unsealed one; damage is counted and
// kept aside, never a reason to stop. Writes nothing but the removal of files that hold nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/base/result.h"
#include "ringpost/ring/reactor.h"
#include "ringpost/ring/task.h"
#include "ringpost/spool/group_commit.h"
#include "ringpost/spool/replay.h"
#include "ringpost/spool/segment_file.h"
#include "ringpost/spool/segment_reader.h"
#include "ringpost/spool/segment_supply.h"
#include "ringpost/spool/segment_table.h"

namespace ringpost::spool {

// What a restart found, for the caller and for the log.
struct Recovered {
  mail::MessageId highest_id;     // of any record
  std::uint64_t messages = 0;     // given to the sink
  std::uint64_t segments = 0;     // in use
  std::uint64_t sealed = 0;       // of them read by their index
  std::uint64_t torn_tails = 0;   // unfinished batches, never answered
  std::uint64_t quarantined = 0;  // places where something was damaged
};

class Recovery {
 public:
  Recovery(ring::Reactor& reactor, std::string directory, SegmentSupply& supply,
           SegmentTable& table, SegmentFiles& files);

  ring::Task<Result<>> run(RecoverySink sink);

  [[nodiscard]] const Recovered& recovered() const { return recovered_; }
  [[nodiscard]] std::uint64_t spool() const { return spool_; }  // 0 = the directory was empty
  [[nodiscard]] std::uint64_t next_segment() const { return highest_segment_ + 1; }
  [[nodiscard]] std::uint64_t next_batch() const { return highest_batch_ + 1; }
  [[nodiscard]] std::uint64_t next_file() const { return highest_file_ + 1; }
  [[nodiscard]] const std::vector<Void>& voids() const { return voids_; }

 private:
  ring::Task<Result<>> open_file(std::string name);
  ring::Task<Result<>> identify(std::unique_ptr<SegmentFile> file);
  ring::Task<Result<>> salvage(std::unique_ptr<SegmentFile> file);
  Result<> accept(std::unique_ptr<SegmentFile> file, const SegmentName& name);
  ring::Task<void> discard(std::unique_ptr<SegmentFile> file);
  void note_voids(std::string_view first_batch, const SegmentName& name);
  [[nodiscard]] std::uint64_t first_void_of(std::uint64_t segment) const;
  ring::Task<void> make_durable(SegmentFile& file);

  ring::Reactor& reactor_;
  std::string directory_;
  SegmentSupply& supply_;
  SegmentTable& table_;
  SegmentFiles& files_;
  std::uint64_t spool_ = 0;
  std::uint64_t highest_segment_ = 0;
  std::uint64_t highest_batch_ = 0;
  std::uint64_t highest_file_ = 0;
  std::vector<Void> voids_;
  std::vector<std::unique_ptr<SegmentFile>> unnamed_;  // files whose header is lost
  Recovered recovered_;
};

}  // namespace ringpost::spool
