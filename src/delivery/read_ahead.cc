#include "ringpost/delivery/read_ahead.h"

#include <algorithm>
#include <string>

#include "ringpost/delivery/places.h"

namespace ringpost::delivery {

ReadAhead::ReadAhead(ring::Reactor& reactor, spool::Spool& spool, queue::Messages& messages)
    : reactor_(reactor), spool_(spool), messages_(messages), gate_(reactor.ready()) {}

void ReadAhead::look_ahead(const queue::QueueGroup& group, queue::Lane& lane) {
  const std::size_t most = std::min(entries_of_runner * lane.seats(), most_entries);
  group.for_each_next(lane, most, [this](const queue::Entry& entry) {
    const queue::QueuedMessage& message = entry.message();
    const Key key(message.id(), message.part());
    if (message.content() == nullptr && under_way_.size() < most_reads &&
        under_way_.try_emplace(key).second) {
      gate_.spawn(read_ahead(key, spool_location(message.location)));
    }
  });
}

ring::Task<Result<>> ReadAhead::load(queue::QueuedMessage& message) {
  const Key key(message.id(), message.part());
  waits_ += message.content() == nullptr ? 1 : 0;
  while (message.content() == nullptr) {
    const auto reading = under_way_.find(key);
    if (reading != under_way_.end()) {
      co_await reading->second.wait();
      continue;
    }
    under_way_.try_emplace(key);
    const spool::Location location = spool_location(message.location);
    Result<> result = co_await read(key, location);
    if (!result) {
      co_return result;
    }
  }
  messages_.contents().use(message);
  co_return Result<>();
}

ring::Task<Result<>> ReadAhead::read(Key key, spool::Location location) {
  ++reads_;
  Result<std::string> content = co_await spool_.read_content(location);
  const auto reading = under_way_.find(key);
  reading->second.notify_all();
  under_way_.erase(reading);
  if (!content) {
    co_return std::unexpected(content.error());
  }
  queue::QueuedMessage* const message = messages_.find(key.first, key.second);
  if (message != nullptr && message->content() == nullptr) {
    messages_.contents().keep_ahead(*message, std::move(*content), reactor_.now());
  }
  co_return Result<>();
}

// What cannot be read is told by the runner that needs it.
ring::Task<void> ReadAhead::read_ahead(Key key, spool::Location location) {
  co_await read(key, location);
}

ring::Task<void> ReadAhead::close() {
  co_await gate_.close();
}

}  // namespace ringpost::delivery
