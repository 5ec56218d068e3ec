// The messages' contents that are in memory, within a budget: all but the pinned are on disk too,
// so any that is not in use may go at any time. First go those of messages that were tried and wait
// for another attempt, then what nobody has come for in a minute, then those that came last, whose
// turn is the furthest. Owned by `Messages`; reads no clock. (pure)
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "ringpost/base/intrusive_list.h"
#include "ringpost/base/time.h"

namespace ringpost::queue {

class QueuedMessage;

struct ContentTag {};

// One content in memory; owned by its message.
struct Content : ListHook<ContentTag> {
  enum class Place : std::uint8_t { waiting, ahead, in_use, spent };

  std::string bytes;
  QueuedMessage* message = nullptr;
  Instant since;            // when it came
  std::uint32_t users = 0;  // transactions that send it now
  Place place = Place::waiting;
};

class Contents {
 public:
  // What nobody has come for in so long gives way to what is new.
  static constexpr Duration patience = 1min;

  void set_budget(std::uint64_t bytes);

  // Of a new message. Not kept if that would take more than the budget.
  void offer(QueuedMessage& message, std::string content, Instant now);
  // Read back from disk for a runner that will come for it soon: kept, others give way. These take
  // half of the budget at most, but there may always be one.
  void keep_ahead(QueuedMessage& message, std::string content, Instant now);
  // Whether the content is there because it was read back.
  [[nodiscard]] static bool is_ahead(const QueuedMessage& message);

  // Must be there, and stays until as many leave(): a transaction sends it.
  void use(QueuedMessage& message);
  void leave(QueuedMessage& message);

  // For a message that is nowhere else: its content stays, until it is on disk. Ask has_room_for()
  // before it comes.
  [[nodiscard]] bool has_room_for(const std::string& content) const;
  void pin(QueuedMessage& message) { use(message); }
  void unpin(QueuedMessage& message);

  void drop(QueuedMessage& message);

  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  using List = IntrusiveList<Content, ContentTag>;

  void add(QueuedMessage& message, std::string content, Content::Place place, Instant now);
  void move(Content& content, Content::Place place);
  [[nodiscard]] List& list(Content::Place place);
  // The next one to go for something that comes now; null if there is none.
  [[nodiscard]] Content* least_wanted(Instant now, bool newest_too);
  void shed(Instant now);

  std::uint64_t budget_ = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t bytes_ = 0;
  std::uint64_t ahead_bytes_ = 0;
  List waiting_;
  List ahead_;
  List in_use_;
  List spent_;
};

}  // namespace ringpost::queue
