// Asks the daemon, from outside: one request over its Unix socket, waiting for the answer. For the
// command-line tool only; it blocks, so nothing on a ring may ever call it.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "ringpost/base/result.h"
#include "ringpost/base/time.h"
#include "ringpost/control/commands.h"

namespace ringpost::control {

struct Reply {
  int http_status = 0;
  std::string body;
};

struct AskError {
  enum class Kind : std::uint8_t {
    no_daemon,  // nobody listens there
    failed,     // somebody may, but it did not work
  };
  Kind kind = Kind::failed;
  Error error;
};

// `timeout` bounds each wait for the daemon, not their sum.
[[nodiscard]] std::expected<Reply, AskError> ask(const std::string& socket_path,
                                                 const Command& command, Duration timeout = 30s);

}  // namespace ringpost::control
