// Brings contents back from disk: the one that a runner needs now, and before it asks those of its
// lane's next entries, so that it does not wait for the disk at each message. Bounded in reads
// under way and, by queue::Contents, in memory. Called by conversations; one for each shard.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>

#include "ringpost/base/result.h"
#include "ringpost/queue/queue_group.h"
#include "ringpost/ring/reactor.h"
#include "ringpost/spool/spool.h"

namespace ringpost::delivery {

class ReadAhead {
 public:
  static constexpr std::size_t most_reads = 128;        // ahead, under way at once
  static constexpr std::size_t entries_of_runner = 16;  // ahead, for each runner on the lane
  static constexpr std::size_t most_entries = 128;

  ReadAhead(ring::Reactor& reactor, spool::Spool& spool, queue::Messages& messages);

  // Starts to read what the lane's runners will need next.
  void look_ahead(const queue::QueueGroup& group, queue::Lane& lane);
  // The content is in memory afterwards and in use, until queue::Contents::leave(). The message
  // must have an entry in flight.
  ring::Task<Result<>> load(queue::QueuedMessage& message);

  // So far: of the disk, and runners that had to wait for one.
  [[nodiscard]] std::uint64_t reads() const { return reads_; }
  [[nodiscard]] std::uint64_t waits() const { return waits_; }
  // Waits for the reads under way.
  ring::Task<void> close();

 private:
  using Key = std::pair<mail::MessageId, std::uint32_t>;  // and part

  // A read that is among those under way. Keeps the content if the message is still there.
  ring::Task<Result<>> read(Key key, spool::Location location);
  ring::Task<void> read_ahead(Key key, spool::Location location);

  ring::Reactor& reactor_;
  spool::Spool& spool_;
  queue::Messages& messages_;
  std::map<Key, ring::Event> under_way_;  // notified when the read has ended
  std::uint64_t reads_ = 0;
  std::uint64_t waits_ = 0;
  ring::Gate gate_;
};

}  // namespace ringpost::delivery
