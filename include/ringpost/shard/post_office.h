// The letters that shards leave for each other and the mailboxes they lie in: one for each ordered
// pair. Owned by the daemon, outlives every shard. Each letter is a request with its answer; who
// asks reserves the answer's place, so no mailbox ever overflows and answering never waits.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "ringpost/config/load.h"
#include "ringpost/control/inspect.h"
#include "ringpost/intake/neighbours.h"
#include "ringpost/mail/suppression_list.h"
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
struct MemoryLetter {  // asks for it, or gives it back
  std::uint64_t token;
  std::uint64_t held;
  std::uint64_t wanted;  // 0: nothing any more
};
struct QuestionLetter {
  std::uint64_t token;
  control::Command command;
};
struct AnswerLetter {
  std::uint64_t token;
  std::variant<intake::Verdict, control::Answer> answer;
};
using Letter = std::variant<std::monostate, SubmitLetter, ConfirmLetter, MemoryLetter,
                            QuestionLetter, AnswerLetter>;

// What a shard gets from the daemon's main thread on reload: a copy of its own.
struct NewConfiguration {
  config::Loaded loaded;
  std::shared_ptr<const mail::SuppressionList> suppressed;
};

// What became of the newest reload; `answers` is the highest request that it answers.
struct ReloadReport {
  std::uint32_t answers = 0;
  std::uint32_t round = 0;  // of those that shards were given; nothing was given if there are:
  std::vector<std::string> problems;
  std::uint64_t suppressed = 0;
};

class PostOffice {
 public:
  // Requests that a shard may have under way to another.
  static constexpr std::size_t most_requests = 1024;
  // Of these, those that wait for memory there: they shall not be in small messages' way.
  static constexpr std::size_t most_waiting = 256;
  // Hints (what was learnt of domains) that a shard may not have read yet; further ones are lost.
  static constexpr std::size_t most_hints = 1024;
  // Configurations that a shard may not have taken yet.
  static constexpr std::size_t most_configurations = 4;

  explicit PostOffice(std::uint32_t shards)
      : shards_(shards), reactors_(shards), turns_(shards), turns_seen_(shards) {
    for (std::uint32_t shard = 0; shard < shards; ++shard) {
      configurations_.push_back(std::make_unique<ConfigurationBox>(most_configurations));
    }
    for (std::uint32_t pair = 0; pair < shards * shards; ++pair) {
      // Requests one way and answers to the other way's requests.
      boxes_.push_back(std::make_unique<ring::Mailbox<Letter>>(2 * most_requests));
      hints_.push_back(std::make_unique<HintBox>(most_hints));
    }
  }

  [[nodiscard]] std::uint32_t shards() const { return shards_; }
  // From the main thread to `shard`.
  using ConfigurationBox = ring::Mailbox<std::unique_ptr<NewConfiguration>>;
  [[nodiscard]] ConfigurationBox& configurations(std::uint32_t shard) {
    return *configurations_[shard];
  }
  // Reloads are rare: whoever asks for one looks here until it is answered.
  void report(ReloadReport report) {
    const std::lock_guard lock(report_mutex_);
    report_ = std::move(report);
  }
  [[nodiscard]] ReloadReport newest_report() {
    const std::lock_guard lock(report_mutex_);
    return report_;
  }
  [[nodiscard]] ring::Mailbox<Letter>& box(std::uint32_t from, std::uint32_t to) {
    return *boxes_[from * shards_ + to];
  }
  using HintBox = ring::Mailbox<intake::LearntHost>;
  [[nodiscard]] HintBox& hints(std::uint32_t from, std::uint32_t to) {
    return *hints_[from * shards_ + to];
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
  std::atomic<std::uint32_t> reopen_logs = 0;           // counts
  std::atomic<std::uint32_t> reloads_wanted = 0;        // counts
  std::atomic<std::uint32_t> configurations_taken = 0;  // over all shards
  // How many shards have come so far in going down.
  // Of any message that any shard has found in its spool: ids of a shard lie in all spools, and the
  // clock may have been set back.
  std::atomic<std::uint64_t> highest_id = 0;
  std::atomic<std::uint32_t> listeners_closed = 0;
  std::atomic<std::uint32_t> intakes_closed = 0;

 private:
  std::uint32_t shards_;
  std::vector<std::unique_ptr<ring::Mailbox<Letter>>> boxes_;
  std::vector<std::unique_ptr<HintBox>> hints_;
  std::vector<std::unique_ptr<ConfigurationBox>> configurations_;
  std::mutex report_mutex_;
  ReloadReport report_;
  std::vector<ring::Reactor*> reactors_;
  std::vector<std::atomic<std::uint32_t>> turns_;
  std::vector<std::uint32_t> turns_seen_;  // by the daemon's main thread
};

}  // namespace ringpost::shard
