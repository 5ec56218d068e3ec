// The real kernel behind the seam: an io_uring, an eventfd to be woken by, plain system calls.
#pragma once

#include <memory>
#include <vector>

#include "ringpost/base/result.h"
#include "ringpost/ring/kernel.h"

namespace ringpost::ring {

struct LinuxKernelSettings {
  unsigned submission_entries = 4096;
  unsigned completion_entries = 65'536;
};

class LinuxKernel final : public Kernel {
 public:
  // Creates the ring, disabled, on any thread. With too little lockable memory it tries smaller
  // rings first. Errors name the errno, the likely cause and the remedy.
  static Result<std::unique_ptr<LinuxKernel>> create(const LinuxKernelSettings& settings = {});
  ~LinuxKernel() override;

  int enable() override;
  int enter(unsigned wait_for, Duration timeout) override;
  [[nodiscard]] int wake_descriptor() const override { return wake_fd_; }
  void wake() override;
  Clocks clocks() override;
  Random::Seed random_seed() override;
  io_uring_buf_ring* register_buffer_ring(unsigned entries, unsigned group) override;
  int socket(int family, int type) override;
  int bind(int fd, const sockaddr* address, socklen_t length) override;
  int listen(int fd, int backlog) override;
  int set_socket_option(int fd, int level, int name, int value) override;
  int local_address(int fd, sockaddr_storage& address) override;
  int peer_address(int fd, sockaddr_storage& address) override;
  int change_mode(const std::string& path, mode_t mode) override;
  int shutdown(int fd) override;
  int close(int fd) override;
  int make_directory(const std::string& path) override;
  int list_directory(const std::string& path, std::vector<std::string>& names) override;
  int lock_file(const std::string& path) override;
  std::int64_t file_size(int fd) override;
  std::int64_t free_space(const std::string& path) override;

 private:
  LinuxKernel() = default;
  struct Mapping {
    void* address;
    std::size_t length;
  };

  bool created_ = false;
  int wake_fd_ = -1;
  std::vector<Mapping> mappings_;
};

}  // namespace ringpost::ring
