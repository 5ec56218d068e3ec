#include "ringpost/mail/id_sequence.h"

#include "ringpost/base/check.h"

namespace ringpost::mail {
namespace {

constexpr std::uint64_t numbers_per_millisecond = 1U << 12;
constexpr unsigned shard_shift = 12;
constexpr unsigned millisecond_shift = 20;
constexpr std::uint64_t last_millisecond = (std::uint64_t{1} << 44) - 1;  // in the year 2527

}  // namespace

MessageId IdSequence::next(WallTime now) {
  const auto since_epoch = now.time_since_epoch().count();
  const std::uint64_t current = since_epoch > 0 ? static_cast<std::uint64_t>(since_epoch) : 0;
  if (current > millisecond_) {
    millisecond_ = current;
    number_ = 0;
  } else if (number_ == numbers_per_millisecond) {
    ++millisecond_;
    number_ = 0;
  }
  check(millisecond_ <= last_millisecond, "message ids end in the year 2527");
  return {millisecond_ << millisecond_shift | shard_ << shard_shift | number_++};
}

void IdSequence::never_below(MessageId id) {
  const std::uint64_t millisecond = id.value >> millisecond_shift;
  if (millisecond >= millisecond_) {
    millisecond_ = millisecond;
    number_ = numbers_per_millisecond;  // the id may be of another shard: leave its millisecond
  }
}

}  // namespace ringpost::mail
