// How each operation of the reactor is put into the submission queue.
#include <fcntl.h>
#include <liburing.h>

#include <cstring>

#include "ringpost/ring/reactor.h"

namespace ringpost::ring {

void Reactor::prepare_receive(OperationSlot& slot) {
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_recv(&sqe, slot.fd, nullptr, buffers_.buffer_size(), 0);
  // Most receives are armed before their data is there: go straight to waiting for it.
  sqe.ioprio |= IORING_RECVSEND_POLL_FIRST;
  sqe.flags |= IOSQE_BUFFER_SELECT;
  sqe.buf_group = BufferPool::group;
  sqe.user_data = std::uint64_t{slot.index} << 32 | std::uint64_t{slot.generation} << 8 | 1;
}

ReceiveOperation Reactor::receive(int fd, Instant deadline) {
  OperationSlot& slot = slots_.take(*this);
  slot.fd = fd;
  if (deadline != never) {
    timers_.arm(slot, deadline);
  }
  prepare_receive(slot);
  return ReceiveOperation(slot);
}

Operation Reactor::send(int fd, std::string bytes, Instant deadline) {
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_send(&sqe, fd, nullptr, bytes.size(), MSG_NOSIGNAL | MSG_WAITALL);
  OperationSlot& slot = begin(sqe, fd, deadline);
  slot.owned = std::move(bytes);
  sqe.addr = reinterpret_cast<std::uint64_t>(slot.owned.data());
  return Operation(slot);
}

OperationSlot& Reactor::send(int fd, std::string bytes, Completion& completion) {
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_send(&sqe, fd, nullptr, bytes.size(), MSG_NOSIGNAL | MSG_WAITALL);
  OperationSlot& slot = begin(sqe, fd);
  slot.owned = std::move(bytes);
  slot.completion = &completion;
  sqe.addr = reinterpret_cast<std::uint64_t>(slot.owned.data());
  return slot;
}

Operation Reactor::accept(int fd) {
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_accept(&sqe, fd, nullptr, nullptr, SOCK_CLOEXEC);
  return Operation(begin(sqe, fd));
}

Operation Reactor::connect(int fd, const sockaddr_storage& address, socklen_t length,
                           Instant deadline) {
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_connect(&sqe, fd, nullptr, length);
  OperationSlot& slot = begin(sqe, fd, deadline);
  std::memcpy(&slot.address, &address, sizeof(address));
  slot.address_length = length;
  sqe.addr = reinterpret_cast<std::uint64_t>(&slot.address);
  return Operation(slot);
}

Operation Reactor::open(std::string path, int flags, mode_t mode) {
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_openat(&sqe, AT_FDCWD, nullptr, flags | O_CLOEXEC, mode);
  OperationSlot& slot = begin(sqe, -1);
  slot.owned = std::move(path);
  sqe.addr = reinterpret_cast<std::uint64_t>(slot.owned.c_str());
  return Operation(slot);
}

Operation Reactor::read(int fd, std::span<char> into, std::uint64_t offset) {
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_read(&sqe, fd, into.data(), static_cast<unsigned>(into.size()), offset);
  return Operation(begin(sqe, fd));
}

Operation Reactor::write(int fd, std::string_view bytes, std::uint64_t offset, int rw_flags) {
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_write(&sqe, fd, bytes.data(), static_cast<unsigned>(bytes.size()), offset);
  sqe.rw_flags = rw_flags;
  return Operation(begin(sqe, fd));
}

Operation Reactor::sync(int fd, bool data_only) {
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_fsync(&sqe, fd, data_only ? IORING_FSYNC_DATASYNC : 0);
  return Operation(begin(sqe, fd));
}

Operation Reactor::allocate(int fd, int mode, std::uint64_t offset, std::uint64_t length) {
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_fallocate(&sqe, fd, mode, static_cast<off_t>(offset), static_cast<off_t>(length));
  return Operation(begin(sqe, fd));
}

Operation Reactor::rename(std::string from, std::string to) {
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_renameat(&sqe, AT_FDCWD, nullptr, AT_FDCWD, nullptr, 0);
  OperationSlot& slot = begin(sqe, -1);
  const std::size_t second = from.size() + 1;
  slot.owned = std::move(from);
  slot.owned.push_back('\0');
  slot.owned += to;
  sqe.addr = reinterpret_cast<std::uint64_t>(slot.owned.c_str());
  sqe.addr2 = reinterpret_cast<std::uint64_t>(slot.owned.c_str() + second);
  return Operation(slot);
}

Operation Reactor::unlink(std::string path) {
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_unlinkat(&sqe, AT_FDCWD, nullptr, 0);
  OperationSlot& slot = begin(sqe, -1);
  slot.owned = std::move(path);
  sqe.addr = reinterpret_cast<std::uint64_t>(slot.owned.c_str());
  return Operation(slot);
}

Operation Reactor::close_file(int fd) {
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_close(&sqe, fd);
  return Operation(begin(sqe, fd));
}

}  // namespace ringpost::ring
