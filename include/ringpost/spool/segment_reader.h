// Reads what a segment in use holds: by its index if it is sealed, else whole. Called by recovery,
// and by compaction while the spool is in use. Changes nothing.
#pragma once

#include <span>
#include <vector>

#include "ringpost/ring/reactor.h"
#include "ringpost/ring/task.h"
#include "ringpost/spool/segment_file.h"
#include "ringpost/spool/segment_index.h"
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

// What these items of an index name; their own bytes must live on. False as above.
ring::Task<bool> read_items(ring::Reactor& reactor, const SegmentFile& file, SegmentName name,
                            std::vector<IndexItem> items, SegmentContents& contents,
                            SegmentBytes& bytes);

// Every block is looked at. Batches numbered `first_void` and higher do not count.
ring::Task<void> read_whole(ring::Reactor& reactor, const SegmentFile& file, SegmentName name,
                            std::uint64_t first_void, SegmentContents& contents,
                            SegmentBytes& bytes);

}  // namespace ringpost::spool
