#include "harness/process_tree.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <unordered_map>

#include "ringpost/base/text.h"

namespace ringpost::bench {
namespace {

struct Stat {
  pid_t parent = 0;
  std::uint64_t ticks = 0;
};

// proc(5): the name, in round brackets, may hold anything; fields are counted behind it.
std::optional<Stat> stat_of(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  if (!std::getline(file, text)) {
    return std::nullopt;
  }
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) {
    return std::nullopt;
  }
  std::istringstream rest(text.substr(name_end + 1));
  std::string state;
  Stat stat;
  rest >> state >> stat.parent;
  std::string skipped;
  for (int field = 5; field < 14; ++field) {
    rest >> skipped;
  }
  for (int field = 14; field < 18; ++field) {  // utime, stime, and those of ended children
    std::uint64_t ticks = 0;
    rest >> ticks;
    stat.ticks += ticks;
  }
  return stat;
}

}  // namespace

std::vector<pid_t> tree_of(pid_t root) {
  std::unordered_map<pid_t, std::vector<pid_t>> children;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::optional<std::uint64_t> pid = parse_number(entry.path().filename().string());
    if (!pid) {
      continue;
    }
    if (const std::optional<Stat> stat = stat_of(static_cast<pid_t>(*pid))) {
      children[stat->parent].push_back(static_cast<pid_t>(*pid));
    }
  }
  std::vector<pid_t> tree = {root};
  for (std::size_t i = 0; i < tree.size(); ++i) {
    const std::vector<pid_t>& added = children[tree[i]];
    tree.insert(tree.end(), added.begin(), added.end());
  }
  return tree;
}

Duration cpu_time_of(const std::vector<pid_t>& processes) {
  std::uint64_t ticks = 0;
  for (const pid_t pid : processes) {
    ticks += stat_of(pid).value_or(Stat()).ticks;
  }
  static const long per_second = ::sysconf(_SC_CLK_TCK);
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(static_cast<double>(ticks) / static_cast<double>(per_second)));
}

std::uint64_t pss_of(const std::vector<pid_t>& processes) {
  std::uint64_t kib = 0;
  for (const pid_t pid : processes) {
    std::ifstream file(fmt::format("/proc/{}/smaps_rollup", pid));
    std::string line;
    while (std::getline(file, line)) {
      if (line.starts_with("Pss:")) {
        const std::string_view value = trim(std::string_view(line).substr(4));
        kib += parse_number(value.substr(0, value.find(' '))).value_or(0);
      }
    }
  }
  return kib * 1024;
}

}  // namespace ringpost::bench
