#include "ringpost/delivery/late_storing.h"

#include "ringpost/base/check.h"
#include "ringpost/delivery/places.h"

namespace ringpost::delivery {

void LateStoring::keep(queue::QueuedMessage& message, Instant deadline) {
  check(message.recipients().size() == 1, "only a message of one recipient stays in memory");
  message.storage = queue::Storage::memory;
  messages_.contents().pin(message);
  ++only_in_memory_;
  if (deadline != never) {
    // Since the ones before came the interval may have become shorter.
    for (auto at = due_.rbegin(); at != due_.rend() && at->first > deadline; ++at) {
      at->first = deadline;
    }
    due_.push_back({deadline, {message.id(), message.part()}});
  }
}

queue::QueuedMessage* LateStoring::next_due(Instant now) {
  while (!due_.empty() && due_.front().first <= now) {
    const queue::MessageKey key = due_.front().second;
    due_.pop_front();
    queue::QueuedMessage* const message = messages_.find(key.id, key.part);
    if (message != nullptr && message->storage == queue::Storage::memory) {
      return message;
    }
  }
  return nullptr;
}

Instant LateStoring::next_deadline() const {
  return due_.empty() ? never : due_.front().first;
}

std::unique_ptr<mail::Message> LateStoring::take_up(queue::QueuedMessage& message) {
  check(message.storage == queue::Storage::memory, "a message is stored once");
  const std::uint32_t only = 0;
  auto copy = std::make_unique<mail::Message>(without_content(message, std::span(&only, 1)));
  copy->content = *message.content();
  message.storage = queue::Storage::being_stored;
  --only_in_memory_;
  return copy;
}

void LateStoring::stored(queue::QueuedMessage& message, queue::ContentLocation location) {
  message.location = location;
  message.storage = queue::Storage::on_disk;
  messages_.contents().unpin(message);
}

}  // namespace ringpost::delivery
