// The memory that a shard has for large messages while they come in, and that is granted to those
// who take them in: sessions, and the hand-over, of any shard. Bounded by listener.memory_budget.
// Grants grow as a content does, and they can always end: what is free suffices for the one that
// holds the most to reach the largest size, and then for the others in turn. Owned by the shard;
// moves no bytes.
#pragma once

#include <cstdint>
#include <set>

#include "ringpost/base/intrusive_list.h"
#include "ringpost/ring/event.h"
#include "ringpost/ring/reactor.h"
#include "ringpost/ring/task.h"

namespace ringpost::intake {

struct MemoryWaiterTag;

class ContentMemory {
 public:
  // What every content may have without being granted it.
  static constexpr std::uint64_t unasked = std::uint64_t{64} << 10;
  // How long a grant is waited for. A client gives up after 3 minutes (RFC 5321 section
  // 4.5.3.2.5) in which no block of its content is taken.
  static constexpr Duration patience = 1min;

  explicit ContentMemory(ring::Reactor& reactor) : reactor_(reactor) {}

  // `largest` is what one content may come to have; the budget is that at least.
  void set_budget(std::uint64_t bytes, std::uint64_t largest);

  // Who holds `held` bytes wants `wanted` altogether. True: has them. Who holds some already comes
  // first, others in their order.
  ring::Task<bool> ask(std::uint64_t held, std::uint64_t wanted);
  void give_back(std::uint64_t held);
  // Who waits or asks later gets nothing more.
  void stop();

  [[nodiscard]] std::uint64_t granted() const { return granted_; }
  [[nodiscard]] std::size_t waiting() const { return waiting_count_; }

 private:
  struct Waiter : ListHook<MemoryWaiterTag> {
    std::uint64_t held = 0;
    std::uint64_t wanted = 0;
    bool granted = false;
    ring::Event settled;
  };

  [[nodiscard]] bool can_grant(std::uint64_t held, std::uint64_t wanted) const;
  void grant(std::uint64_t held, std::uint64_t wanted);
  // Grants what can be granted to those who wait.
  void serve();
  bool serve_one(bool holders);

  ring::Reactor& reactor_;
  std::uint64_t budget_ = 0;
  std::uint64_t largest_ = 0;
  std::uint64_t granted_ = 0;
  std::multiset<std::uint64_t> holders_;  // by what they hold
  IntrusiveList<Waiter, MemoryWaiterTag> waiting_;
  std::size_t waiting_count_ = 0;
  bool stopped_ = false;
};

}  // namespace ringpost::intake
