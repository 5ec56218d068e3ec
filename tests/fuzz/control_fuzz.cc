// Whatever comes over the control socket, cut anywhere: the reader answers within its bounds, and
// what is taken for a command survives its own URL.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "ringpost/control/commands.h"
#include "ringpost/control/http.h"

namespace {

using namespace ringpost::control;

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

void try_command(std::string_view method, std::string_view target) {
  const auto command = parse_command(method, target);
  if (!command) {
    require(command.error().http_status >= 400 && !command.error().message.empty());
    return;
  }
  const auto again = parse_command(method_of(*command), target_of(*command));
  require(again.has_value() && *again == *command);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::size_t step = data[0] % 64 + 1;
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  try_command("GET", rest);
  try_command("POST", rest);
  RequestReader whole;
  const HttpReader::Progress at_once = whole.feed(rest);
  RequestReader request;
  std::size_t used = 0;
  while (!rest.empty() && request.state() == ReadState::need_more) {
    const HttpReader::Progress progress = request.feed(rest.substr(0, step));
    require(progress.used <= step);
    used += progress.used;
    rest.remove_prefix(std::min(step, rest.size()));
  }
  require(request.state() == whole.state());
  if (request.state() == ReadState::done) {
    require(used == at_once.used && request.method() == whole.method() &&
            request.target() == whole.target() && request.body() == whole.body());
    require(request.target().size() <= max_head_bytes && request.body().size() <= max_request_body);
    try_command(request.method(), request.target());
  } else if (request.state() == ReadState::malformed) {
    require(request.fault_status() >= 400);
  }
  return 0;
}
