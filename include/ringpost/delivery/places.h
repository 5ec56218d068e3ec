// Between the queue's names for things and the spool's: both rooms keep them apart, delivery knows
// both.
#pragma once

#include <cstdint>
#include <span>

#include "ringpost/mail/message.h"
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
// that happened (8 bits), where it came from (16 bits of a hash of the part and the shard it was
// part of) and the shard that took it (8 bits), so that no two parts of a message are alike. Should
// two be all the same, their taker notices (Verdict::number_taken).
[[nodiscard]] inline std::uint32_t part_number(std::uint32_t hop, std::uint32_t from_part,
                                               std::uint32_t from_shard, std::uint32_t shard) {
  const std::uint64_t from = queue::hash_of(std::uint64_t{from_part} << 8 | from_shard);
  return hop << 24 | static_cast<std::uint32_t>(from & 0xffff) << 8 | (shard + 1);
}
[[nodiscard]] inline std::uint32_t hop_of(std::uint32_t part) {
  return part >> 24;
}
[[nodiscard]] inline std::uint32_t taker_of(std::uint32_t part) {
  return (part & 0xff) - 1;
}
[[nodiscard]] inline spool::PartKey part_key(mail::MessageId id, std::uint32_t part) {
  return {id, part, hop_of(part)};
}
[[nodiscard]] inline spool::PartKey part_key(const queue::QueuedMessage& message) {
  return part_key(message.id(), message.part());
}

// The message as the spool and other shards take it, without its content: with those recipients.
[[nodiscard]] mail::Message without_content(const queue::QueuedMessage& message,
                                            std::span<const std::uint32_t> recipients);

}  // namespace ringpost::delivery
