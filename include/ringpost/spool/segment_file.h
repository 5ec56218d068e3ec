// A segment's file, and reading and writing it in whole blocks through the ring: past the page
// cache where the file system allows it, each write durable when it completes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ringpost/ring/reactor.h"
#include "ringpost/ring/task.h"
#include "ringpost/spool/aligned_buffer.h"
#include "ringpost/spool/segment_header.h"

namespace ringpost::spool {

struct SegmentFile {
  std::string path;
  int fd = -1;
  std::uint64_t size = 0;
  bool damaged = false;   // kept aside, not reused, when nothing in it is needed any more
  bool poisoned = false;  // a write to it failed: never written again
};

// The file, or a negative errno. Falls back to the page cache where O_DIRECT is refused.
ring::Task<int> open_segment_file(ring::Reactor& reactor, std::string path, int flags);

// All of `bytes`, block-aligned, durable on return: 0 or a negative errno. `bytes` must live on.
ring::Task<int> write_durably(ring::Reactor& reactor, int fd, std::string_view bytes,
                              std::uint64_t offset);
// Writes and makes durable a header; the state of the file is what the header says.
ring::Task<int> write_header(ring::Reactor& reactor, int fd, SegmentHeader header);

// Reads `length` bytes, whole blocks, at `offset`. The number of bytes read, less at the end of the
// file, or a negative errno.
ring::Task<int> read_blocks(ring::Reactor& reactor, int fd, AlignedBuffer& into,
                            std::uint64_t offset, std::size_t length);

// The whole file, piece by piece. What cannot be read is left zero, and counted.
struct FileImage {
  AlignedBuffer bytes;
  std::uint64_t unreadable = 0;  // pieces
};
ring::Task<FileImage> read_image(ring::Reactor& reactor, int fd, std::uint64_t size);

// Makes the names in a directory durable; 0 or a negative errno.
ring::Task<int> sync_directory(ring::Reactor& reactor, std::string path);

}  // namespace ringpost::spool
