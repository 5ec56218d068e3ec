// Reads what a segment in use holds. Recovery takes it as a whole, by the index if it is sealed;
// compaction, while the spool is in use, in portions small enough not to hold a turn up. Changes
// nothing.
#pragma once

#include <string>
#include <vector>

#include "ringpost/ring/reactor.h"
#include "ringpost/ring/task.h"
#include "ringpost/spool/segment_file.h"
#include "ringpost/spool/segment_scan.h"

namespace ringpost::spool {

// The bytes that the records of one segment point into.
struct SegmentBytes {
  std::vector<AlignedBuffer> buffers;
  FileImage image;
};

// False if there is no whole seal and index, or if a range that it names is not whole; `contents`
// may then hold a part.
ring::Task<bool> read_sealed(ring::Reactor& reactor, const SegmentFile& file, SegmentName name,
                             SegmentContents& contents, SegmentBytes& bytes);

// Every block is looked at. Batches numbered `first_void` and higher do not count.
ring::Task<void> read_whole(ring::Reactor& reactor, const SegmentFile& file, SegmentName name,
                            std::uint64_t first_void, SegmentContents& contents,
                            SegmentBytes& bytes);

class PortionTaker {
 public:
  // In the order of writing. The bytes that the records point into do not outlive the call.
  virtual void take(const SegmentContents& portion) = 0;

 protected:
  ~PortionTaker() = default;
};

// By its index if it is sealed, else batch by batch. False if anything is damaged.
ring::Task<bool> read_in_portions(ring::Reactor& reactor, const SegmentFile& file, SegmentName name,
                                  std::uint64_t first_void, PortionTaker& taker);
// What this payload of an index names.
ring::Task<bool> read_by_index(ring::Reactor& reactor, const SegmentFile& file, SegmentName name,
                               std::string index, PortionTaker& taker);

}  // namespace ringpost::spool
