// The list of all keys, as text: what exists, of which type, with which default, and what is known
// but not supported in this version. Read by the loader for its suggestions and by the test that
// compares it with docs/OPERATING.md.
#pragma once

#include <string_view>
#include <vector>

namespace ringpost::config {

struct KeyText {
  // "spool.directory"; in arrays of tables "queue_group.rate".
  std::string_view name;
  // string, number, size, duration, rate, endpoint, endpoints, networks, host, hosts, domain,
  // domains
  std::string_view type;
  // Of a bare number: s, m, d, bytes; empty where the type has none.
  std::string_view unit;
  // As TOML; in words, in parentheses, where it depends on other settings or the machine.
  std::string_view default_value;
};

[[nodiscard]] std::vector<KeyText> all_keys();

// Keys of the contract that have no effect yet: named in an error, never silently accepted.
// "NAME.*" stands for a whole table.
[[nodiscard]] std::vector<std::string_view> unsupported_keys();

}  // namespace ringpost::config
