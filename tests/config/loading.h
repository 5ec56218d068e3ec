// What the tests of this room share: a fixed machine, and short ways to load.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "ringpost/config/load.h"

namespace ringpost::config {

inline const Environment machine{"relay.example.net", 2};

inline LoadResult load_text(std::string_view text, const std::vector<std::string>& overrides = {}) {
  return load(text, "ringpost.toml", overrides, machine);
}

inline Loaded loaded(std::string_view text, const std::vector<std::string>& overrides = {}) {
  LoadResult result = load_text(text, overrides);
  EXPECT_EQ(check_text(result), "ok\n");
  return result ? *std::move(result) : Loaded{};
}

inline std::string errors(std::string_view text, const std::vector<std::string>& overrides = {}) {
  return check_text(load_text(text, overrides));
}

}  // namespace ringpost::config
