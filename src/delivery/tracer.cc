#include "ringpost/delivery/tracer.h"

#include <algorithm>
#include <utility>

#include "ringpost/base/text.h"

namespace ringpost::delivery {
namespace {

// RFC 4954: what follows the mechanism, and what answers a 334, are secrets.
std::string without_secret(std::string_view line) {
  constexpr std::string_view command = "AUTH ";
  if (line.size() > command.size() &&
      equals_ignoring_case(line.substr(0, command.size()), command)) {
    const std::size_t mechanism = std::min(line.find(' ', command.size()), line.size());
    return std::string(line.substr(0, mechanism)) + (mechanism < line.size() ? " (hidden)" : "");
  }
  return std::string(line);
}

}  // namespace

bool Tracer::follows(std::string_view destination) const {
  return std::ranges::any_of(followers_, [&](const Follower& follower) {
    return equals_ignoring_case(follower.destination, destination);
  });
}

void Tracer::forget_silent(Instant now) {
  std::erase_if(followers_,
                [now](const Follower& each) { return now - each.asked >= forgotten_after; });
}

void Tracer::note(std::string_view destination, const TraceLine& line, Instant now) {
  forget_silent(now);
  for (Follower& follower : followers_) {
    if (!equals_ignoring_case(follower.destination, destination)) {
      continue;
    }
    for (std::string_view rest = line.text; !rest.empty();) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      std::string_view text = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (text.ends_with('\r')) {
        text.remove_suffix(1);
      }
      if (follower.lines.size() >= most_lines) {
        follower.lines.pop_front();  // the newest say more
        ++follower.lost;
      }
      TraceLine& added = follower.lines.emplace_back(line);
      added.text = without_secret(text.substr(0, longest_text));
    }
  }
}

std::optional<Tracer::Taken> Tracer::take(std::string_view name, std::string_view destination,
                                          Instant now) {
  forget_silent(now);
  auto follower = std::ranges::find(followers_, name, &Follower::name);
  if (follower == followers_.end()) {
    if (followers_.size() >= most_followers) {
      return std::nullopt;
    }
    followers_.push_back({std::string(name), std::string(destination), {}, 0, now});
    follower = followers_.end() - 1;
  }
  follower->asked = now;
  Taken taken;
  taken.lines.assign(std::make_move_iterator(follower->lines.begin()),
                     std::make_move_iterator(follower->lines.end()));
  follower->lines.clear();
  taken.lost = std::exchange(follower->lost, 0);
  return taken;
}

}  // namespace ringpost::delivery
