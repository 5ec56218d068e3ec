// Makes a Config of a file's text and the command line's -O settings, or says everything that is
// wrong with them at once. Called at start-up, by --check-config and on reload. load() is pure;
// load_file() reads the one file. Neither looks at the machine: what a default needs to know about
// it comes in as Environment.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/config/config.h"

namespace ringpost::config {

struct Environment {
  std::string hostname;     // gethostname(), for identity.hostname
  std::uint32_t cores = 1;  // for shards.count = 0
};

// Where a setting was written. On the command line there are no lines.
struct Place {
  std::string file;
  std::uint32_t line = 0;
  std::uint32_t column = 0;

  bool operator==(const Place&) const = default;
};

// Where each setting comes from. Paths are those of the keys, and
//   queue_group.NAME, queue_group.NAME.KEY, queue_group.NAME.domains.PATTERN (and mx.PATTERN),
//   route.DOMAIN, destination.NAME, destination.NAME.KEY
// where NAME is "default" for all default groups.
class Origins {
 public:
  // "FILE:LINE", "command line", or "default".
  [[nodiscard]] std::string at(std::string_view path) const;
  // Nothing where the setting has its default.
  [[nodiscard]] const Place* find(std::string_view path) const;
  void set(std::string path, Place place);

 private:
  std::map<std::string, Place, std::less<>> places_;
};

struct Loaded {
  Config config;
  Origins origins;
};

struct Problem {
  Place place;             // without a file: the settings taken together are wrong
  std::string message;     // without a trailing full stop
  std::string suggestion;  // what to write instead; may be empty

  // One line: "FILE:LINE:COLUMN: message (suggestion)"
  [[nodiscard]] std::string describe() const;
  bool operator==(const Problem&) const = default;
};

// More are counted in a last Problem, not listed.
inline constexpr std::size_t max_problems = 20;

using LoadResult = std::expected<Loaded, std::vector<Problem>>;

// `overrides` are "key=value", later ones win over earlier ones and all of them over the text. A
// value is TOML, else a plain string. "queue_group.NAME.key" addresses a group that exists;
// "queue_group.default.key" the hash-spread default groups, which always do.
[[nodiscard]] LoadResult load(std::string_view text, std::string_view file,
                              std::span<const std::string> overrides,
                              const Environment& environment);
// An empty path means no file: defaults and overrides only.
[[nodiscard]] LoadResult load_file(const std::string& path, std::span<const std::string> overrides,
                                   const Environment& environment);

// What --check-config prints: a line for each problem, or "ok". Ends with a newline.
[[nodiscard]] std::string check_text(const LoadResult& result);

}  // namespace ringpost::config
