// Between the queue's names for things and the spool's: both rooms keep them apart, delivery knows
// both.
#pragma once

#include "ringpost/queue/queued_message.h"
#include "ringpost/spool/location.h"
#include "ringpost/spool/record.h"

namespace ringpost::delivery {

[[nodiscard]] inline spool::Location spool_location(const queue::ContentLocation& at) {
  return {static_cast<std::uint32_t>(at.segment), static_cast<std::uint32_t>(at.offset),
          static_cast<std::uint32_t>(at.length)};
}
[[nodiscard]] inline queue::ContentLocation content_location(const spool::Location& at) {
  return {at.segment, at.offset, at.length};
}
// A message lies whole on the shard that accepted it (part 0), or came as a part by one hand-over.
[[nodiscard]] inline spool::PartKey part_key(const queue::QueuedMessage& message) {
  return {message.id(), message.part(), message.part() == 0 ? 0U : 1U};
}

}  // namespace ringpost::delivery
