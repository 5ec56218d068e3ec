#include "ringpost/base/result.h"

#include <fmt/format.h>

#include <cstdlib>
#include <system_error>
#include <utility>

namespace ringpost {

std::string Error::describe() const {
  std::string text = message;
  if (system_errno != 0) {
    text +=
        fmt::format(": {} (errno {})", std::generic_category().message(system_errno), system_errno);
  }
  if (!remedy.empty()) {
    text += "; " + remedy;
  }
  return text;
}

Failure fail(std::string message, std::string remedy) {
  return Failure(Error{std::move(message), std::move(remedy), 0});
}

Failure fail_errno(int errno_value, std::string message, std::string remedy) {
  return Failure(Error{std::move(message), std::move(remedy), std::abs(errno_value)});
}

}  // namespace ringpost
