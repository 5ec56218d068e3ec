// "Did you mean …?": the known name nearest to a mistyped one. Called by the loader. Pure.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace ringpost::config {

// How many letters must be inserted, removed, replaced or swapped with their neighbour.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

// Empty where nothing is near: more than a third of the letters would have to change. The first of
// several equally near ones.
[[nodiscard]] std::string nearest_name(std::string_view mistyped,
                                       std::span<const std::string_view> known);

// The same for keys with their table: a key of the right name in another table counts as near.
[[nodiscard]] std::string nearest_key(std::string_view mistyped,
                                      std::span<const std::string_view> known);

}  // namespace ringpost::config
