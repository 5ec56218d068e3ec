#include "disk_kernel.h"

#include <fcntl.h>
#include <linux/fs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "ringpost/base/check.h"

namespace ringpost::spool {
namespace {

constexpr std::size_t sector = 512;

void put(std::string& into, std::uint64_t offset, std::string_view bytes) {
  if (into.size() < offset + bytes.size()) {
    into.resize(offset + bytes.size());
  }
  into.replace(offset, bytes.size(), bytes);
}

std::string_view view(std::uint64_t address, std::size_t length) {
  return {reinterpret_cast<const char*>(address), length};
}

}  // namespace

DiskKernel::DiskKernel(std::uint64_t seed, Disk disk)
    : random_(Random::seed_from(seed)),
      disk_(std::move(disk)),
      names_(disk_),
      sqes_(entries),
      cqes_(2 * entries) {
  queues_.sq.khead = &sq_head_;
  queues_.sq.kflags = &zero_;
  queues_.sq.sqes = sqes_.data();
  queues_.sq.ring_mask = entries - 1;
  queues_.sq.ring_entries = entries;
  queues_.cq.khead = &cq_head_;
  queues_.cq.ktail = &cq_tail_;
  queues_.cq.cqes = cqes_.data();
  queues_.cq.ring_mask = 2 * entries - 1;
  queues_.cq.ring_entries = 2 * entries;
}

io_uring_buf_ring* DiskKernel::register_buffer_ring(unsigned count, unsigned) {
  buffers_.resize(count);
  return reinterpret_cast<io_uring_buf_ring*>(buffers_.data());
}

Disk DiskKernel::cut_power() {
  Disk left;
  const auto keep = [&](const std::string& path, const DiskFile& file) {
    auto survivor = std::make_shared<DiskFile>();
    survivor->name_durable = true;
    survivor->durable = file.durable;
    if (file.cached.size() > file.durable.size() && random_.below(2) == 0) {
      survivor->durable.resize(file.cached.size());
    }
    for (std::size_t at = 0; at < survivor->durable.size(); at += sector) {
      const std::string_view cached = std::string_view(file.cached)
                                          .substr(std::min(at, file.cached.size()),
                                                  std::min(sector, survivor->durable.size() - at));
      if (cached != std::string_view(survivor->durable).substr(at, cached.size()) &&
          random_.below(2) == 0) {
        survivor->durable.replace(at, cached.size(), cached);
      }
    }
    survivor->cached = survivor->durable;
    left[path] = std::move(survivor);
  };
  for (const auto& [path, file] : names_) {
    if (disk_.contains(path) || random_.below(2) == 0) {
      keep(path, *file);
    }
  }
  for (const auto& [path, file] : disk_) {
    if (!names_.contains(path) && random_.below(2) == 0) {
      keep(path, *file);
    }
  }
  return left;
}

int DiskKernel::enter(unsigned wait_for, Duration timeout) {
  while (sq_head_ != queues_.sq.sqe_tail) {
    submit(sqes_[sq_head_ & (entries - 1)]);
    ++sq_head_;
  }
  if (pending_.empty() || held_) {
    if (wait_for > 0) {
      now_ += timeout;
    }
    return 0;
  }
  now_ += Duration(std::chrono::microseconds(50));
  // One to all of them, in any order.
  for (std::uint64_t count = 1 + random_.below(pending_.size()); count > 0; --count) {
    complete(random_.below(pending_.size()));
  }
  return 0;
}

void DiskKernel::complete(std::size_t which) {
  Pending done = std::move(pending_[which]);
  pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(which));
  if (done.completion) {
    done.completion();
  }
  check(cq_tail_ - cq_head_ < cqes_.size(), "the completion queue of the test's kernel is full");
  io_uring_cqe& cqe = cqes_[cq_tail_ & (cqes_.size() - 1)];
  cqe.user_data = done.user_data;
  cqe.res = done.result;
  cqe.flags = 0;
  ++cq_tail_;
}

void DiskKernel::submit(const io_uring_sqe& sqe) {
  if (sqe.fd == wake_fd) {
    return;  // nobody ever wakes this kernel
  }
  Pending operation = perform(sqe);
  operation.user_data = sqe.user_data;
  pending_.push_back(std::move(operation));
}

