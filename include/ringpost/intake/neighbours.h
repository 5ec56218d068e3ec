// What a shard can ask of the other shards, as intake sees it: take a message or a part over, and
// learn that a part is theirs for good. Carried by mailboxes (shard/links.h). Calls wait for room
// and for the answer, never for a lock.
#pragma once

#include <cstdint>
#include <memory>

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

// A message or a part of one on its way to the shard that will own it.
struct Parcel {
  std::unique_ptr<mail::Message> message;  // with the part's recipients only
  std::uint32_t part = 0;
  std::uint32_t hop = 0;
};

class Neighbours {
 public:
  // Resumes when the other shard has committed or refused it.
  virtual ring::Task<Verdict> submit(std::uint32_t shard, Parcel parcel) = 0;
  // The giver has committed "moved": the taker may forget the part once it is done. Sent once;
  // should it be lost in a crash, recovery finds out by itself.
  virtual ring::Task<void> confirm(std::uint32_t shard, spool::PartKey key) = 0;
  // As ContentMemory::ask() and give_back() there.
  virtual ring::Task<bool> ask_memory(std::uint32_t shard, std::uint64_t held,
                                      std::uint64_t wanted) = 0;
  virtual ring::Task<void> return_memory(std::uint32_t shard, std::uint64_t held) = 0;

 protected:
  ~Neighbours() = default;
};

}  // namespace ringpost::intake
