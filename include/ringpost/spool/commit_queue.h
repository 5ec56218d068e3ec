// What waits to become durable: the batch that fills, those behind it, and who waits for them.
// Decides where each batch will lie, so that a record's place is known when it is appended; after a
// failed write it moves all that is waiting to fresh segments. Called by Spool (appending) and by
// GroupCommit (writing). Does no I/O.
#pragma once

#include <coroutine>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/ring/event.h"
#include "ringpost/spool/batch_builder.h"
#include "ringpost/spool/location.h"
#include "ringpost/spool/relocations.h"

namespace ringpost::spool {

class CommitQueue;

// `int error = co_await spool.committed(ticket);`: 0 when everything up to the ticket is durable,
// a negative errno if its batch could not be written.
class [[nodiscard]] Committed final : private CommitWaiter {
 public:
  Committed(CommitQueue& queue, Ticket ticket) : queue_(queue), ticket_(ticket) {}
  [[nodiscard]] bool await_ready() const;
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> caller) {
    coroutine_ = caller;
    ready_ = &caller.promise().ready();
    enlist();
  }
  int await_resume() const;

 private:
  friend class CommitQueue;
  void enlist();
  void settled(int) override { ready_->push(coroutine_); }

  CommitQueue& queue_;
  Ticket ticket_;
  std::coroutine_handle<> coroutine_;
  ring::ReadyQueue* ready_ = nullptr;
};

class CommitQueue {
 public:
  // A batch that has reached `batch_bound` takes no more records; a longer record makes a batch of
  // its own. `waiting_bound` is what has_room() watches.
  explicit CommitQueue(std::uint64_t segment_size, std::size_t batch_bound = 1 << 20,
                       std::size_t waiting_bound = 8 << 20);

  // After recovery, before the first record.
  void start(std::uint32_t next_segment);

  // Whether a segment can hold such a record at all.
  [[nodiscard]] bool can_hold(std::size_t head, std::size_t content) const;
  // Never waits. `head` is an encoded header and meta.
  Location add(std::string_view head, std::string_view content, bool is_message);
  // A message and records about it, in one batch, so that none is ever there without the others.
  // Where the content lies; nothing if no segment can hold them together.
  std::optional<Location> add_together(std::span<const std::string> heads,
                                       std::string_view content);
  void add_reference(std::uint32_t segment) { pending_.back()->add_reference(segment); }
  // Of the record that was added last.
  [[nodiscard]] Ticket newest() const { return {next_ticket_ - 1}; }

  // Once the ticket's batch is durable, the message counts as finished. False if it is already.
  bool finish_after(const Location& location, Ticket ticket);

  [[nodiscard]] bool settled(Ticket ticket) const { return ticket.batch <= settled_; }
  [[nodiscard]] int error_of(Ticket ticket) const;
  void wait(Committed& waiter);

  [[nodiscard]] bool has_room() const { return waiting_bytes_ < waiting_bound_; }
  [[nodiscard]] std::uint64_t waiting_bytes() const { return waiting_bytes_; }
  ring::Event& room() { return room_; }

  // For the writer. `work` is notified by the first record that comes into an empty queue.
  ring::Event& work() { return work_; }
  [[nodiscard]] bool empty() const { return pending_.empty(); }
  // The oldest batch, which takes no more records from now on.
  BatchBuilder& front();
  // The oldest batch is durable (0) or failed; its waiters go on.
  void settle_front(int error);
  void fail_all(int error);
  // Moves all that waits to fresh segments, of which the number of the first is returned; its first
  // block behind the header is left for a batch of voids.
  std::uint32_t move_to_fresh_segment();

  // Where a location lies now: the same, unless its batch had to be moved or the message was copied
  // forward.
  [[nodiscard]] Location resolve(Location location) const;
  // What else its callers may call this place, since its batch was moved.
  [[nodiscard]] std::vector<Location> names_of(const Location& place) const;
  Relocations& relocations() { return relocations_; }
  void segment_retired(std::uint64_t segment);

 private:
  struct Position {
    std::uint32_t segment = 0;
    std::uint64_t offset = 0;
    std::uint64_t index_size = 0;
  };
  struct Redirect {
    std::uint32_t old_segment, old_offset, length, new_segment, new_offset;
  };
  struct FailedTickets {
    std::uint64_t first, last;
    int error;
  };

  [[nodiscard]] bool fits(std::uint64_t offset, std::uint64_t length, std::uint64_t index) const;
  [[nodiscard]] bool takes_another(const BatchBuilder& batch, std::size_t head,
                                   std::size_t content) const;
  void advance(const BatchBuilder& batch);
  void close_filling();
  // Opens a batch unless the one that fills takes this as well.
  void make_room(std::size_t head, std::size_t content);
  void begin_batch();
  void recycle_front();
  void redirect(const BatchBuilder& batch, std::uint32_t segment, std::uint32_t offset);

  std::uint64_t segment_size_;
  std::size_t batch_bound_;
  std::uint64_t waiting_bound_;
  std::uint64_t waiting_bytes_ = 0;
  std::deque<std::unique_ptr<BatchBuilder>> pending_;
  std::vector<std::unique_ptr<BatchBuilder>> spare_;
  bool filling_ = false;  // the last of pending_ takes records
  Position position_;     // where the next batch begins
  std::uint32_t next_segment_ = 1;
  std::uint64_t next_ticket_ = 1;
  std::uint64_t settled_ = 0;
  std::vector<FailedTickets> failed_;
  std::vector<Redirect> redirects_;
  Relocations relocations_;
  ring::Event work_;
  ring::Event room_;
};

}  // namespace ringpost::spool
