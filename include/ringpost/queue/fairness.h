// Fair turns among members that have work: deficit round robin in its surplus form. Each turn
// earns a member a quantum; it is served while it has credit, and a costly piece of work may
// overdraw it, which it then pays for with the turns that follow. So nobody needs to know a
// piece's cost before it is taken, and rounds nest: jobs in a lane, domains in a job.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ringpost/base/intrusive_list.h"

namespace ringpost::queue {

template <class Tag>
class FairHook : public ListHook<Tag> {
  template <class T, class OtherTag>
  friend class FairRound;
  std::int64_t credit_ = 0;
};

template <class T, class Tag>
class FairRound {
  using Hook = FairHook<Tag>;

 public:
  static constexpr std::int64_t quantum = 16 * 1024;
  // One piece of work costs no more than this, so that paying it back takes a bounded number of
  // turns.
  static constexpr std::int64_t highest_cost = 64 * quantum;

  [[nodiscard]] bool empty() const { return members_.empty(); }

  // A member that got its first work joins behind the others.
  void join(T& member) {
    hook(member).credit_ = 0;
    members_.push_back(member);
  }
  // A member without work leaves; neither credit nor debt is kept.
  void leave(T& member) { members_.remove(member); }

  // Whose turn it is; there must be one. Its work is paid for with charge().
  T& turn() {
    // Who is alone owes nobody anything.
    T& only = members_.front();
    if (alone()) {
      hook(only).credit_ = std::max(hook(only).credit_, std::int64_t{1});
      return only;
    }
    while (hook(members_.front()).credit_ <= 0) {
      T& waiting = members_.front();
      hook(waiting).credit_ += quantum;
      members_.move_to_back(waiting);
    }
    return members_.front();
  }
  void charge(T& member, std::int64_t cost) {
    hook(member).credit_ -= std::min(cost, highest_cost);
  }

  // In the order in which they will get their turns, more or less, until `visit` says false.
  template <class Visit>
  void for_each_while(Visit visit) {
    for (T& member : members_) {
      if (!visit(member)) {
        return;
      }
    }
  }

 private:
  static Hook& hook(T& member) { return static_cast<Hook&>(member); }
  [[nodiscard]] bool alone() { return ++members_.begin() == members_.end(); }

  IntrusiveList<T, Tag> members_;
};

}  // namespace ringpost::queue
