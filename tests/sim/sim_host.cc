#include "sim/sim_host.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "sim/sim_kernel.h"
#include "sim/sim_world.h"

namespace ringpost::sim {

SimHost::SimHost(SimWorld& world, std::string name, const std::vector<IpAddress>& addresses)
    : world_(world), name_(std::move(name)), addresses_(addresses), disk_(world.random()) {
  for (const IpAddress& address : addresses) {
    world.network().add_address(address, *this);
  }
}

IpAddress SimHost::address(IpAddress::Family family) const {
  const auto found = std::ranges::find(addresses_, family, &IpAddress::family);
  return found == addresses_.end() ? IpAddress::any(family) : *found;
}

int SimHost::descriptors_open() const {
  return static_cast<int>(std::ranges::count(descriptors_, false, &Descriptor::empty));
}

// The lowest free number, as in POSIX, so that a stale one soon means something else.
int SimHost::add_descriptor(Descriptor descriptor) {
  auto at = std::ranges::find(descriptors_, true, &Descriptor::empty);
  if (static_cast<int>(at - descriptors_.begin()) + first_descriptor >= most_descriptors) {
    return -EMFILE;
  }
  if (at == descriptors_.end()) {
    at = descriptors_.emplace(at);
  }
  *at = std::move(descriptor);
  return static_cast<int>(at - descriptors_.begin()) + first_descriptor;
}

SimHost::Descriptor* SimHost::descriptor(int fd) {
  const auto index = static_cast<std::size_t>(fd - first_descriptor);
  if (fd < first_descriptor || index >= descriptors_.size() || descriptors_[index].empty()) {
    return nullptr;
  }
  return &descriptors_[index];
}

int SimHost::close_descriptor(int fd) {
  Descriptor* const found = descriptor(fd);
  if (found == nullptr) {
    return -EBADF;
  }
  const Descriptor closing = std::exchange(*found, {});
  if (closing.holds_lock) {
    closing.file->locked = false;
  }
  if (closing.socket != nullptr) {
    closing.socket->descriptor_closed();
  }
  return 0;
}

void SimHost::crash(Crash crash) {
  world_.trace().note(0xc4a5, static_cast<std::uint64_t>(crash));
  for (SimKernel* const kernel : kernels_) {
    kernel->crash(crash);
  }
  for (Descriptor& descriptor : descriptors_) {
    const Descriptor closing = std::exchange(descriptor, {});
    if (closing.holds_lock) {
      closing.file->locked = false;
    }
    if (closing.socket == nullptr) {
      continue;
    }
    if (crash == Crash::power_cut) {
      closing.socket->vanish();
    } else {
      closing.socket->descriptor_closed();
    }
  }
  if (crash == Crash::power_cut) {
    disk_.power_cut();
  }
}

}  // namespace ringpost::sim
