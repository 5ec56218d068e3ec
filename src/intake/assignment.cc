#include "ringpost/intake/assignment.h"

#include <algorithm>

#include "ringpost/base/international_domain.h"
#include "ringpost/base/text.h"
#include "ringpost/mail/address.h"
#include "ringpost/queue/destination.h"

namespace ringpost::intake {
namespace {

// FNV-1a: the same on every machine and in every version, because it decides who owns what.
std::uint64_t stable_hash(std::string_view text) {
  std::uint64_t hash = 0xcbf2'9ce4'8422'2325;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(ascii_lower(c))) * 0x100'0000'01b3;
  }
  return hash ^ (hash >> 32);
}

}  // namespace

std::string_view name_of(MatchKind kind) {
  switch (kind) {
    case MatchKind::exact:
      return "exact";
    case MatchKind::suffix:
      return "suffix";
    case MatchKind::mx:
      return "mx";
    case MatchKind::fallback:
      break;
  }
  return "default";
}

Assignment::Assignment(const config::Config& config, std::uint32_t shards)
    : shards_(shards), interval_(config.spool.interval) {
  for (const config::QueueGroup& group : config.queue_groups) {
    const auto number = static_cast<std::uint32_t>(groups_.size());
    const auto hashed = static_cast<std::uint32_t>(stable_hash(group.name) % shards);
    groups_.push_back({group, group.shard.value_or(hashed) % shards});
    for (const std::string& pattern : group.domains) {
      if (pattern.starts_with("*.")) {
        suffixes_.emplace(pattern.substr(2), number);
      } else {
        exact_.emplace(pattern, number);
      }
    }
    for (const std::string& pattern : group.mx) {
      hosts_.push_back({pattern, number});
    }
  }
  first_default_ = static_cast<std::uint32_t>(groups_.size());
  std::uint32_t turn = 0;
  for (const config::QueueGroup& group : config.default_groups) {
    groups_.push_back({group, group.shard.value_or(turn++) % shards});
  }
  all_committed_ = std::ranges::all_of(groups_, [](const AssignedGroup& group) {
    return group.settings.durability == config::Durability::commit;
  });
}

bool Assignment::places_alike(const Assignment& other) const {
  const auto alike = [](const AssignedGroup& a, const AssignedGroup& b) {
    return a.settings.name == b.settings.name && a.shard == b.shard;
  };
  return std::ranges::equal(groups_, other.groups_, alike) &&
         first_default_ == other.first_default_ && exact_ == other.exact_ &&
         suffixes_ == other.suffixes_ && same_mx(other);
}

std::optional<GroupPlace> Assignment::place_host(std::string_view host) const {
  for (const HostPattern& known : hosts_) {
    if (queue::matches_host_pattern(known.pattern, host)) {
      return GroupPlace{known.group, MatchKind::mx, known.pattern};
    }
  }
  return std::nullopt;
}

const std::string* Assignment::telling_host(std::span<const std::string> hosts) const {
  for (const HostPattern& known : hosts_) {
    for (const std::string& host : hosts) {
      if (queue::matches_host_pattern(known.pattern, host)) {
        return &host;
      }
    }
  }
  return nullptr;
}

std::optional<Duration> Assignment::storing_delay(std::uint32_t group) const {
  switch (groups_[group].settings.durability) {
    case config::Durability::interval:
      return interval_;
    case config::Durability::memory:
      return Duration::max();
    case config::Durability::commit:
      break;
  }
  return std::nullopt;
}

GroupPlace Assignment::place(std::string_view address) const {
  return place_domain(mail::domain_of(address));
}

// U-labels belong where their A-labels do.
GroupPlace Assignment::place_domain(std::string_view written) const {
  std::string made;
  const std::string_view domain = ascii_domain(written, made);
  if (!exact_.empty() || !suffixes_.empty()) {
    const std::string name = to_lower(domain);
    if (const auto found = exact_.find(name); found != exact_.end()) {
      return {found->second, MatchKind::exact, found->first};
    }
    for (std::size_t dot = name.find('.'); dot != std::string::npos;
         dot = name.find('.', dot + 1)) {
      const auto found = suffixes_.find(std::string_view(name).substr(dot + 1));
      if (found != suffixes_.end()) {
        return {found->second, MatchKind::suffix, found->first};
      }
    }
  }
  const std::uint64_t defaults = groups_.size() - first_default_;
  const auto chosen = static_cast<std::uint32_t>(stable_hash(domain) % defaults);
  return {first_default_ + chosen, MatchKind::fallback, {}};
}

}  // namespace ringpost::intake
