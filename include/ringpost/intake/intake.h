// The one door into the queue of a shard: for the listener, for reports, for what other shards hand
// over, and for what recovery finds. Makes messages durable on the shards that own their
// recipients, then files them. Answers a Verdict only when the spool has it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "ringpost/delivery/group_service.h"
#include "ringpost/delivery/ledger.h"
#include "ringpost/delivery/placing.h"
#include "ringpost/dns/cache.h"
#include "ringpost/events/writer.h"
#include "ringpost/intake/assignment.h"
#include "ringpost/intake/content_memory.h"
#include "ringpost/intake/neighbours.h"
#include "ringpost/queue/queue_group.h"
#include "ringpost/ring/reactor.h"
#include "ringpost/spool/spool.h"

namespace ringpost::intake {

// A queue group that lives on this shard.
struct LocalGroup {
  queue::QueueGroup* queue = nullptr;  // null: the group lives elsewhere
  delivery::GroupService* service = nullptr;
};

// Memory for a large content, from the shard that will store it.
struct MemoryGrant {
  std::uint32_t shard = 0;
  std::uint64_t bytes = 0;  // 0: none
};

class Intake final : public delivery::Placing {
 public:
  struct Room {  // what outlives it
    ring::Reactor& reactor;
    const Assignment& assignment;
    spool::Spool& spool;
    events::EventWriter& events;
    queue::Messages& messages;
    delivery::Ledger& ledger;
    Neighbours& neighbours;
    ContentMemory& memory;
    std::uint32_t shard;
  };

  // `groups` by the assignment's numbers; outlives it, complete before the first message.
  Intake(Room room, const std::vector<LocalGroup>& groups);

  // Makes the grant `wanted` bytes altogether, for a message to these recipients. Waits for them,
  // but not for ever: false.
  ring::Task<bool> grow(MemoryGrant& grant, std::uint64_t wanted,
                        const std::vector<std::string>& recipients);
  // Once the message is stored, or will not be.
  void give_back(MemoryGrant grant);

  // A new message, from wherever. When it returns `accepted` it is durable, or in memory if its
  // queue group's durability allows that. `forwards`: how many shards it has passed already.
  ring::Task<Verdict> accept(std::unique_ptr<mail::Message> message, std::uint32_t forwards = 0);
  // The same for a report, which after a restart may be in the queue already.
  ring::Task<Verdict> accept_once(std::unique_ptr<mail::Message> report,
                                  std::uint32_t forwards = 0);
  // From another shard: all its recipients belong to groups of this one. Twice the same parcel is
  // stored once.
  ring::Task<Verdict> take_over(Parcel parcel);
  // What took_over() took is ours for good.
  ring::Task<void> confirmed(spool::PartKey key);

  // Where recipients of this domain go now.
  [[nodiscard]] GroupPlace place_domain(std::string_view domain) const;
  // The same for people who ask: also of what was learnt long ago and is still queued here.
  [[nodiscard]] GroupPlace place_to_tell(std::string_view domain) const;
  // Another shard has learnt that.
  void believe(LearntHost learnt);
  bool belongs(const queue::QueueGroup& group, const queue::Domain& domain,
               const queue::LaneKey& route, Instant until) override;
  ring::Task<bool> move_out(queue::QueueGroup& group, queue::Domain& domain) override;

  // Recipients of a message that are queued nowhere: filed where they belong now, here or on
  // another shard.
  void refile(queue::QueuedMessage& message, std::span<const std::uint32_t> recipients,
              WallTime due);

  // The assignment has changed: recipients go where they belong now. In portions, in the
  // background; those in flight when they come back.
  void resettle();
  // A queue group of this shard for recipients whose own lives elsewhere and that may not be handed
  // over.
  void set_fallback(LocalGroup group) { fallback_ = group; }

  // --- recovery, before anything else -----------------------------------------------------------
  void recover(spool::RecoveredMessage&& message);
  [[nodiscard]] HandOvers hand_overs() const;
  // `all`: those of all shards, sorted. Confirms what nobody will hand over again, then goes on
  // with the hand-overs of our own.
  void resume(const HandOvers& all);
  // Parts that were taken and whose givers have not let go yet.
  [[nodiscard]] std::size_t unconfirmed() const { return unconfirmed_.size(); }

  [[nodiscard]] std::uint64_t accepted_total() const { return accepted_; }
  ring::Task<void> close();

 private:
  // Recipients on their way to another shard.
  struct GivenPart {
    spool::PartKey key;  // of the message here
    spool::Location location;
    std::uint32_t part = 0;
    std::uint32_t shard = 0;
    std::vector<std::uint32_t> recipients;
    std::vector<LearntHost> learnt;
    bool recorded = false;  // the spool knows that they are frozen
    bool taken = false;     // before the restart, by the spool of a shard that is no more
  };
  using Message = std::unique_ptr<mail::Message>;

  // A part that we took and that its giver may still ask for.
  struct TakenPart {
    std::uint64_t recipients = 0;             // their hash, by which to know it again
    std::optional<spool::Location> location;  // once it is durable
  };
  // To every other shard go only so many parts at once: each holds a copy of the content.
  static constexpr std::uint32_t most_hand_overs = 64;
  // Shards that a whole message may pass without being stored there.
  static constexpr std::uint32_t most_forwards = 2;

