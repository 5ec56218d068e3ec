#include "sim/sim_world.h"

#include <algorithm>
#include <utility>

#include "ringpost/base/check.h"
#include "sim/sim_kernel.h"

namespace ringpost::sim {

SimWorld::SimWorld(std::uint64_t seed)
    : random_(Random::seed_from(seed)), network_(clock_, random_) {}

SimWorld::~SimWorld() {
  check(kernels_.empty(), "a kernel outlives its world");
}

SimHost& SimWorld::add_host(std::string name, const std::vector<IpAddress>& addresses) {
  return *hosts_.emplace_back(std::make_unique<SimHost>(*this, std::move(name), addresses));
}

IpAddress SimWorld::address(const std::string& text) {
  const auto parsed = IpAddress::parse(text);
  check(parsed.has_value(), "no address");
  return *parsed;
}

bool SimWorld::run_until(const Condition& done, Duration longest) {
  for (SimKernel* const kernel : kernels_) {
    kernel->rouse();  // the test may have given its coroutines something to do
  }
  return wait(done, clock_.now() + longest);
}

void SimWorld::run_for(Duration duration) {
  run_until([] { return false; }, duration);
}

Instant SimWorld::next_moment() const {
  Instant next = clock_.next();
  for (const SimKernel* const kernel : kernels_) {
    next = std::min(next, kernel->turn_due());
  }
  return next;
}

bool SimWorld::turn_one() {
  runnable_.clear();
  for (SimKernel* const kernel : kernels_) {
    if (kernel->turn_due() <= clock_.now()) {
      runnable_.push_back(kernel);
    }
  }
  if (runnable_.empty()) {
    return false;
  }
  SimKernel& kernel = *runnable_[random_.below(runnable_.size())];
  // A turn takes time, so that what spins for ever is found by the clock.
  clock_.move_to(clock_.now() + between(random_, 1us, 8us));
  turning_ = true;
  kernel.turn();
  turning_ = false;
  return true;
}

bool SimWorld::wait(const Condition& done, Instant deadline) {
  while (true) {
    clock_.run_due();
    if (done()) {
      return true;
    }
    if (clock_.now() >= deadline) {
      return false;
    }
    if (!turn_one()) {
      clock_.move_to(std::min(next_moment(), deadline));
    }
  }
}

}  // namespace ringpost::sim
