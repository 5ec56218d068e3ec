#include "ringpost/config/suggest.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace ringpost::config {
namespace {

// Longer names are no slip of the pen, and the distance costs the product of the lengths.
constexpr std::size_t max_length = 100;

std::string_view last_part(std::string_view key) {
  return key.substr(key.rfind('.') + 1);
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) {
    row[j] = j;
  }
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::swap(before_last, last);
    std::swap(last, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

std::string nearest_name(std::string_view mistyped, std::span<const std::string_view> known) {
  if (mistyped.size() > max_length) {
    return {};
  }
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(1, mistyped.size() / 3) + 1;
  for (const std::string_view name : known) {
    const auto [shorter, longer] = std::minmax({mistyped.size(), name.size()});
    if (longer - shorter >= best_distance) {
      continue;  // as far apart as that at least
    }
    const std::size_t distance = edit_distance(mistyped, name);
    if (distance < best_distance) {
      best = name;
      best_distance = distance;
    }
  }
  return std::string(best);
}

std::string nearest_key(std::string_view mistyped, std::span<const std::string_view> known) {
  for (const std::string_view name : known) {
    if (last_part(name) == last_part(mistyped)) {
      return std::string(name);
    }
  }
  // Within the same table first: there the table's name must not make everything look alike.
  const std::string_view table = mistyped.substr(0, mistyped.size() - last_part(mistyped).size());
  std::vector<std::string_view> siblings;
  for (const std::string_view name : known) {
    if (!table.empty() && name.starts_with(table)) {
      siblings.push_back(name.substr(table.size()));
    }
  }
  const std::string sibling = nearest_name(mistyped.substr(table.size()), siblings);
  return sibling.empty() ? nearest_name(mistyped, known) : std::string(table) + sibling;
}

}  // namespace ringpost::config