  // Tells whether two parts have the same recipients.
  static std::uint64_t hash_of(std::span<const std::string> addresses);
  // Nothing if it may be appended now.
  [[nodiscard]] std::optional<Verdict> obstacle(const mail::Message& message) const;
  ring::Task<Verdict> store(Message message, std::uint32_t part);
  [[nodiscard]] std::optional<Instant> may_store_by(const mail::Message& message,
                                                    std::uint32_t part) const;
  void keep_in_memory(Message message, Instant deadline);
  ring::Task<Verdict> store_and_give(Message message, std::vector<std::uint32_t> shards);
  queue::QueuedMessage& enqueue(Message message, std::uint32_t part, spool::Location location);
  // All recipients, for now. Those whose group lives elsewhere by now are handed on.
  void file_all(queue::QueuedMessage& message);
  // Recipients to be filed together: those of one queue group that are due at the same time.
  using Batches = std::map<std::pair<std::uint32_t, WallTime>, std::vector<std::uint32_t>>;
  static void add_to(Batches& batches, const GroupPlace& place, WallTime due,
                     std::uint32_t recipient);
  void file_or_give(queue::QueuedMessage& message, std::span<const std::uint32_t> recipients,
                    WallTime due, bool arrived);
  void file(queue::QueuedMessage& message, const Batches& batches);
  ring::Task<void> resettle_all(std::uint64_t round);
  // Whether some of it has to be looked at again.
  bool resettle(queue::QueuedMessage& message);
  [[nodiscard]] static bool may_give(const queue::QueuedMessage& message);
  void drop_suppressed(queue::QueuedMessage& message, queue::QueueGroup& group,
                       std::span<const std::uint32_t> recipients);
  void tell_received(const queue::QueuedMessage& message);
  // placing.cc
  [[nodiscard]] const LearntHost* believed(std::string_view domain) const;
  void believe_all(std::vector<LearntHost> learnt);
  void note_learnt(std::vector<LearntHost>& learnt, std::string_view address) const;
  [[nodiscard]] GroupPlace place(std::string_view address) const;
  [[nodiscard]] GroupPlace place_of_arrival(std::string_view address) const;
  [[nodiscard]] GroupPlace place_of_queued(const queue::Domain& domain) const;
  [[nodiscard]] bool may_move(const queue::QueuedMessage& message, const GroupPlace& place) const;
  void move(queue::QueueGroup& group, const std::vector<queue::Entry*>& entries,
            const GroupPlace& place);
  void tell_moved(const queue::QueuedMessage& message, std::span<const std::uint32_t> recipients,
                  std::uint32_t group);
  [[nodiscard]] events::Event event_about(const queue::QueuedMessage& message,
                                          const queue::QueuedRecipient& recipient) const;
  [[nodiscard]] std::uint32_t shard_of(std::string_view address) const;
  // The group as it is here; the spool of a shard that is no more has none.
  [[nodiscard]] LocalGroup local(std::uint32_t group) const {
    return group < groups_.size() ? groups_[group] : LocalGroup();
  }
  // Which shard stores a message to these: their own, or that of the session where they differ.
  [[nodiscard]] std::uint32_t storing_shard(const std::vector<std::string>& recipients) const;
  ring::Task<bool> ask_memory(std::uint32_t shard, std::uint64_t held, std::uint64_t wanted);
  ring::Task<void> return_memory(MemoryGrant grant);
  void restore_recipients(queue::QueuedMessage& message, const spool::RecoveredMessage& recovered);
  void restore_reports(const spool::RecoveredMessage& recovered);

  // Adds the recipient to what goes to that shard.
  void give_on(queue::QueuedMessage& message, std::uint32_t recipient, std::uint32_t shard,
               std::map<std::uint32_t, GivenPart>& given);
  ring::Task<void> hand_over(GivenPart given);
  // Those that recovery found for this shard, one after the other.
  ring::Task<void> hand_over_all(std::uint32_t shard);
  // What was given to shards that are no more, and not taken, goes to those that own it now.
  void redirect(const HandOvers& all);
  // Another part of the message has the number already, or it goes to another shard.
  void renumber(GivenPart& given);
  // Of a part that its taker has refused, and so has not got: whether its time is over.
  bool expire(const GivenPart& given);
  // Freezes them on disk, where recovery found that their group lives elsewhere now.
  ring::Task<bool> record_given(const GivenPart& given);
  ring::Task<Message> make_part(const GivenPart& given);
  // Once the other shard has memory for the content.
  ring::Task<std::optional<Verdict>> submit_part(const GivenPart& given);
  ring::Task<bool> record_moved(const GivenPart& given);

  Room room_;
  const std::vector<LocalGroup>& groups_;
  std::uint64_t accepted_ = 0;
  std::map<spool::PartKey, TakenPart> unconfirmed_;
  std::map<std::uint32_t, std::deque<GivenPart>> to_give_;  // found by recovery, by shard
  LocalGroup fallback_;
  std::unique_ptr<dns::Cache<LearntHost>> learnt_;  // by domain; null: nothing yet
  std::uint32_t giving_ = 0;                        // hand-overs under way
  ring::Event given_;                               // one of them ended
  std::uint64_t resettling_ = 0;                    // counts
  bool recovering_ = true;
  bool closing_ = false;
  ring::Event stop_;
  ring::Gate gate_;
};

}  // namespace ringpost::intake
