// Groups that are named by MX hosts: what DNS says of a domain is learnt, told to the other shards,
// and believed as long as the answer lives. A domain's recipients follow it when its route is asked
// for: within the shard they are filed anew, to another one they are handed over.
//
// Nothing goes back and forth: of two answers that differ the one that is believed counts until it
// expires, and who takes recipients over believes what their giver did. After most_moves the
// recipients stay where they are.
#include <algorithm>
#include <utility>

#include "ringpost/base/international_domain.h"
#include "ringpost/base/text.h"
#include "ringpost/delivery/places.h"
#include "ringpost/intake/intake.h"
#include "ringpost/mail/address.h"

namespace ringpost::intake {
namespace {

// Domains of which is remembered where they belong, those used last. Others ask again.
constexpr std::size_t most_learnt = std::size_t{1} << 16;
// What comes with a parcel is believed for so long at least: until its recipients are filed.
constexpr Duration shortest_belief = 1min;
// A static route or the smarthost, which never expire, may be configured away.
constexpr Duration longest_belief = 24h;
constexpr std::uint32_t most_moves = 16;
// Entries that are moved before everybody else gets a turn.
constexpr std::size_t portion = 64;
constexpr Duration pause = 1ms;

// The most preferred ones.
std::vector<std::string> best_hosts(const queue::LaneKey& route) {
  std::vector<std::string> names;
  for (const queue::RouteHost& host : route.hosts) {
    if (host.preference == route.hosts.front().preference) {
      names.push_back(host.name);
    }
  }
  return names;
}

}  // namespace

void Intake::believe(LearntHost learnt) {
  if (!room_.assignment.has_mx()) {
    return;
  }
  if (learnt_ == nullptr) {
    learnt_ = std::make_unique<dns::Cache<LearntHost>>(most_learnt);
  }
  const std::string domain = learnt.domain;
  learnt_->put(domain, std::move(learnt));
}

const LearntHost* Intake::believed(std::string_view domain) const {
  if (learnt_ == nullptr) {
    return nullptr;
  }
  std::string made;  // queued domains, and so what is learnt of them, are A-labels
  return learnt_->find(to_lower(ascii_domain(domain, made)), room_.reactor.now());
}

GroupPlace Intake::place_domain(std::string_view domain) const {
  const GroupPlace place = room_.assignment.place_domain(domain);
  if (place.kind != MatchKind::fallback || !room_.assignment.has_mx()) {
    return place;
  }
  const LearntHost* const known = believed(domain);
  return known == nullptr ? place : room_.assignment.place_host(known->host).value_or(place);
}

GroupPlace Intake::place(std::string_view address) const {
  return place_domain(mail::domain_of(address));
}

// Nothing is known of it any more, but this shard was given it, or had it before a restart: it
// waits in one of our groups by MX until its route is known.
GroupPlace Intake::place_of_arrival(std::string_view address) const {
  const GroupPlace place = this->place(address);
  if (place.kind == MatchKind::fallback && local(place.group).queue == nullptr) {
    for (std::uint32_t group = 0; group < groups_.size(); ++group) {
      if (local(group).queue != nullptr && room_.assignment.takes_by_mx(group)) {
        return {group, MatchKind::mx, {}};
      }
    }
  }
  return place;
}

GroupPlace Intake::place_to_tell(std::string_view domain) const {
  const GroupPlace place = place_domain(domain);
  if (place.kind != MatchKind::fallback || local(place.group).queue != nullptr) {
    return place;
  }
  for (std::uint32_t group = 0; group < groups_.size(); ++group) {
    if (local(group).queue == nullptr || !room_.assignment.takes_by_mx(group)) {
      continue;
    }
    const queue::Domain* const queued = local(group).queue->find_domain(domain);
    if (queued != nullptr && queued->lane() != nullptr) {
      const std::vector<std::string> hosts = best_hosts(queued->lane()->key());
      const std::string* const host = room_.assignment.telling_host(hosts);
      const auto by_host = host == nullptr ? std::nullopt : room_.assignment.place_host(*host);
      if (by_host && by_host->group == group) {
        return *by_host;
      }
    }
  }
  return place;
}

// Where an entry belongs after a reload. In a group by MX it stays, wherever that lives now, until
// its route is asked for again, which reload sees to where patterns have changed.
GroupPlace Intake::place_of_queued(const queue::Domain& domain) const {
  GroupPlace place = place_domain(domain.name());
  if (place.kind == MatchKind::fallback && room_.assignment.has_mx() &&
      believed(domain.name()) == nullptr) {
    const auto groups = room_.assignment.groups();
    for (std::uint32_t group = 0; group < groups.size(); ++group) {
      if (room_.assignment.takes_by_mx(group) &&
          groups[group].settings.name == domain.group().settings().name) {
        place = {group, MatchKind::mx, {}};
      }
    }
  }
  return place;
}

void Intake::note_learnt(std::vector<LearntHost>& learnt, std::string_view address) const {
  const LearntHost* const known = believed(mail::domain_of(address));
  if (known != nullptr &&
      std::ranges::find(learnt, known->domain, &LearntHost::domain) == learnt.end()) {
    learnt.push_back(*known);
  }
}

void Intake::believe_all(std::vector<LearntHost> learnt) {
  for (LearntHost& one : learnt) {
    one.expires = std::max(one.expires, room_.reactor.now() + shortest_belief);
    believe(std::move(one));
  }
}

bool Intake::belongs(const queue::QueueGroup& group, const queue::Domain& domain,
                     const queue::LaneKey& route, Instant until) {
  const Assignment& assignment = room_.assignment;
  if (!assignment.has_mx()) {
    return true;
  }
  const GroupPlace home = assignment.place_domain(domain.name());
  if (home.kind != MatchKind::fallback) {
    return true;  // what the configuration says of domains is reload's affair
  }
  const bool by_dns = route.via == queue::RouteVia::dns;
  const std::vector<std::string> hosts = best_hosts(route);
  const std::string* const host = by_dns ? assignment.telling_host(hosts) : nullptr;
  LearntHost own{domain.name(), host == nullptr ? std::string() : *host,
                 std::min(until, room_.reactor.now() + longest_belief)};
  const auto group_by = [&](const std::string& name) {
    return assignment.place_host(name).value_or(home).group;
  };
  const LearntHost* const known = believed(domain.name());
  std::uint32_t where = group_by(own.host);
  if (known != nullptr && by_dns && group_by(known->host) != where) {
    where = group_by(known->host);
  } else if (where != home.group || local(where).queue != &group) {
    room_.neighbours.tell(own);
    believe(std::move(own));
  }
  return local(where).queue == &group;
}

ring::Task<bool> Intake::move_out(queue::QueueGroup& group, queue::Domain& domain) {
  while (!closing_) {
    const GroupPlace place = place_domain(domain.name());
    if (local(place.group).queue == &group) {
      co_return false;  // what was learnt has expired meanwhile
    }
    std::vector<queue::Entry*> entries;
    bool some_stay = false;
    std::size_t unstored = 0;
    const bool elsewhere = local(place.group).queue == nullptr;
    queue::QueueGroup::for_each_ready(domain, [&](queue::Entry& entry) {
      if (elsewhere && entry.message().storage != queue::Storage::on_disk) {
        room_.ledger.store_now(entry.message());  // what is handed over is on disk here first
        ++unstored;
      } else if (may_move(entry.message(), place)) {
        entries.push_back(&entry);
      } else {
        some_stay = true;
      }
      return entries.size() + unstored < portion;
    });
    if (entries.empty() && unstored == 0) {
      co_return !some_stay;
    }
    move(group, entries, place);
    while (elsewhere && !closing_ && giving_ >= most_hand_overs) {
      co_await given_.wait();
    }
    if (room_.events.full()) {
      co_await room_.events.room();
    }
    co_await room_.reactor.sleep(pause);
  }
  co_return false;
}

bool Intake::may_move(const queue::QueuedMessage& message, const GroupPlace& place) const {
  const std::uint32_t hop =
      std::max<std::uint32_t>(delivery::hop_of(message.part()), message.given_hop);
  return local(place.group).queue != nullptr || hop < most_moves;
}

// Entries of one domain. Those of one message stand behind each other, and go together.
void Intake::move(queue::QueueGroup& group, const std::vector<queue::Entry*>& entries,
                  const GroupPlace& place) {
  const queue::Now now{room_.reactor.now(), room_.reactor.wall_now()};
  const LocalGroup own = local(place.group);
  std::vector<std::uint32_t> recipients;
  for (std::size_t at = 0; at < entries.size(); ++at) {
    queue::QueuedMessage& message = entries[at]->message();
    for (const queue::QueuedRecipient& recipient : entries[at]->recipients()) {
      recipients.push_back(message.index_of(recipient));
    }
    group.unfile(*entries[at]);
    if (at + 1 < entries.size() && &entries[at + 1]->message() == &message) {
      continue;
    }
    tell_moved(message, recipients, place.group);
    if (own.queue != nullptr) {
      own.queue->file(message, recipients, now.wall, now);
    } else {
      refile(message, recipients, now.wall);
    }
    recipients.clear();
  }
  if (own.queue != nullptr) {
    own.service->notify();
  }
}

void Intake::tell_moved(const queue::QueuedMessage& message,
                        std::span<const std::uint32_t> recipients, std::uint32_t group) {
  for (const std::uint32_t index : recipients) {
    events::Event event = event_about(message, message.recipients()[index]);
    event.kind = events::EventKind::moved;
    event.group = room_.assignment.groups()[group].settings.name;
    event.shard = room_.assignment.shard_of(group);
    const LearntHost* const known = believed(mail::domain_of(event.recipient));
    event.mx = known == nullptr ? std::string_view() : std::string_view(known->host);
    room_.events.append(event);
  }
}

}  // namespace ringpost::intake
