// Our daemon in the simulated world: all its shards on one host, started as the daemon starts them,
// and crashed or drained at will. What is under test is the real thing from the shards down.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ringpost/shard/shard.h"
#include "sim/sim_kernel.h"
#include "sim/sim_world.h"

namespace ringpost::sim {

class MailRelay {
 public:
  // `settings` are "key=value", as on the daemon's command line, on top of defaults for this world.
  MailRelay(SimWorld& world, const IpAddress& address, const Endpoint& name_server,
            std::uint32_t shards, const std::vector<std::string>& settings = {});
  ~MailRelay();

  void start();
  // False if it took longer than `longest`.
  bool start_and_wait(Duration longest = 1min);
  void crash(Crash kind);
  // An orderly end; false if it did not end in time.
  bool drain(Duration longest = 10min);

  // Gives every shard these settings on top of the defaults, as the daemon does on HUP.
  void reload(const std::vector<std::string>& settings,
              std::shared_ptr<const mail::SuppressionList> suppressed = nullptr);

  bool behind_proxy = false;            // clients come with a header of the PROXY protocol
  shard::DescriptorShares descriptors;  // of each shard, from the next start on

  [[nodiscard]] bool running() const { return !workers_.empty(); }
  [[nodiscard]] bool ready() const { return ready_; }
  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
  [[nodiscard]] SimHost& host() { return host_; }
  [[nodiscard]] shard::Shard& shard(std::size_t number) { return *workers_[number]->shard; }
  [[nodiscard]] SimKernel& kernel(std::size_t number) { return *workers_[number]->kernel; }
  [[nodiscard]] std::uint32_t shards() const { return shards_; }
  void set_shards(std::uint32_t shards) { shards_ = shards; }  // from the next start on
  // The event log as it stands.
  [[nodiscard]] std::string events() const;

 private:
  struct Worker {
    std::unique_ptr<SimKernel> kernel;
    std::unique_ptr<shard::Shard> shard;
    std::unique_ptr<ring::Gate> gate;
    bool recovered = false;
    bool began = false;
  };

  ring::Task<void> live(Worker& worker);
  [[nodiscard]] std::vector<std::uint32_t> adopted_by(std::uint32_t number);
  [[nodiscard]] config::Loaded load(const std::vector<std::string>& settings) const;

  SimWorld& world_;
  SimHost& host_;
  Endpoint endpoint_;
  Endpoint name_server_;
  std::uint32_t shards_;
  std::vector<std::string> settings_;
  config::Loaded configuration_;
  std::unique_ptr<shard::PostOffice> post_;
  std::vector<std::unique_ptr<Worker>> workers_;
  intake::HandOvers hand_overs_;
  std::uint32_t most_shards_ = 0;  // ever
  bool ready_ = false;
};

}  // namespace ringpost::sim
