// The recipients of one message that one transaction may serve: same message, same domain, same due
// time, at most `max_recipients_per_transaction`. Owned by its queue group; in exactly one state,
// and on exactly one list, at any time. A cache line long: there is one for nearly every recipient.
#pragma once

#include <cstdint>

#include "ringpost/base/intrusive_list.h"
#include "ringpost/base/time.h"
#include "ringpost/queue/queued_message.h"

namespace ringpost::queue {

class Domain;
struct Flow;

struct QueueTag {};   // the list of the entry's state
struct ExpiryTag {};  // the schedule of expiry; off it once that time has passed

enum class EntryState : std::uint8_t { ready, deferred, held, expired, in_flight };

inline constexpr std::uint32_t max_entry_recipients = 0xffff;

class Entry : public ListHook<QueueTag>, public ListHook<ExpiryTag> {
 public:
  [[nodiscard]] QueuedMessage& message() const { return *message_; }
  [[nodiscard]] Domain& domain() const;
  [[nodiscard]] EntryState state() const { return state_; }
  [[nodiscard]] Instant due() const { return due_; }
  [[nodiscard]] std::uint32_t count() const { return count_; }
  // Was in doubt: its transaction goes alone, at depth 1 (RFC 1047).
  [[nodiscard]] bool alone() const { return alone_; }

  class Iterator {
   public:
    Iterator(QueuedRecipient* all, std::uint32_t at, std::uint32_t left)
        : all_(all), at_(at), left_(left) {}
    QueuedRecipient& operator*() const { return all_[at_]; }
    QueuedRecipient* operator->() const { return &all_[at_]; }
    Iterator& operator++() {
      at_ = all_[at_].next_;
      --left_;
      return *this;
    }
    bool operator==(const Iterator& other) const { return left_ == other.left_; }

   private:
    QueuedRecipient* all_;
    std::uint32_t at_;
    std::uint32_t left_;
  };
  struct Recipients {
    Iterator first;
    Iterator last;
    [[nodiscard]] Iterator begin() const { return first; }
    [[nodiscard]] Iterator end() const { return last; }
  };
  // In the order in which results are handed to finish().
  [[nodiscard]] Recipients recipients() const {
    QueuedRecipient* all = message_->recipients().data();
    return {Iterator(all, all[last_].next_, count_), Iterator(all, 0, 0)};
  }

 private:
  friend class QueueGroup;

  QueuedMessage* message_ = nullptr;
  Flow* flow_ = nullptr;
  Instant due_;             // while deferred
  std::uint32_t last_ = 0;  // its recipients form a ring: the first one follows
  std::uint16_t count_ = 0;
  EntryState state_ = EntryState::in_flight;
  bool alone_ = false;
};

static_assert(sizeof(Entry) == 64);

inline RecipientState QueuedRecipient::state() const {
  if (done_) {
    return RecipientState::done;
  }
  return entry_ != nullptr && entry_->state() == EntryState::in_flight ? RecipientState::in_flight
                                                                       : RecipientState::queued;
}

}  // namespace ringpost::queue
