// A certificate made on the spot, for servers that play a part in a measurement or a test. Nobody
// need trust it.
#pragma once

#include <string>

namespace ringpost::bench {

struct SelfSigned {
  std::string certificate;  // PEM
  std::string key;
};

// P-256, good for a day, in the name of `host`.
[[nodiscard]] SelfSigned make_self_signed(const std::string& host);

}  // namespace ringpost::bench
