// The letters that shards leave for each other and the mailboxes they lie in: one for each ordered
// pair. Owned by the daemon, outlives every shard. Each letter is a request with its answer; who
// asks reserves the answer's place, so no mailbox ever overflows and answering never waits.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

#include "ringpost/control/inspect.h"
#include "ringpost/intake/neighbours.h"
#include "ringpost/ring/mailbox.h"
#include "ringpost/ring/reactor.h"

namespace ringpost::shard {

struct SubmitLetter {
  std::uint64_t token;
  intake::Parcel parcel;
};
struct ConfirmLetter {
  std::uint64_t token;
  spool::PartKey key;
};
struct QuestionLetter {
  std::uint64_t token;
  control::Command command;
};
struct AnswerLetter {
  std::uint64_t token;
  std::variant<intake::Verdict, control::Answer> answer;
};
using Letter =
    std::variant<std::monostate, SubmitLetter, ConfirmLetter, QuestionLetter, AnswerLetter>;

class PostOffice {
 public:
  // Requests that a shard may have under way to another.
  static constexpr std::size_t most_requests = 1024;

  explicit PostOffice(std::uint32_t shards)
      : shards_(shards), reactors_(shards), turns_(shards), turns_seen_(shards) {
    for (std::uint32_t pair = 0; pair < shards * shards; ++pair) {
      // Requests one way and answers to the other way's requests.
      boxes_.push_back(std::make_unique<ring::Mailbox<Letter>>(2 * most_requests));
    }
  }

  [[nodiscard]] std::uint32_t shards() const { return shards_; }
  [[nodiscard]] ring::Mailbox<Letter>& box(std::uint32_t from, std::uint32_t to) {
    return *boxes_[from * shards_ + to];
  }
  // Whom to wake for letters to `shard`. Before any thread runs.
  void enroll(std::uint32_t shard, ring::Reactor& reactor) { reactors_[shard] = &reactor; }
  void wake(std::uint32_t shard) { reactors_[shard]->wake(); }
  void wake_all() {
    for (ring::Reactor* const reactor : reactors_) {
      reactor->wake();
    }
  }

  // The shard has taken a turn: it is neither stuck nor ended.
  void note_turn(std::uint32_t shard) {
    std::atomic<std::uint32_t>& turns = turns_[shard];  // written by its own thread only
    turns.store(turns.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  // Whether every shard has taken a turn since this was asked last.
  bool all_turned() {
    bool all = true;
    for (std::uint32_t shard = 0; shard < shards_; ++shard) {
      const std::uint32_t turns = turns_[shard].load(std::memory_order_relaxed);
      all = all && turns != turns_seen_[shard];
      turns_seen_[shard] = turns;
    }
    return all;
  }

  // What the daemon asks of all shards. Set by its main thread, looked at once a turn.
  std::atomic<bool> drain = false;
  std::atomic<std::uint32_t> reopen_logs = 0;  // counts
  // How many shards have come so far in going down.
  // Of any message that any shard has found in its spool: ids of a shard lie in all spools, and the
  // clock may have been set back.
  std::atomic<std::uint64_t> highest_id = 0;
  std::atomic<std::uint32_t> listeners_closed = 0;
  std::atomic<std::uint32_t> intakes_closed = 0;

 private:
  std::uint32_t shards_;
  std::vector<std::unique_ptr<ring::Mailbox<Letter>>> boxes_;
  std::vector<ring::Reactor*> reactors_;
  std::vector<std::atomic<std::uint32_t>> turns_;
  std::vector<std::uint32_t> turns_seen_;  // by the daemon's main thread
};

}  // namespace ringpost::shard
