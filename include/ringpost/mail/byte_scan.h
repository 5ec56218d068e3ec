// What a text is made of, in one pass at memory speed. Called for each piece of each message's
// content, so it must cost next to nothing; it never says where, only how many or whether.
#pragma once

#include <cstddef>
#include <string_view>

namespace ringpost::mail {

struct ByteSummary {
  std::size_t carriage_returns = 0;
  bool nul = false;
  bool eight_bit = false;  // a byte above 127
};

[[nodiscard]] ByteSummary summarize_bytes(std::string_view text);

[[nodiscard]] bool has_eight_bit(std::string_view text);

}  // namespace ringpost::mail
