// A simulated machine that runs one process: its addresses, its disk, its descriptors, and a kernel
// for each of its threads. It can crash at any moment between two turns of its reactors.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ringpost/base/ip_address.h"
#include "ringpost/base/time.h"
#include "sim/sim_disk.h"
#include "sim/sim_socket.h"

namespace ringpost::sim {

class SimWorld;

enum class Crash : std::uint8_t {
  killed,     // the process ends; what it wrote stays, its connections are closed
  power_cut,  // unsynced sectors are kept, lost or torn; its connections fall silent
};

class SimHost {
 public:
  struct Descriptor {
    SocketPointer socket;
    FilePointer file;
    int flags = 0;               // as the file was opened
    SimKernel* wakes = nullptr;  // the kernel whose wake descriptor it is
    bool holds_lock = false;

    [[nodiscard]] bool empty() const {
      return socket == nullptr && file == nullptr && wakes == nullptr;
    }
  };

  SimHost(SimWorld& world, std::string name, const std::vector<IpAddress>& addresses);
  SimHost(const SimHost&) = delete;
  SimHost& operator=(const SimHost&) = delete;

  [[nodiscard]] SimWorld& world() { return world_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] SimDisk& disk() { return disk_; }
  // The one that connections leave from.
  [[nodiscard]] IpAddress address(IpAddress::Family family) const;

  // Ends the process. Its reactors are abandoned: whatever runs on them may only be destroyed.
  void crash(Crash crash);
  // Moves the calendar, not the timers.
  void step_wall_clock(Duration step) { wall_step_ += step; }
  [[nodiscard]] Duration wall_step() const { return wall_step_; }

  // -EMFILE beyond this.
  int most_descriptors = 65'536;
  [[nodiscard]] int descriptors_open() const;

  // For its kernels.
  int add_descriptor(Descriptor descriptor);
  // Null for a bad one.
  Descriptor* descriptor(int fd);
  int close_descriptor(int fd);
  void add_kernel(SimKernel& kernel) { kernels_.push_back(&kernel); }
  void remove_kernel(SimKernel& kernel) { std::erase(kernels_, &kernel); }

 private:
  static constexpr int first_descriptor = 3;

  SimWorld& world_;
  std::string name_;
  std::vector<IpAddress> addresses_;
  SimDisk disk_;
  std::vector<Descriptor> descriptors_;
  std::vector<SimKernel*> kernels_;
  Duration wall_step_{};
};

}  // namespace ringpost::sim
