// A recipient domain within one queue group, and its flows: the queued work of one job for it.
// Entries are filed here without any DNS; when delivery has found the route, the domain's flows
// hang in a lane. Owned by the queue group. A Domain& is valid while it is being resolved or has
// entries.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "ringpost/base/intrusive_list.h"
#include "ringpost/queue/destination.h"
#include "ringpost/queue/entry.h"
#include "ringpost/queue/fairness.h"
#include "ringpost/queue/growing_table.h"

namespace ringpost::queue {

class Lane;
class QueueGroup;
struct LaneJob;

struct InDomainTag {};
struct TurnInJobTag {};

// The entries of one job for one domain. Exists while there are any, in whatever state.
struct Flow : ListHook<InDomainTag>, FairHook<TurnInJobTag>, TableHook<Flow> {
  Flow(Domain& of_domain, Job& of_job) : domain(of_domain), job(of_job) {}

  Domain& domain;
  Job& job;
  LaneJob* lane_job = nullptr;  // where it hangs while the domain has a lane
  IntrusiveList<Entry, QueueTag> ready;
  std::uint64_t entries = 0;
};

// Recipients by state. `expired` ones are on their way out: the next advance reports them.
struct Counts {
  std::uint64_t ready = 0;
  std::uint64_t deferred = 0;
  std::uint64_t held = 0;
  std::uint64_t expired = 0;
  std::uint64_t in_flight = 0;

  [[nodiscard]] std::uint64_t& of(EntryState state) {
    switch (state) {
      case EntryState::ready:
        return ready;
      case EntryState::deferred:
        return deferred;
      case EntryState::held:
        return held;
      case EntryState::expired:
        return expired;
      case EntryState::in_flight:
        break;
    }
    return in_flight;
  }
  Counts& operator+=(const Counts& other) {
    ready += other.ready;
    deferred += other.deferred;
    held += other.held;
    expired += other.expired;
    in_flight += other.in_flight;
    return *this;
  }
  Counts& operator-=(const Counts& other) {
    ready -= other.ready;
    deferred -= other.deferred;
    held -= other.held;
    expired -= other.expired;
    in_flight -= other.in_flight;
    return *this;
  }
  bool operator==(const Counts&) const = default;
};

// unknown: not asked yet, or the answer is old (the lane serves on until the new one is there).
enum class RouteState : std::uint8_t { unknown, resolving, known, failed };

struct DomainListTag {};

class Domain : public TableHook<Domain>, public ListHook<DomainListTag> {
 public:
  Domain(QueueGroup& group, std::string name, std::uint32_t number)
      : group_(group), name_(std::move(name)), number_(number) {}
  [[nodiscard]] QueueGroup& group() const { return group_; }

  [[nodiscard]] const std::string& name() const { return name_; }  // lower case
  [[nodiscard]] Lane* lane() const { return lane_; }               // nullptr: no route
  [[nodiscard]] RouteState route_state() const { return route_; }
  // known: how long the answer is good; failed: when to ask again.
  [[nodiscard]] Instant route_until() const { return route_until_; }
  [[nodiscard]] const Counts& counts() const { return counts_; }
  // Why it has no route; nullptr if it has one, or nobody asked.
  [[nodiscard]] const LastError* last_error() const { return last_error_.get(); }

 private:
  friend class QueueGroup;
  friend struct DomainTraits;
  friend struct FlowTraits;

  QueueGroup& group_;
  std::string name_;
  std::uint32_t number_;
  RouteState route_ = RouteState::unknown;
  Lane* lane_ = nullptr;
  Instant route_until_;
  std::unique_ptr<LastError> last_error_;
  IntrusiveList<Flow, InDomainTag> flows_;
  std::uint64_t entries_ = 0;
  std::uint64_t ready_entries_ = 0;
  std::uint16_t route_failures_ = 0;  // in a row
  bool idle_ = false;
  Counts counts_;
};

inline Domain& Entry::domain() const {
  return flow_->domain;
}

struct DomainTraits {
  using Key = std::string_view;
  static Key key_of(const Domain& domain) { return domain.name_; }
  static std::uint64_t hash(Key key) { return hash_ignoring_case(key); }
  static bool equal(Key a, Key b) { return equals_ignoring_case(a, b); }
};
struct FlowTraits {
  struct Key {
    std::uint32_t domain;
    std::uint32_t job;
  };
  static Key key_of(const Flow& flow) { return {flow.domain.number_, flow.job.number}; }
  static std::uint64_t hash(Key key) {
    return hash_of((std::uint64_t{key.domain} << 32) + key.job);
  }
  static bool equal(Key a, Key b) { return a.domain == b.domain && a.job == b.job; }
};

}  // namespace ringpost::queue
