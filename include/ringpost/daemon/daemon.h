// The process: one thread a shard, signals, and how they start and end together. Everything that
// concerns a message is in the shards.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "ringpost/base/result.h"
#include "ringpost/config/load.h"
#include "ringpost/daemon/service_manager.h"
#include "ringpost/ring/linux_kernel.h"
#include "ringpost/shard/shard.h"
#include "ringpost/spool/spool_lock.h"

namespace ringpost::daemon {

class Daemon {
 public:
  explicit Daemon(config::Loaded configuration);
  ~Daemon();

  // Runs until a signal ends it. Returns the exit code; errors are printed.
  int run();

 private:
  struct Worker {
    std::unique_ptr<ring::LinuxKernel> kernel;
    std::unique_ptr<shard::Shard> shard;
    std::vector<int> listeners;
    Result<> recovered;
    std::vector<spool::PartKey> on_their_way;
    std::thread thread;
  };

  Result<> prepare();
  Result<> open_listeners();
  void work(Worker& worker);
  ring::Task<void> live(Worker& worker);
  // Blocks the shard's thread, which has nothing to do yet: until all have recovered.
  void wait_for_go(Worker& worker, Result<> recovered);
  Result<> wait_for_recovery();
  void print_ready() const;
  int next_signal(const sigset_t& signals);
  void watch_signals();

  config::Loaded configuration_;
  ServiceManager service_manager_;
  std::vector<spool::SpoolLock> lock_;  // one, once taken
  std::unique_ptr<shard::PostOffice> post_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<Endpoint> listening_;
  std::vector<spool::PartKey> on_their_way_;
  Instant started_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint32_t recovered_ = 0;
  std::uint32_t ended_ = 0;
  bool go_ = false;
};

}  // namespace ringpost::daemon
