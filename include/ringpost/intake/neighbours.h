// What a shard can ask of the other shards, as intake sees it: take a message or a part over, and
// learn that a part is theirs for good. Carried by mailboxes (shard/links.h). Calls wait for room
// and for the answer, never for a lock.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ringpost/base/time.h"
#include "ringpost/mail/message.h"
#include "ringpost/ring/task.h"
#include "ringpost/spool/record.h"

namespace ringpost::intake {

enum class Verdict : std::uint8_t {
  accepted,      // durable: the sender may forget it
  no_space,      // 452 4.3.1
  failed,        // 451 4.3.0: the disk refused
  number_taken,  // only of a part that is handed over: another part of the message has its number
};

// What DNS said of a domain, where groups are named by MX hosts.
struct LearntHost {
  std::string domain;  // lower case
  std::string host;    // the MX host that says where it belongs; empty: none does
  Instant expires;     // the machine's monotonic clock, which all shards read
};

// A message or a part of one on its way to the shard that will own it.
struct Parcel {
  std::unique_ptr<mail::Message> message;  // with the part's recipients only
  std::uint32_t part = 0;
  std::uint32_t hop = 0;
  std::uint32_t forwards = 0;      // of a whole message: how often it went on before it was stored
  std::vector<LearntHost> learnt;  // why it comes: who takes it believes that, too
};

// What recovery knows of hand-overs that were under way. All shards compare theirs before any of
// them goes on.
struct HandOvers {
  std::vector<spool::PartKey> on_their_way;  // their givers have recorded them
  // Not confirmed yet, by the spools of shards that are no more: those take nothing any more, so
  // what they have not taken must go elsewhere.
  std::vector<spool::PartKey> taken;

  void add(HandOvers others) {
    on_their_way.insert(on_their_way.end(), others.on_their_way.begin(), others.on_their_way.end());
    taken.insert(taken.end(), others.taken.begin(), others.taken.end());
  }
  // Once complete; then it may be searched.
  void sort() {
    std::ranges::sort(on_their_way);
    std::ranges::sort(taken);
  }
};

class Neighbours {
 public:
  // Resumes when the shard, another one or our own, has committed or refused it.
  virtual ring::Task<Verdict> submit(std::uint32_t shard, Parcel parcel) = 0;
  // The giver has committed "moved": the taker may forget the part once it is done. Sent once;
  // should it be lost in a crash, recovery finds out by itself.
  virtual ring::Task<void> confirm(std::uint32_t shard, spool::PartKey key) = 0;
  // As ContentMemory::ask() and give_back() there.
  virtual ring::Task<bool> ask_memory(std::uint32_t shard, std::uint64_t held,
                                      std::uint64_t wanted) = 0;
  virtual ring::Task<void> return_memory(std::uint32_t shard, std::uint64_t held) = 0;
  // Tells all other shards. May be lost: then some mail takes the long way round.
  virtual void tell(const LearntHost& learnt) = 0;

 protected:
  ~Neighbours() = default;
};

}  // namespace ringpost::intake
