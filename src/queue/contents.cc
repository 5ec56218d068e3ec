#include "ringpost/queue/contents.h"

#include <memory>
#include <utility>

#include "ringpost/base/check.h"
#include "ringpost/queue/queued_message.h"

namespace ringpost::queue {
namespace {

// What it takes in memory, which may be more than it is long.
std::uint64_t cost_of(const std::string& bytes) {
  return sizeof(Content) + bytes.capacity();
}

}  // namespace

void Contents::set_budget(std::uint64_t bytes) {
  budget_ = bytes;
}

Contents::List& Contents::list(Content::Place place) {
  switch (place) {
    case Content::Place::waiting:
      return waiting_;
    case Content::Place::ahead:
      return ahead_;
    case Content::Place::in_use:
      return in_use_;
    case Content::Place::spent:
      break;
  }
  return spent_;
}

void Contents::move(Content& content, Content::Place place) {
  const std::uint64_t cost = cost_of(content.bytes);
  if (content.linked()) {
    content.unlink();
    ahead_bytes_ -= content.place == Content::Place::ahead ? cost : 0;
  }
  content.place = place;
  ahead_bytes_ += place == Content::Place::ahead ? cost : 0;
  list(place).push_back(content);
}

void Contents::add(QueuedMessage& message, std::string content, Content::Place place, Instant now) {
  drop(message);
  auto made = std::make_unique<Content>();
  made->bytes = std::move(content);
  made->message = &message;
  made->since = now;
  bytes_ += cost_of(made->bytes);
  move(*made, place);
  message.content_ = std::move(made);
}

Content* Contents::least_wanted(Instant now, bool newest_too) {
  if (!spent_.empty()) {
    return &spent_.front();
  }
  if (waiting_.empty()) {
    return nullptr;
  }
  if (now - waiting_.front().since >= patience) {
    return &waiting_.front();
  }
  return newest_too ? &waiting_.back() : nullptr;
}

void Contents::offer(QueuedMessage& message, std::string content, Instant now) {
  const std::uint64_t cost = cost_of(content);
  while (bytes_ + cost > budget_) {
    Content* const other = least_wanted(now, false);
    if (other == nullptr) {
      return;
    }
    drop(*other->message);
  }
  add(message, std::move(content), Content::Place::waiting, now);
}

void Contents::keep_ahead(QueuedMessage& message, std::string content, Instant now) {
  add(message, std::move(content), Content::Place::ahead, now);
  shed(now);
}

void Contents::shed(Instant now) {
  const auto first_is_old = [this] { return ++ahead_.begin() != ahead_.end(); };
  while (ahead_bytes_ > budget_ / 2 && !ahead_.empty() && first_is_old()) {
    drop(*ahead_.front().message);
  }
  while (bytes_ > budget_) {
    Content* other = least_wanted(now, true);
    if (other == nullptr && !ahead_.empty() && first_is_old()) {
      other = &ahead_.front();
    }
    if (other == nullptr) {
      return;  // all the rest is in use
    }
    drop(*other->message);
  }
}

bool Contents::is_ahead(const QueuedMessage& message) {
  return message.content_ != nullptr && message.content_->place == Content::Place::ahead;
}

void Contents::use(QueuedMessage& message) {
  check(message.content_ != nullptr, "a content is used that is not in memory");
  if (++message.content_->users == 1) {
    move(*message.content_, Content::Place::in_use);
  }
}

void Contents::leave(QueuedMessage& message) {
  check(message.content_ != nullptr && message.content_->users > 0, "a content was not in use");
  if (--message.content_->users == 0) {
    move(*message.content_, Content::Place::spent);
  }
}

bool Contents::has_room_for(const std::string& content) const {
  return bytes_ + cost_of(content) <= budget_;
}

void Contents::unpin(QueuedMessage& message) {
  check(message.content_ != nullptr && message.content_->users > 0, "a content was not pinned");
  if (--message.content_->users == 0) {
    move(*message.content_, Content::Place::waiting);
  }
}

void Contents::drop(QueuedMessage& message) {
  if (message.content_ == nullptr) {
    return;
  }
  Content& content = *message.content_;
  const std::uint64_t cost = cost_of(content.bytes);
  content.unlink();
  bytes_ -= cost;
  ahead_bytes_ -= content.place == Content::Place::ahead ? cost : 0;
  message.content_.reset();
}

}  // namespace ringpost::queue
