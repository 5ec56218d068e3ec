// A kernel with a disk of arrays, a clock that jumps, and no network: for tests of what reaches the
// disk, in which order, and what a power cut leaves of it. Writes reach the disk's cache when they
// are submitted and its platters when they complete durably; a cut keeps any of the sectors
// between.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ringpost/ring/kernel.h"

namespace ringpost::spool {

struct DiskFile {
  std::string cached;   // what a read sees
  std::string durable;  // what is certain to survive
  bool name_durable = false;
};

// By path. Open files that were unlinked live on in the kernel only.
using Disk = std::map<std::string, std::shared_ptr<DiskFile>>;

class DiskKernel final : public ring::Kernel {
 public:
  explicit DiskKernel(std::uint64_t seed, Disk disk = {});

  // What a power cut at this moment leaves; which unfinished sectors survive is random.
  Disk cut_power();
  Disk& disk() { return disk_; }

  // While held, operations are accepted but none completes.
  void hold(bool held) { held_ = held; }
  [[nodiscard]] std::size_t pending() const { return pending_.size(); }
  // Asked for each write; a negative errno makes it fail after some of it reached the disk.
  std::function<int(const std::string& path, std::uint64_t offset, std::size_t length)> write_fault;
  std::function<int(const std::string& path)> allocate_fault;
  std::int64_t free_bytes = std::int64_t{1} << 40;
  bool refuse_direct = false;
  std::uint64_t writes = 0;

  int enable() override { return 0; }
  int enter(unsigned wait_for, Duration timeout) override;
  [[nodiscard]] int wake_descriptor() const override { return wake_fd; }
  void wake() override {}
  ring::Clocks clocks() override { return {now_, WallTime(std::chrono::milliseconds(1))}; }
  Random::Seed random_seed() override { return Random::seed_from(random_()); }
  io_uring_buf_ring* register_buffer_ring(unsigned entries, unsigned group) override;
  int socket(int, int) override { return -ENOSYS; }
  int bind(int, const sockaddr*, socklen_t) override { return -ENOSYS; }
  int listen(int, int) override { return -ENOSYS; }
  int set_socket_option(int, int, int, int) override { return -ENOSYS; }
  int local_address(int, sockaddr_storage&) override { return -ENOSYS; }
  int peer_address(int, sockaddr_storage&) override { return -ENOSYS; }
  int shutdown(int) override { return -ENOSYS; }
  int close(int) override { return -ENOSYS; }
  int make_directory(const std::string&) override { return 0; }
  int list_directory(const std::string& path, std::vector<std::string>& names) override;
  int lock_file(const std::string&) override { return -ENOSYS; }
  std::int64_t file_size(int fd) override;
  std::int64_t free_space(const std::string&) override { return free_bytes; }

  [[nodiscard]] std::size_t open_files() const { return open_.size(); }

 private:
  static constexpr int wake_fd = 3;
  static constexpr unsigned entries = 256;
  struct Open {
    std::string path;
    std::shared_ptr<DiskFile> file;  // null = a directory
  };
  struct Pending {
    std::uint64_t user_data;
    int result;
    std::function<void()> completion;
  };

  void submit(const io_uring_sqe& sqe);
  Pending perform(const io_uring_sqe& sqe);
  int open_file(const std::string& path, int flags);
  Pending write(const io_uring_sqe& sqe, Open& open);
  int read(const io_uring_sqe& sqe, const Open& open);
  Pending sync(const Open& open);
  void complete(std::size_t which);

  Random random_;
  Disk disk_;
  Disk names_;  // what the directory holds durably
  std::map<int, Open> open_;
  int next_fd_ = 10;
  std::vector<Pending> pending_;
  bool held_ = false;
  Instant now_{};
  unsigned sq_head_ = 0, cq_head_ = 0, cq_tail_ = 0, zero_ = 0;
  std::vector<io_uring_sqe> sqes_;
  std::vector<io_uring_cqe> cqes_;
  std::vector<io_uring_buf> buffers_;
};

}  // namespace ringpost::spool
