// Errors as values. Used where something outside the program can be wrong: input, disk, peers.
// Hot paths that speak to the kernel keep its own convention (an int, negative errno) instead.
#pragma once

#include <expected>
#include <string>

namespace ringpost {

struct Error {
  std::string message;   // what is wrong and where, without a trailing full stop
  std::string remedy;    // what the operator can do about it; empty where nothing is known
  int system_errno = 0;  // the errno behind it, 0 if none

  // One line: message, errno text if any, remedy if any.
  [[nodiscard]] std::string describe() const;
};

template <class T = void>
using Result = std::expected<T, Error>;

using Failure = std::unexpected<Error>;

[[nodiscard]] Failure fail(std::string message, std::string remedy = {});
// `errno_value` may be given as errno or as io_uring's negative result.
[[nodiscard]] Failure fail_errno(int errno_value, std::string message, std::string remedy = {});

}  // namespace ringpost
