// Assertions that stay on in production. A failed check is a programmer's error, never a peer's
// misbehaviour: it prints where and what, and aborts before wrong state can reach the disk.
#pragma once

#include <source_location>
#include <string_view>

namespace ringpost {

[[noreturn]] void check_failed(std::string_view what, std::source_location where);

inline void check(bool condition, std::string_view what,
                  std::source_location where = std::source_location::current()) {
  if (!condition) [[unlikely]] {
    check_failed(what, where);
  }
}

}  // namespace ringpost