DiskKernel::Pending DiskKernel::perform(const io_uring_sqe& sqe) {
  const auto path = [&] { return std::string(reinterpret_cast<const char*>(sqe.addr)); };
  if (sqe.opcode == IORING_OP_OPENAT) {
    return {0, open_file(path(), static_cast<int>(sqe.open_flags)), {}};
  }
  if (sqe.opcode == IORING_OP_UNLINKAT) {
    return {0, disk_.erase(path()) == 1 ? 0 : -ENOENT, {}};
  }
  if (sqe.opcode == IORING_OP_RENAMEAT) {
    const auto found = disk_.find(path());
    if (found == disk_.end()) {
      return {0, -ENOENT, {}};
    }
    disk_[std::string(reinterpret_cast<const char*>(sqe.addr2))] = found->second;
    disk_.erase(found);
    return {0, 0, {}};
  }
  const auto found = open_.find(sqe.fd);
  if (found == open_.end()) {
    return {0, -EBADF, {}};
  }
  Open& open = found->second;
  switch (sqe.opcode) {
    case IORING_OP_CLOSE:
      open_.erase(found);
      return {0, 0, {}};
    case IORING_OP_WRITE:
      return write(sqe, open);
    case IORING_OP_READ:
      return {0, read(sqe, open), {}};
    case IORING_OP_FSYNC:
      return sync(open);
    case IORING_OP_FALLOCATE: {
      const int error = allocate_fault ? allocate_fault(open.path) : 0;
      if (error == 0 && open.file->cached.size() < sqe.off + sqe.addr) {
        open.file->cached.resize(sqe.off + sqe.addr);
      }
      return {0, error, {}};
    }
    default:
      return {0, -EINVAL, {}};
  }
}

int DiskKernel::open_file(const std::string& path, int flags) {
  if (refuse_direct && (flags & O_DIRECT) != 0) {
    return -EINVAL;
  }
  std::shared_ptr<DiskFile> file;
  if ((flags & O_DIRECTORY) == 0) {
    const auto found = disk_.find(path);
    if (found != disk_.end() && (flags & O_EXCL) != 0) {
      return -EEXIST;
    }
    if (found == disk_.end() && (flags & O_CREAT) == 0) {
      return -ENOENT;
    }
    file = found != disk_.end() ? found->second : std::make_shared<DiskFile>();
    disk_[path] = file;
  }
  open_[next_fd_] = Open{path, file};
  return next_fd_++;
}

DiskKernel::Pending DiskKernel::write(const io_uring_sqe& sqe, Open& open) {
  const std::string_view bytes = view(sqe.addr, sqe.len);
  check(reinterpret_cast<std::uintptr_t>(bytes.data()) % 4096 == 0 && sqe.off % 4096 == 0 &&
            bytes.size() % 4096 == 0,
        "a write that O_DIRECT would refuse");
  ++writes;
  const int fault = write_fault ? write_fault(open.path, sqe.off, bytes.size()) : 0;
  if (fault != 0) {
    const std::uint64_t partial = random_.below(bytes.size() / sector + 1) * sector;
    put(open.file->cached, sqe.off, bytes.substr(0, partial));
    return {0, fault, {}};
  }
  put(open.file->cached, sqe.off, bytes);
  const int written = static_cast<int>(bytes.size());
  if ((sqe.rw_flags & RWF_DSYNC) == 0) {
    return {0, written, {}};
  }
  return {0, written, [file = open.file, offset = sqe.off, copy = std::string(bytes)] {
            put(file->durable, offset, copy);
          }};
}

int DiskKernel::read(const io_uring_sqe& sqe, const Open& open) {
  const std::string& cached = open.file->cached;
  if (sqe.off >= cached.size()) {
    return 0;
  }
  const std::size_t length = std::min<std::size_t>(sqe.len, cached.size() - sqe.off);
  std::memcpy(reinterpret_cast<char*>(sqe.addr), cached.data() + sqe.off, length);
  return static_cast<int>(length);
}

DiskKernel::Pending DiskKernel::sync(const Open& open) {
  if (open.file == nullptr) {
    return {0, 0, [this, names = disk_] { names_ = names; }};
  }
  return {0, 0, [file = open.file, bytes = open.file->cached] {
            if (file->durable.size() < bytes.size()) {
              file->durable.resize(bytes.size());
            }
            file->durable.replace(0, bytes.size(), bytes);
          }};
}

int DiskKernel::list_directory(const std::string& path, std::vector<std::string>& names) {
  for (const auto& [name, file] : disk_) {
    if (name.starts_with(path + "/")) {
      names.push_back(name.substr(path.size() + 1));
    }
  }
  return static_cast<int>(names.size());
}

std::int64_t DiskKernel::file_size(int fd) {
  return static_cast<std::int64_t>(open_.at(fd).file->cached.size());
}

}  // namespace ringpost::spool
