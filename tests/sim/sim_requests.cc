// What each submitted request does: where it waits, how long the disk takes, when a cancel reaches
// it.
#include <fcntl.h>
#include <linux/fs.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "sim/sim_kernel.h"
#include "sim/sim_world.h"

namespace ringpost::sim {
namespace {

const char* path_at(std::uint64_t address) {
  return reinterpret_cast<const char*>(address);
}

// A request with the address and length that O_DIRECT wants?
bool aligned(const io_uring_sqe& sqe) {
  return (sqe.addr | sqe.len | sqe.off) % SimFile::sector_size == 0;
}

}  // namespace

void SimKernel::submit() {
  io_uring_sq& sq = queues_.sq;
  while (sq_head_ != sq.sqe_tail) {
    const io_uring_sqe& sqe = sqes_[sq_head_++ & sq.ring_mask];
    if (crashed_) {
      continue;
    }
    const auto operation = std::make_shared<SimOperation>(*this, sqe);
    operations_.emplace(sqe.user_data, operation);
    start(operation);
  }
}

void SimKernel::start(const OperationPointer& operation) {
  const io_uring_sqe& sqe = operation->sqe;
  switch (sqe.opcode) {
    case IORING_OP_ASYNC_CANCEL:
      start_cancel(operation);
      return;
    case IORING_OP_OPENAT:
    case IORING_OP_RENAMEAT:
    case IORING_OP_UNLINKAT:
      start_on_path(operation);
      return;
    case IORING_OP_RECV:
    case IORING_OP_SEND:
    case IORING_OP_ACCEPT:
    case IORING_OP_CONNECT:
      start_on_socket(operation);
      return;
    default:
      start_on_file(operation);
  }
}

void SimKernel::start_on_socket(const OperationPointer& operation) {
  const io_uring_sqe& sqe = operation->sqe;
  SimHost::Descriptor* const found = host_.descriptor(sqe.fd);
  if (found == nullptr || found->socket == nullptr) {
    complete(operation, found == nullptr ? -EBADF : -ENOTSOCK);
    return;
  }
  const SocketPointer socket = found->socket;
  if (sqe.opcode == IORING_OP_RECV) {
    socket->receive(operation);
  } else if (sqe.opcode == IORING_OP_SEND) {
    socket->send(operation);
  } else if (sqe.opcode == IORING_OP_ACCEPT) {
    socket->accept(operation);
  } else {
    sockaddr_storage address{};
    std::memcpy(&address, path_at(sqe.addr), sqe.off);
    const auto endpoint = Endpoint::from_sockaddr(address);
    if (!endpoint) {
      complete(operation, -EAFNOSUPPORT);
      return;
    }
    world_.network().connect(operation, socket, *endpoint);
  }
}

// Runs `action` when the disk is done; from now on no cancel reaches the request.
void SimKernel::after_disk(const OperationPointer& operation, std::size_t bytes,
                           std::function<void()> action) {
  constexpr std::size_t bytes_per_us = 1000;
  const DiskFaults& faults = host_.disk().faults;
  Random& random = world_.random();
  Duration takes = between(random, faults.least_latency, faults.most_latency) +
                   std::chrono::microseconds(bytes / bytes_per_us) + disk_delay;
  if (chance(random, faults.stall)) {
    takes += between(random, 0us, faults.longest_stall);
  }
  operation->started = true;
  world_.clock().after(takes, [operation, action = std::move(action)] {
    if (!operation->done) {
      action();
    }
  });
}

void SimKernel::start_on_path(const OperationPointer& operation) {
  after_disk(operation, 0, [this, operation] {
    const io_uring_sqe& sqe = operation->sqe;
    SimDisk& disk = host_.disk();
    int result = 0;
    if (sqe.opcode == IORING_OP_RENAMEAT) {
      result = disk.rename(path_at(sqe.addr), path_at(sqe.addr2));
    } else if (sqe.opcode == IORING_OP_UNLINKAT) {
      result = disk.unlink(path_at(sqe.addr));
    } else {
      const auto flags = static_cast<int>(sqe.open_flags);
      FilePointer file;
      result = disk.open(path_at(sqe.addr), flags, file);
      if (result == 0) {
        result = host_.add_descriptor({.file = std::move(file), .flags = flags});
      }
    }
    complete(operation, result);
  });
}

void SimKernel::start_on_file(const OperationPointer& operation) {
  const io_uring_sqe& sqe = operation->sqe;
  const SimHost::Descriptor* const found = host_.descriptor(sqe.fd);
  if (sqe.opcode == IORING_OP_NOP || found == nullptr) {
    complete(operation, found == nullptr && sqe.opcode != IORING_OP_NOP ? -EBADF : 0);
    return;
  }
  if (sqe.opcode == IORING_OP_CLOSE) {
    after_disk(operation, 0, [this, operation] { complete(operation, close(operation->sqe.fd)); });
    return;
  }
  if (sqe.opcode == IORING_OP_READ && found->wakes != nullptr) {
    wake_read_ = operation;
    read_wake_count();
    return;
  }
  const FilePointer file = found->file;
  if (file == nullptr) {
    complete(operation, -EINVAL);
    return;
  }
  switch (sqe.opcode) {
    case IORING_OP_READ:
      if (file->is_directory() || ((found->flags & O_DIRECT) != 0 && !aligned(sqe))) {
        complete(operation, file->is_directory() ? -EISDIR : -EINVAL);
        return;
      }
      after_disk(operation, sqe.len, [this, operation, file] { read_file(operation, file); });
      return;
    case IORING_OP_WRITE:
      start_write(operation, *found);
      return;
    case IORING_OP_FSYNC:
      start_sync(operation, file);
      return;
    case IORING_OP_FALLOCATE:
      // offset in off, length in addr, mode in len
      after_disk(operation, 0, [this, operation, file] {
        const std::uint64_t end = operation->sqe.off + operation->sqe.addr;
        const int error = host_.disk().may_grow(*file, end);
        if (error == 0 && end > file->bytes().size()) {
          file->resize(end);
        }
        complete(operation, error);
      });
      return;
    default:
      complete(operation, -EINVAL);
  }
}

void SimKernel::read_file(const OperationPointer& operation, const FilePointer& file) {
  const std::string& bytes = file->bytes();
  const std::uint64_t from = operation->sqe.off;
  const std::size_t length =
      from >= bytes.size() ? 0 : std::min<std::size_t>(operation->sqe.len, bytes.size() - from);
  bytes.copy(reinterpret_cast<char*>(operation->sqe.addr), length, length == 0 ? 0 : from);
  complete(operation, static_cast<int>(length));
}

void SimKernel::start_write(const OperationPointer& operation,
                            const SimHost::Descriptor& descriptor) {
  const io_uring_sqe& sqe = operation->sqe;
  if ((descriptor.flags & O_ACCMODE) == O_RDONLY) {
    complete(operation, -EBADF);
    return;
  }
  if ((descriptor.flags & O_DIRECT) != 0 && !aligned(sqe)) {
    complete(operation, -EINVAL);
    return;
  }
  if ((sqe.rw_flags & ~RWF_DSYNC) != 0) {
    complete(operation, -EOPNOTSUPP);
    return;
  }
  const FilePointer file = descriptor.file;
  const bool append = (descriptor.flags & O_APPEND) != 0;
  if (append) {
    operation->append = true;
  }
  operation->offset = sqe.off;
  operation->file = file;
  const std::string_view buffer(path_at(sqe.addr), sqe.len);
  // The device reads the buffer at a moment of its choice.
  const bool early = world_.random().below(2) == 0;
  std::string copy(early ? buffer : std::string_view());
  after_disk(operation, sqe.len, [this, operation, early, buffer, copy = std::move(copy)] {
    write_file(operation, early ? std::string_view(copy) : buffer);
  });
}

void SimKernel::write_file(const OperationPointer& operation, std::string_view bytes) {
  const FilePointer file = operation->file;
  SimDisk& disk = host_.disk();
  Random& random = world_.random();
  const std::uint64_t offset = operation->append ? file->bytes().size() : operation->offset;
  if (chance(random, disk.faults.write_error)) {
    tear(*operation);
    complete(operation, -EIO);
    return;
  }
  if (const int error = disk.may_grow(*file, offset + bytes.size()); error < 0) {
    complete(operation, error);
    return;
  }
  if (bytes.size() > SimFile::sector_size && chance(random, disk.faults.short_write)) {
    const std::size_t sectors = bytes.size() / SimFile::sector_size;
    bytes = bytes.substr(0, (1 + random.below(sectors)) * SimFile::sector_size);
  }
  file->write(offset, bytes);
  if ((operation->sqe.rw_flags & RWF_DSYNC) != 0) {
    file->sync_range(offset, bytes.size());
  }
  complete(operation, static_cast<int>(bytes.size()));
}

// A write that never completed: any of its sectors may have arrived, none counts as synced.
void SimKernel::tear(const SimOperation& operation) {
  if (operation.file == nullptr) {
    return;
  }
  const std::string_view buffer(path_at(operation.sqe.addr), operation.sqe.len);
  const std::uint64_t offset = operation.append ? operation.file->bytes().size() : operation.offset;
  for (std::size_t at = 0; at < buffer.size(); at += SimFile::sector_size) {
    const std::string_view piece = buffer.substr(at, SimFile::sector_size);
    const bool fits = host_.disk().may_grow(*operation.file, offset + at + piece.size()) == 0;
    if (fits && world_.random().below(2) == 0) {
      operation.file->write(offset + at, piece);
    }
  }
}

void SimKernel::start_sync(const OperationPointer& operation, const FilePointer& file) {
  if (file->is_directory()) {
    const std::uint64_t changes = host_.disk().changes();
    after_disk(operation, 0, [this, operation, file, changes] {
      const bool fails = chance(world_.random(), host_.disk().faults.sync_error);
      if (!fails) {
        host_.disk().sync_directory(*file, changes);
      }
      complete(operation, fails ? -EIO : 0);
    });
    return;
  }
  auto point = std::make_shared<SimFile::SyncPoint>(file->sync_point());
  after_disk(operation, point->sectors.size() * SimFile::sector_size,
             [this, operation, file, point] {
               const bool fails = chance(world_.random(), host_.disk().faults.sync_error);
               if (fails) {
                 file->sync_failed(*point);
               } else {
                 file->synced(*point);
               }
               complete(operation, fails ? -EIO : 0);
             });
}

// It takes a moment, in which its aim may complete by itself.
void SimKernel::start_cancel(const OperationPointer& operation) {
  if (world_.random().below(2) == 0) {
    complete(operation, cancel(operation->sqe.addr));
    return;
  }
  world_.clock().after(between(world_.random(), 0us, 30us), [this, operation] {
    if (!operation->done) {
      complete(operation, cancel(operation->sqe.addr));
    }
  });
}

int SimKernel::cancel(std::uint64_t user_data) {
  const auto found = operations_.find(user_data);
  if (found == operations_.end()) {
    return -ENOENT;
  }
  const OperationPointer operation = found->second;
  if (operation == wake_read_) {
    wake_read_ = nullptr;
    complete(operation, -ECANCELED);
    return 0;
  }
  if (operation->started && operation->socket == nullptr) {
    return -EALREADY;  // the disk has it
  }
  if (const SocketPointer socket = operation->socket) {
    socket->withdraw(*operation);
  }
  complete(operation, operation->progress > 0 ? static_cast<int>(operation->progress) : -ECANCELED);
  return 0;
}

}  // namespace ringpost::sim
