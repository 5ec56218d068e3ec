// How a shard's queue groups share the transactions that it may have in flight, when they want more
// than that. Owned by delivery's InFlight, single-threaded; knows no messages and waits for
// nothing.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

namespace ringpost::queue {

class Shares {
 public:
  struct Member {  // a queue group
    std::uint32_t weight = 1;
    std::uint32_t in_flight = 0;
    std::uint32_t waiting = 0;  // those who wait for a transaction to end
  };

  explicit Shares(std::uint32_t most) : most_(most) {}

  Member& join(std::uint32_t weight);  // valid as long as this

  [[nodiscard]] bool has_room() const { return in_flight_ < most_; }
  // Whether the member may begin a transaction now: there is room, and nobody waits who has less in
  // flight for its weight.
  [[nodiscard]] bool may_begin(const Member& member) const;
  void begin(Member& member);
  void end(Member& member);
  void wait(Member& member);
  void stop_waiting(Member& member);
  // Of those who wait, who has the least in flight for its weight; nullptr if nobody waits.
  [[nodiscard]] Member* next() const;
  [[nodiscard]] std::uint32_t in_flight() const { return in_flight_; }

 private:
  std::uint32_t most_;
  std::uint32_t in_flight_ = 0;
  std::deque<Member> members_;
  std::vector<Member*> waiting_;  // each once, in the order in which they came
};

}  // namespace ringpost::queue
