// A simulated world: hosts, the network between them, one clock, one seed. It turns every reactor
// in one thread, in an order drawn from the seed; when none can go on it moves the clock to the
// next thing that happens. The same seed gives the same run, to which trace() attests.
// To use it: add a host, put a SimProcess (a kernel and its reactor) on it, spawn coroutines there,
// and run the world until a condition holds. A reactor that is run by hand (Reactor::run) waits in
// its kernel's enter(), which turns all others.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ringpost/base/random.h"
#include "sim/sim_clock.h"
#include "sim/sim_host.h"
#include "sim/sim_network.h"

namespace ringpost::sim {

// A hash of everything that happened, in order.
class Trace {
 public:
  void note(std::uint64_t what, std::uint64_t how) {
    for (const std::uint64_t value : {what, how}) {
      hash_ = (hash_ ^ value) * 0x9e37'79b9'7f4a'7c15ULL;
      hash_ ^= hash_ >> 29;
    }
    ++events_;
  }
  [[nodiscard]] std::uint64_t hash() const { return hash_; }
  [[nodiscard]] std::uint64_t events() const { return events_; }

 private:
  std::uint64_t hash_ = 0x1234'5678'9abc'def1ULL;
  std::uint64_t events_ = 0;
};

class SimWorld {
 public:
  explicit SimWorld(std::uint64_t seed);
  SimWorld(const SimWorld&) = delete;
  SimWorld& operator=(const SimWorld&) = delete;
  ~SimWorld();

  [[nodiscard]] SimClock& clock() { return clock_; }
  [[nodiscard]] Random& random() { return random_; }
  [[nodiscard]] SimNetwork& network() { return network_; }
  [[nodiscard]] const SimNetwork& network() const { return network_; }
  [[nodiscard]] Trace& trace() { return trace_; }
  SimHost& add_host(std::string name, const std::vector<IpAddress>& addresses);
  // An address in a documentation or private range, for tests.
  [[nodiscard]] static IpAddress address(const std::string& text);

  using Condition = std::function<bool()>;
  // Turns the world until `done`, at most `longest` of its time; whether it is done.
  bool run_until(const Condition& done, Duration longest);
  void run_for(Duration duration);

  // For kernels.
  void add_kernel(SimKernel& kernel) { kernels_.push_back(&kernel); }
  void remove_kernel(SimKernel& kernel) { std::erase(kernels_, &kernel); }
  // Whether a kernel is asked in the course of a turn that the world gave.
  [[nodiscard]] bool turning() const { return turning_; }
  // Until `done` or the deadline; the caller is no driven reactor, or outside of its turn.
  bool wait(const Condition& done, Instant deadline);

 private:
  bool turn_one();
  [[nodiscard]] Instant next_moment() const;

  Random random_;
  SimClock clock_;
  SimNetwork network_;
  Trace trace_;
  std::vector<std::unique_ptr<SimHost>> hosts_;
  std::vector<SimKernel*> kernels_;
  std::vector<SimKernel*> runnable_;
  bool turning_ = false;
};

}  // namespace ringpost::sim
