// Addresses and domains that get no mail, as one immutable, compact table: the text of the file
// once, and four bytes a slot. Made off the shards' threads, shared by them, replaced as a whole;
// looked up for each recipient. (pure)
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/base/result.h"

namespace ringpost::mail {

class SuppressionList {
 public:
  static constexpr std::size_t longest_text = std::size_t{1} << 30;  // bytes of the file

  // One entry a line: an address, or a domain (`example.com` or `@example.com`), which stands for
  // all of its addresses but not for the domains below it. Empty lines and what follows a `#` at
  // the start of a line are comments; case does not matter. The error names `file`, the line, and
  // how many bad lines there are.
  static Result<SuppressionList> parse(std::string text, const std::string& file);

  [[nodiscard]] bool contains(std::string_view address) const;
  [[nodiscard]] bool empty() const { return entries_ == 0; }
  [[nodiscard]] std::size_t entries() const { return entries_; }
  [[nodiscard]] std::size_t bytes() const {
    return text_.capacity() + slots_.capacity() * sizeof(slots_[0]);
  }

 private:
  static constexpr std::uint32_t free_slot = 0xffff'ffff;

  [[nodiscard]] std::string_view entry_at(std::uint32_t offset) const;
  // The slot that holds `entry`, or the free one where it belongs.
  [[nodiscard]] std::size_t slot_of(std::string_view entry) const;
  [[nodiscard]] bool holds(std::string_view entry) const;

  std::string text_;                  // lower case; entries end in a line feed
  std::vector<std::uint32_t> slots_;  // offsets into it; a power of two
  std::size_t entries_ = 0;
};

}  // namespace ringpost::mail
