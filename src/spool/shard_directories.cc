#include "ringpost/spool/shard_directories.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "ringpost/base/text.h"

namespace ringpost::spool {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view prefix = "shard-";
constexpr std::uint64_t most_shards = 128;  // more were never allowed

bool holds_segments(const fs::path& directory, std::error_code& error) {
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    if (at->path().extension() == ".segment") {
      return true;
    }
  }
  return false;
}

}  // namespace

Result<std::vector<std::uint32_t>> directories_beyond(const std::string& directory,
                                                      std::uint32_t shards) {
  std::vector<std::uint32_t> numbers;
  std::vector<std::uint32_t> found;
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (!name.starts_with(prefix)) {
      continue;
    }
    const auto number = parse_number(std::string_view(name).substr(prefix.size()));
    if (!number || *number < shards) {
      continue;
    }
    if (*number >= most_shards) {
      return fail(
          fmt::format("{} is of no shard that Ringpost could have had", at->path().string()),
          "move it out of the spool directory");
    }
    numbers.push_back(static_cast<std::uint32_t>(*number));
  }
  for (const std::uint32_t number : numbers) {
    const fs::path path = fs::path(directory) / fmt::format("{}{}", prefix, number);
    if (!error && holds_segments(path, error)) {
      found.push_back(number);
    } else if (!error) {
      std::error_code ignored;
      fs::remove(path, ignored);
    }
  }
  if (error) {
    return fail_errno(error.value(), fmt::format("{} cannot be read", directory),
                      "make the spool directory and all in it belong to Ringpost's user");
  }
  std::ranges::sort(found);
  return found;
}

}  // namespace ringpost::spool
