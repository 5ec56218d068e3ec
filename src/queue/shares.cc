#include "ringpost/queue/shares.h"

#include <algorithm>

#include "ringpost/base/check.h"

namespace ringpost::queue {
namespace {

// Whether `a` has less in flight for its weight than `b`.
bool has_less(const Shares::Member& a, const Shares::Member& b) {
  return std::uint64_t{a.in_flight} * b.weight < std::uint64_t{b.in_flight} * a.weight;
}

}  // namespace

Shares::Member& Shares::join(std::uint32_t weight) {
  return members_.emplace_back(Member{.weight = weight});
}

Shares::Member* Shares::next() const {
  Member* least = nullptr;
  for (Member* const member : waiting_) {
    if (least == nullptr || has_less(*member, *least)) {
      least = member;
    }
  }
  return least;
}

bool Shares::may_begin(const Member& member) const {
  const Member* const first = next();
  return has_room() && (first == nullptr || !has_less(*first, member));
}

void Shares::begin(Member& member) {
  ++member.in_flight;
  ++in_flight_;
}

void Shares::end(Member& member) {
  check(member.in_flight > 0, "a transaction ended twice");
  --member.in_flight;
  --in_flight_;
}

void Shares::wait(Member& member) {
  if (member.waiting++ == 0) {
    waiting_.push_back(&member);
  }
}

void Shares::stop_waiting(Member& member) {
  if (--member.waiting == 0) {
    std::erase(waiting_, &member);
  }
}

}  // namespace ringpost::queue
