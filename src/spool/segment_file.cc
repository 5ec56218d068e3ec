#include "ringpost/spool/segment_file.h"

#include <bits/types/struct_iovec.h>
#include <fcntl.h>
#include <linux/fs.h>

#include <algorithm>
#include <cerrno>
#include <span>

namespace ringpost::spool {
namespace {

constexpr mode_t file_mode = 0600;
constexpr std::size_t piece = 2 << 20;

}  // namespace

ring::Task<int> open_segment_file(ring::Reactor& reactor, std::string path, int flags) {
  int fd = co_await reactor.open(path, flags | O_RDWR | O_CLOEXEC | O_DIRECT, file_mode);
  if (fd == -EINVAL) {
    fd = co_await reactor.open(path, (flags & ~O_EXCL) | O_RDWR | O_CLOEXEC, file_mode);
  }
  co_return fd;
}

ring::Task<int> write_durably(ring::Reactor& reactor, int fd, std::string_view bytes,
                              std::uint64_t offset) {
  while (!bytes.empty()) {
    const int written = co_await reactor.write(fd, bytes, offset, RWF_DSYNC);
    if (written < 0) {
      co_return written;
    }
    // A part of a block cannot be continued with O_DIRECT.
    if (written == 0 || static_cast<std::size_t>(written) % block_size != 0) {
      co_return -EIO;
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  co_return 0;
}

ring::Task<int> write_header(ring::Reactor& reactor, int fd, SegmentHeader header) {
  const std::string area = encode(header);
  const AlignedBuffer aligned(area);
  const std::string_view first = aligned.view().substr(0, block_size);
  const std::string_view second = aligned.view().substr(block_size);
  // One after the other, so that a power cut can tear one of them only.
  const int error = co_await write_durably(reactor, fd, first, 0);
  if (error != 0) {
    co_return error;
  }
  co_return co_await write_durably(reactor, fd, second, block_size);
}

ring::Task<int> read_blocks(ring::Reactor& reactor, int fd, AlignedBuffer& into,
                            std::uint64_t offset, std::size_t length) {
  into.clear();
  into.reserve(length);
  std::size_t done = 0;
  while (done < length) {
    const std::span<char> rest(into.data() + done, length - done);
    const int got = co_await reactor.read(fd, rest, offset + done);
    if (got < 0) {
      co_return got;
    }
    done += static_cast<std::size_t>(got);
    if (got == 0 || done % block_size != 0) {
      break;
    }
  }
  into.set_size(done);
  co_return static_cast<int>(done);
}

ring::Task<FileImage> read_image(ring::Reactor& reactor, int fd, std::uint64_t size) {
  FileImage image;
  image.bytes.reserve(size);
  AlignedBuffer buffer;
  for (std::uint64_t at = 0; at < size; at += piece) {
    const std::size_t length = std::min<std::uint64_t>(piece, size - at);
    const int got = co_await read_blocks(reactor, fd, buffer, at, length);
    if (got < 0) {
      ++image.unreadable;
      buffer.clear();
    }
    image.bytes.append(buffer.view());
    image.bytes.append_zeros(length - buffer.size());
  }
  co_return std::move(image);
}

ring::Task<int> sync_directory(ring::Reactor& reactor, std::string path) {
  const int fd = co_await reactor.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (fd < 0) {
    co_return fd;
  }
  const int error = co_await reactor.sync(fd, false);
  co_await reactor.close_file(fd);
  co_return error;
}

}  // namespace ringpost::spool
