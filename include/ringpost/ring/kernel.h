// The seam: the only door to network, disk and clock. A real kernel (linux_kernel.h) stands behind
// it in production, a simulated one in tests; nothing above can tell which.
//
// Most traffic passes through the io_uring queues, which liburing's prep functions fill directly;
// enter() hands them over once a loop turn. The other calls are cold and return, like system
// calls, a non-negative result or a negative errno. One kernel serves one thread; only wake() may
// be called from others.
#pragma once

#include <liburing.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "ringpost/base/random.h"
#include "ringpost/base/time.h"

namespace ringpost::ring {

struct Clocks {
  Instant monotonic;
  WallTime wall;
};

class Kernel {
 public:
  Kernel() = default;
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;
  virtual ~Kernel() = default;

  // The submission and completion queues, valid after enable().
  [[nodiscard]] io_uring& queues() { return queues_; }

  // Binds the ring to the calling thread, which must be the only one to use it from now on.
  virtual int enable() = 0;
  // Submits every prepared entry. Returns when `wait_for` completions (0 or 1) can be reaped or
  // `timeout` has passed, whichever is first. A time-out is no error.
  virtual int enter(unsigned wait_for, Duration timeout) = 0;
  // A descriptor of which eight bytes can be read once wake() was called; the reactor keeps a read
  // of it armed, so that wake(), which is thread-safe, ends enter().
  [[nodiscard]] virtual int wake_descriptor() const = 0;
  virtual void wake() = 0;

  virtual Clocks clocks() = 0;
  virtual Random::Seed random_seed() = 0;

  // A ring of receive buffers for group `group`; null when the kernel has none.
  virtual io_uring_buf_ring* register_buffer_ring(unsigned entries, unsigned group) = 0;

  virtual int socket(int family, int type) = 0;
  virtual int bind(int fd, const sockaddr* address, socklen_t length) = 0;
  virtual int listen(int fd, int backlog) = 0;
  virtual int set_socket_option(int fd, int level, int name, int value) = 0;
  virtual int local_address(int fd, sockaddr_storage& address) = 0;
  virtual int peer_address(int fd, sockaddr_storage& address) = 0;
  // Of a Unix socket's file. Kernels without a file system of their own have no such files.
  virtual int change_mode(const std::string& /*path*/, mode_t /*mode*/) { return -ENOSYS; }
  virtual int shutdown(int fd) = 0;  // both directions
  virtual int close(int fd) = 0;

  // Files: at start-up only, all else goes through the ring.
  virtual int make_directory(const std::string& path) = 0;  // and its parents; existing is no error
  virtual int list_directory(const std::string& path, std::vector<std::string>& names) = 0;
  // Takes an exclusive lock on the file, which is created if missing; the descriptor holds it.
  // -EWOULDBLOCK if another process has it.
  virtual int lock_file(const std::string& path) = 0;
  virtual std::int64_t file_size(int fd) = 0;
  virtual std::int64_t free_space(const std::string& path) = 0;  // bytes for an unprivileged user

 protected:
  io_uring queues_{};
};

}  // namespace ringpost::ring
