// The contents of a simulated file: what is read back now, and what the disk would hold if the
// power failed now.
#include <algorithm>
#include <cstring>

#include "ringpost/base/check.h"
#include "sim/sim_disk.h"

namespace ringpost::sim {
namespace {

constexpr std::size_t atom = 512;  // a torn sector is torn between such pieces

}  // namespace

std::string SimFile::sector(std::uint64_t number) const {
  const std::uint64_t from = number * sector_size;
  std::string content(sector_size, '\0');
  if (from < bytes_.size()) {
    const std::size_t length = std::min<std::size_t>(sector_size, bytes_.size() - from);
    std::memcpy(content.data(), bytes_.data() + from, length);
  }
  return content;
}

// Remembers what the disk holds of the sectors that are about to change.
void SimFile::touch(std::uint64_t offset, std::uint64_t length) {
  ++writes_;
  const std::uint64_t end = (offset + length + sector_size - 1) / sector_size;
  for (std::uint64_t number = offset / sector_size; number < end; ++number) {
    const auto [at, added] = dirty_.try_emplace(number);
    if (added) {
      at->second.durable = sector(number);
    }
    at->second.write = writes_;
    at->second.forgotten = false;
  }
}

void SimFile::write(std::uint64_t offset, std::string_view bytes) {
  if (bytes.empty()) {
    return;
  }
  touch(offset, bytes.size());
  if (bytes_.size() < offset + bytes.size()) {
    bytes_.resize(offset + bytes.size());
  }
  std::memcpy(bytes_.data() + offset, bytes.data(), bytes.size());
}

void SimFile::resize(std::uint64_t size) {
  if (size < bytes_.size()) {
    touch(size, bytes_.size() - size);
  }
  bytes_.resize(size);
}

void SimFile::sync_range(std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t end = (offset + length + sector_size - 1) / sector_size;
  for (std::uint64_t number = offset / sector_size; number < end; ++number) {
    dirty_.erase(number);
  }
  durable_size_ = std::max<std::uint64_t>(durable_size_,
                                          std::min<std::uint64_t>(offset + length, bytes_.size()));
}

SimFile::SyncPoint SimFile::sync_point() const {
  SyncPoint point{writes_, bytes_.size(), {}};
  for (const auto& [number, dirty] : dirty_) {
    if (!dirty.forgotten) {
      point.sectors.emplace(number, sector(number));
    }
  }
  return point;
}

void SimFile::synced(const SyncPoint& point) {
  for (const auto& [number, content] : point.sectors) {
    const auto at = dirty_.find(number);
    if (at == dirty_.end()) {
      continue;  // another sync was quicker
    }
    if (at->second.write <= point.writes) {
      dirty_.erase(at);
    } else {
      at->second.durable = content;
    }
  }
  durable_size_ = point.size;
}

void SimFile::sync_failed(const SyncPoint& point) {
  for (const auto& [number, content] : point.sectors) {
    const auto at = dirty_.find(number);
    if (at != dirty_.end() && at->second.write <= point.writes) {
      at->second.forgotten = true;
    }
  }
}

void SimFile::power_cut(Random& random) {
  const std::uint64_t grown = bytes_.size();
  for (const auto& [number, dirty] : dirty_) {
    const std::uint64_t from = number * sector_size;
    if (from >= bytes_.size()) {
      continue;
    }
    const std::uint64_t fate = dirty.forgotten ? 1 : random.below(3);  // kept, lost, torn
    for (std::size_t piece = 0; piece < sector_size && fate != 0; piece += atom) {
      const bool lost = fate == 1 || random.below(2) == 0;
      const std::uint64_t at = from + piece;
      if (lost && at < bytes_.size()) {
        const std::size_t length = std::min<std::size_t>(atom, bytes_.size() - at);
        std::memcpy(bytes_.data() + at, dirty.durable.data() + piece, length);
      }
    }
  }
  dirty_.clear();
  if (grown != durable_size_ && random.below(2) == 0) {
    bytes_.resize(durable_size_);
  }
  durable_size_ = bytes_.size();
}

void SimFile::rot(std::uint64_t offset, unsigned bit) {
  check(offset < bytes_.size(), "there is nothing to rot");
  bytes_[offset] = static_cast<char>(bytes_[offset] ^ static_cast<char>(1U << bit % 8));
}

}  // namespace ringpost::sim
