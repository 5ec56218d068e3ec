#include "harness/domains.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>

#include "ringpost/base/check.h"
#include "ringpost/base/text.h"

namespace ringpost::bench {
namespace {

// The finalizer of SplitMix64: neighbouring numbers become independent ones.
std::uint64_t mix(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15ULL;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

double fraction(std::uint64_t value) {
  return static_cast<double>(value >> 11) * 0x1.0p-53;
}

}  // namespace

Domains::Domains(std::vector<std::string> names, const std::vector<double>& weights,
                 std::uint64_t seed)
    : names_(std::move(names)), seed_(mix(seed)) {
  check(!names_.empty() && names_.size() == weights.size(), "a mix needs domains and weights");
  double total = 0;
  for (const double weight : weights) {
    total += weight;
  }
  double sum = 0;
  for (const double weight : weights) {
    sum += weight;
    up_to_.push_back(sum / total);
  }
  up_to_.back() = 1;
}

Domains Domains::long_tailed(std::size_t count, std::uint64_t seed) {
  std::vector<std::string> names;
  std::vector<double> weights;
  for (std::size_t k = 0; k < count; ++k) {
    names.push_back(fmt::format("d{}.test", k));
    weights.push_back(1.0 / static_cast<double>(k + 1));
  }
  return Domains(std::move(names), weights, seed);
}

Result<Domains> Domains::from_file(const std::string& path, std::uint64_t seed) {
  std::ifstream file(path);
  if (!file) {
    return fail(fmt::format("cannot read the domains of {}", path));
  }
  std::vector<std::string> names;
  std::vector<double> weights;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const std::string_view text = trim(line);
    if (text.empty() || text.front() == '#') {
      continue;
    }
    const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
    const std::string_view weight = trim(text.substr(end));
    double value = 1;
    if (!weight.empty()) {
      const char* const last = weight.data() + weight.size();
      const auto [stop, error] = std::from_chars(weight.data(), last, value);
      if (error != std::errc() || stop != last || !(value > 0)) {
        return fail(fmt::format("{}:{}: '{}' is no weight", path, number, weight));
      }
    }
    names.emplace_back(text.substr(0, end));
    weights.push_back(value);
  }
  if (names.empty()) {
    return fail(fmt::format("{} names no domain", path));
  }
  return Domains(std::move(names), weights, seed);
}

std::string_view Domains::of_recipient(std::uint64_t serial) const {
  const double at = fraction(mix(seed_ ^ serial));
  const auto found = std::upper_bound(up_to_.begin(), up_to_.end(), at);
  return names_[static_cast<std::size_t>(std::min(found, up_to_.end() - 1) - up_to_.begin())];
}

}  // namespace ringpost::bench
