// Messages that were answered 250 while they are only in memory, as their queue group's durability
// allows: which of them there are, and when each must go to disk. They go there at its time, when a
// recipient must wait for another attempt or a report is owed, when they are to move to another
// shard, and at an orderly end; what is delivered before never does. Owned by the ledger, which
// writes the records in their order.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <utility>

#include "ringpost/mail/message.h"
#include "ringpost/queue/queued_message.h"

namespace ringpost::delivery {

class LateStoring {
 public:
  explicit LateStoring(queue::Messages& messages) : messages_(messages) {}

  // A message of one recipient whose content is in memory. `deadline`: `never` is allowed.
  void keep(queue::QueuedMessage& message, Instant deadline);
  // The next message that must go to disk by `now`; null if none must.
  [[nodiscard]] queue::QueuedMessage* next_due(Instant now);
  // When next_due() will have one at the earliest; `never` if nothing waits for its time.
  [[nodiscard]] Instant next_deadline() const;

  // Copied for its record. From now on it is being stored.
  [[nodiscard]] std::unique_ptr<mail::Message> take_up(queue::QueuedMessage& message);
  // It lies there, as any other message.
  void stored(queue::QueuedMessage& message, queue::ContentLocation location);
  // It is done and was never on disk.
  void gone() { --only_in_memory_; }

  [[nodiscard]] std::uint64_t only_in_memory() const { return only_in_memory_; }

 private:
  queue::Messages& messages_;
  std::deque<std::pair<Instant, queue::MessageKey>> due_;
  std::uint64_t only_in_memory_ = 0;
};

}  // namespace ringpost::delivery
