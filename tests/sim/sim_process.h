// A process of one thread on a simulated host: a kernel, the reactor on it, and a gate for what
// runs there. For tests; the world turns it from its birth to its death or to the crash of its
// host.
#pragma once

#include <utility>

#include "ringpost/base/check.h"
#include "ringpost/ring/reactor.h"
#include "sim/sim_kernel.h"
#include "sim/sim_world.h"

namespace ringpost::sim {

class SimProcess {
 public:
  explicit SimProcess(SimHost& host,
                      const ring::ReactorSettings& settings = {.receive_buffers = 64})
      : kernel(host), reactor(kernel, settings), gate(reactor.ready()), world_(host.world()) {
    check(reactor.start().has_value(), "a simulated kernel refused to start");
    kernel.drive(&reactor);
  }

  void spawn(ring::Task<void> task) {
    reactor.turn(Duration::zero());  // the task shall find the time as it is now
    gate.spawn(std::move(task));
    kernel.rouse();
  }
  // Runs the world until everything that was spawned here has ended; false if it takes longer.
  bool finish(Duration longest = std::chrono::hours(1)) {
    return world_.run_until([this] { return gate.running() == 0; }, longest);
  }
  bool run(ring::Task<void> task, Duration longest = std::chrono::hours(1)) {
    spawn(std::move(task));
    return finish(longest);
  }

  SimKernel kernel;
  ring::Reactor reactor;
  ring::Gate gate;

 private:
  SimWorld& world_;
};

}  // namespace ringpost::sim
