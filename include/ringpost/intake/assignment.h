// Which queue group a recipient belongs to, and so which shard: a pure function of the address, the
// configuration and, where it names groups by MX hosts, of the host that DNS gave. Exact domains
// first, then the longest matching suffix, then MX patterns, then a hash of the domain over the
// default groups.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ringpost/config/config.h"

namespace ringpost::intake {

enum class MatchKind : std::uint8_t { exact, suffix, mx, fallback };

[[nodiscard]] std::string_view name_of(MatchKind kind);  // "exact", "suffix", "mx", "default"

struct GroupPlace {
  std::uint32_t group = 0;  // index into Assignment::groups()
  MatchKind kind = MatchKind::fallback;
  std::string_view pattern;  // what matched; empty for the default groups
};

struct AssignedGroup {
  config::QueueGroup settings;
  std::uint32_t shard = 0;
};

class Assignment {
 public:
  // The configured groups, then the default ones. A group without a shard of its own goes where
  // its name hashes to, but default groups are dealt out in turn.
  Assignment(const config::Config& config, std::uint32_t shards);

  // Whether every address has the same group on the same shard by both.
  [[nodiscard]] bool places_alike(const Assignment& other) const;
  [[nodiscard]] GroupPlace place(std::string_view address) const;
  [[nodiscard]] GroupPlace place_domain(std::string_view domain) const;
  // By MX host, for domains that nobody names (MatchKind::fallback): nothing if no pattern fits.
  [[nodiscard]] std::optional<GroupPlace> place_host(std::string_view host) const;
  // Of these hosts, all of one preference, the one that says where; nullptr if none does.
  [[nodiscard]] const std::string* telling_host(std::span<const std::string> hosts) const;
  [[nodiscard]] bool has_mx() const { return !hosts_.empty(); }
  [[nodiscard]] bool same_mx(const Assignment& other) const { return hosts_ == other.hosts_; }
  [[nodiscard]] bool takes_by_mx(std::uint32_t group) const {
    return !groups_[group].settings.mx.empty();
  }
  [[nodiscard]] std::span<const AssignedGroup> groups() const { return groups_; }
  [[nodiscard]] std::uint32_t shard_of(std::uint32_t group) const { return groups_[group].shard; }
  // How long a message of the group may be in memory only: nothing if not at all, Duration::max()
  // for as long as it need not wait.
  [[nodiscard]] std::optional<Duration> storing_delay(std::uint32_t group) const;
  [[nodiscard]] bool all_committed() const { return all_committed_; }
  [[nodiscard]] std::uint32_t shards() const { return shards_; }

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  using Patterns = std::unordered_map<std::string, std::uint32_t, TextHash, std::equal_to<>>;

  struct HostPattern {
    std::string pattern;
    std::uint32_t group = 0;
    bool operator==(const HostPattern&) const = default;
  };

  std::uint32_t shards_;
  std::vector<AssignedGroup> groups_;
  std::uint32_t first_default_ = 0;
  Duration interval_;
  bool all_committed_ = true;
  Patterns exact_;
  Patterns suffixes_;               // without the leading "*."
  std::vector<HostPattern> hosts_;  // in the order of the file: the first that fits counts
};

}  // namespace ringpost::intake
