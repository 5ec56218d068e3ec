// Makes the TLS contexts that a configuration asks for, and says what is wrong with the files it
// names. Called at start and by --check-config, before privileges are dropped and before there is
// any ring.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <vector>

#include "ringpost/config/load.h"
#include "ringpost/net/tls_context.h"

namespace ringpost::daemon {

struct ShardTls {
  std::unique_ptr<net::TlsContext> server;  // null: STARTTLS is not offered
  std::unique_ptr<net::TlsContext> client;  // null: no policy wants one
};

// A pair for each shard. Problems name file, reason and remedy.
[[nodiscard]] std::expected<std::vector<ShardTls>, std::vector<config::Problem>> make_tls(
    const config::Loaded& loaded);

}  // namespace ringpost::daemon
