// The process: one thread a shard, signals, and how they start and end together. Everything that
// concerns a message is in the shards.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "ringpost/base/result.h"
#include "ringpost/config/load.h"
#include "ringpost/daemon/privileges.h"
#include "ringpost/daemon/reload.h"
#include "ringpost/daemon/service_manager.h"
#include "ringpost/daemon/tls_setup.h"
#include "ringpost/ring/linux_kernel.h"
#include "ringpost/shard/shard.h"
#include "ringpost/spool/spool_lock.h"

namespace ringpost::daemon {

class Daemon {
 public:
  // `source` is where the configuration came from, for reloads; `tls` has a pair for each shard.
  // `account` is whom to become once the ports are bound.
  Daemon(Configuration configuration, ConfigurationSource source, std::vector<ShardTls> tls,
         std::optional<Account> account = std::nullopt);
  ~Daemon();

  // Runs until a signal ends it. Returns the exit code; errors are printed.
  int run();

 private:
  struct Worker {
    std::unique_ptr<ring::LinuxKernel> kernel;
    std::unique_ptr<shard::Shard> shard;
    std::vector<int> listeners;
    std::vector<int> proxied_listeners;
    Result<> recovered;
    intake::HandOvers hand_overs;
    std::thread thread;
  };

  // All that may need root, then what must not be done as root.
  Result<> prepare();
  Result<> make_shards();
  Result<> bind_listeners();
  Result<> open_listeners();
  // On every shard; with the port that a port of 0 became.
  Result<Endpoint> bind_listener(Endpoint endpoint, std::vector<int> Worker::* into);
  void work(Worker& worker);
  ring::Task<void> live(Worker& worker);
  // Blocks the shard's thread, which has nothing to do yet: until all have recovered.
  void wait_for_go(Worker& worker, Result<> recovered);
  Result<> wait_for_recovery();
  // `metrics` is JSON: where they are served.
  void print_ready(const std::string& metrics) const;
  int next_signal(const sigset_t& signals);
  void watch_signals();
  // Reads everything again and gives it to the shards, or says why not.
  void reload();
  // False where a shard does not take it.
  bool give_to_shards(const Configuration& configuration);

  // What the daemon started with, which every thread may read; and what the shards were given
  // last, the main thread's alone.
  const config::Loaded configuration_;
  Configuration running_;
  ConfigurationSource source_;
  std::uint32_t given_rounds_ = 0;
  std::optional<Account> account_;
  std::vector<ShardTls> tls_;  // until the shards have them
  ServiceManager service_manager_;
  std::vector<spool::SpoolLock> lock_;  // one, once taken
  std::unique_ptr<shard::PostOffice> post_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<Endpoint> listening_;
  std::vector<Endpoint> listening_to_proxies_;
  intake::HandOvers hand_overs_;  // of all shards
  Instant started_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint32_t recovered_ = 0;
  std::uint32_t ended_ = 0;
  bool go_ = false;
};

}  // namespace ringpost::daemon
