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
// Part 0 is the message as it was accepted. A part that was handed over is numbered by how often
// that happened and by the shard that took it, so that no two parts of a message are alike.
[[nodiscard]] inline std::uint16_t part_number(std::uint32_t hop, std::uint32_t shard) {
  return static_cast<std::uint16_t>(hop << 8 | (shard + 1));
}
[[nodiscard]] inline std::uint32_t hop_of(std::uint32_t part) {
  return part >> 8;
}
[[nodiscard]] inline spool::PartKey part_key(mail::MessageId id, std::uint32_t part) {
  return {id, part, hop_of(part)};
}
[[nodiscard]] inline spool::PartKey part_key(const queue::QueuedMessage& message) {
  return part_key(message.id(), message.part());
}

}  // namespace ringpost::delivery
