// Makes the message ids of one shard, each above all it made before. Called by whoever accepts a
// message. Reads no clock: a wall clock that steps back or stands still only makes ids run ahead of
// it.
#pragma once

#include <cstdint>

#include "ringpost/base/time.h"
#include "ringpost/mail/message.h"

namespace ringpost::mail {

class IdSequence {
 public:
  explicit IdSequence(std::uint8_t shard) : shard_(shard) {}

  [[nodiscard]] MessageId next(WallTime now);
  // All ids from now on are above `id`. For recovery: ids on disk are never given again.
  void never_below(MessageId id);

 private:
  std::uint64_t shard_;
  std::uint64_t millisecond_ = 0;  // of the last id
  std::uint64_t number_ = 0;       // the next one within that millisecond
};

}  // namespace ringpost::mail
