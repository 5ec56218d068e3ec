// The simulated kernel behind the seam: io_uring played over ordinary arrays, for one thread of a
// simulated host. Deterministic from the world's seed. Completions come at simulated moments, in
// any order that a real kernel could choose.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ringpost/ring/kernel.h"
#include "ringpost/ring/reactor.h"
#include "sim/sim_host.h"
#include "sim/sim_operation.h"

namespace ringpost::sim {

struct SimKernelSettings {
  unsigned submission_entries = 256;  // powers of two
  unsigned completion_entries = 1024;
};

class SimKernel final : public ring::Kernel {
 public:
  explicit SimKernel(SimHost& host, const SimKernelSettings& settings = {});
  ~SimKernel() override;

  // What each request of this thread to the disk takes longer.
  Duration disk_delay{};

  // The world turns this reactor from now on; null = no more.
  void drive(ring::Reactor* reactor);

  // Kernel.
  int enable() override { return 0; }
  int enter(unsigned wait_for, Duration timeout) override;
  [[nodiscard]] int wake_descriptor() const override { return wake_fd_; }
  void wake() override;
  ring::Clocks clocks() override;
  Random::Seed random_seed() override;
  io_uring_buf_ring* register_buffer_ring(unsigned entries, unsigned group) override;
  int socket(int family, int type) override;
  int bind(int fd, const sockaddr* address, socklen_t length) override;
  int listen(int fd, int backlog) override;
  int set_socket_option(int fd, int level, int name, int value) override;
  int local_address(int fd, sockaddr_storage& address) override;
  int peer_address(int fd, sockaddr_storage& address) override;
  int shutdown(int fd) override;
  int close(int fd) override;
  int make_directory(const std::string& path) override;
  int list_directory(const std::string& path, std::vector<std::string>& names) override;
  int lock_file(const std::string& path) override;
  std::int64_t file_size(int fd) override;
  std::int64_t free_space(const std::string& path) override;

  // For the world.
  [[nodiscard]] Instant turn_due() const;
  void rouse() { sleeps_until_ = Instant::min(); }
  void turn();
  void crash(Crash crash);

  // For what completes requests.
  void complete(const OperationPointer& operation, int result, std::uint32_t flags = 0);
  // Where a receive may write; null when the ring of buffers is empty.
  char* receive_buffer(const SimOperation& operation, std::size_t& length, std::uint32_t& flags);
  void recycle_buffer() { --buffers_head_; }  // the last one given out was not used
  [[nodiscard]] std::size_t operations_in_flight() const { return operations_.size(); }

 private:
  // Submission (sim_requests.cc).
  void submit();
  void start(const OperationPointer& operation);
  void start_on_socket(const OperationPointer& operation);
  void start_on_path(const OperationPointer& operation);
  void start_on_file(const OperationPointer& operation);
  void start_write(const OperationPointer& operation, const SimHost::Descriptor& descriptor);
  void start_sync(const OperationPointer& operation, const FilePointer& file);
  void read_file(const OperationPointer& operation, const FilePointer& file);
  void write_file(const OperationPointer& operation, std::string_view bytes);
  void start_cancel(const OperationPointer& operation);
  int cancel(std::uint64_t user_data);
  void after_disk(const OperationPointer& operation, std::size_t bytes,
                  std::function<void()> action);
  void read_wake_count();
  void tear(const SimOperation& operation);
  void forget(Crash crash);

  void flush_completions();
  [[nodiscard]] bool completions_ready() const { return cq_head_ != cq_tail_ || !posted_.empty(); }
  SimSocket* socket_of(int fd);

  SimHost& host_;
  SimWorld& world_;
  ring::Reactor* driven_ = nullptr;
  bool crashed_ = false;
  bool waiting_ = false;
  bool asleep_ = false;    // between two turns
  bool awakened_ = false;  // in a turn that ends a sleep
  Instant sleeps_until_ = Instant::min();

  std::vector<io_uring_sqe> sqes_;
  std::vector<io_uring_cqe> cqes_;
  std::vector<unsigned> sq_array_;
  unsigned sq_head_ = 0;
  unsigned sq_tail_ = 0;
  unsigned sq_flags_ = 0;
  unsigned cq_head_ = 0;
  unsigned cq_tail_ = 0;

  std::multimap<std::uint64_t, OperationPointer> operations_;  // by user_data
  std::vector<io_uring_cqe> posted_;                           // not yet in the completion queue

  struct BufferRing;
  std::unique_ptr<BufferRing> buffers_;
  std::uint16_t buffers_head_ = 0;

  int wake_fd_ = -1;
  std::uint64_t wake_count_ = 0;
  OperationPointer wake_read_;
};

}  // namespace ringpost::sim
