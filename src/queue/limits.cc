#include "ringpost/queue/limits.h"

#include <algorithm>

namespace ringpost::queue {

TokenBucket::TokenBucket(double messages_per_second) {
  if (messages_per_second <= 0) {
    return;
  }
  const double nanoseconds = 1e9 / messages_per_second;
  per_message_ = std::max(Duration(static_cast<Duration::rep>(nanoseconds)), Duration(1));
  burst_ = std::max(Duration::zero(), Duration(100ms) - per_message_);
}

void TokenBucket::take(Instant now) {
  if (limited()) {
    // `earliest_` may lag behind by the burst that was saved up, no more.
    earliest_ = std::max(earliest_, now - burst_) + per_message_;
  }
}

}  // namespace ringpost::queue
