// What the operator holds back, by name. One object a shard, changed by control's Operator; queue
// groups and messages look names up in it. Pure.
#pragma once

#include <cstddef>
#include <functional>
#include <set>
#include <string>

namespace ringpost::queue {

struct Holds {
  static constexpr std::size_t most = 1000;  // of all kinds together

  using Names = std::set<std::string, std::less<>>;
  Names groups;
  Names destinations;  // lower case
  Names jobs;

  [[nodiscard]] std::size_t size() const {
    return groups.size() + destinations.size() + jobs.size();
  }
  bool operator==(const Holds&) const = default;
};

}  // namespace ringpost::queue
