#include "ringpost/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace ringpost {

void check_failed(std::string_view what, std::source_location where) {
  std::fprintf(stderr, "ringpost: check failed: %.*s (%s:%u, %s)\n", static_cast<int>(what.size()),
               what.data(), where.file_name(), where.line(), where.function_name());
  std::abort();
}

}  // namespace ringpost
