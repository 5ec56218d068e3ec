// A shard's end of the post: sends requests to the other shards and waits for their answers, and
// answers theirs. Looks into its mailboxes once a turn.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "ringpost/control/operator.h"
#include "ringpost/control/server.h"
#include "ringpost/intake/intake.h"
#include "ringpost/shard/post_office.h"

namespace ringpost::shard {

class Links final : public ring::Inbox, public intake::Neighbours {
 public:
  // `memory` outlives it.
  Links(ring::Reactor& reactor, PostOffice& post, std::uint32_t shard,
        intake::ContentMemory& memory);

  // From now on letters are read; until then they wait in their mailboxes.
  // `reconfigure` is called between two turns, with the newest configuration only.
  using Reconfigure = std::function<void(NewConfiguration)>;
  void start(intake::Intake& intake, const control::ShardView& view, control::Operator& hand,
             Reconfigure reconfigure);
  // The spool of a shard that is no more is handed over from here: what its parts' givers confirm
  // is its intake's affair. Null: no longer.
  void adopt(std::uint32_t shard, intake::Intake* intake);
  // Waits until every request was answered.
  ring::Task<void> close();

  // Notified when the daemon asks something new of all shards.
  [[nodiscard]] ring::Event& news() { return news_; }

  bool poll() override;
  ring::Task<intake::Verdict> submit(std::uint32_t shard, intake::Parcel parcel) override;
  ring::Task<void> confirm(std::uint32_t shard, spool::PartKey key) override;
  ring::Task<bool> ask_memory(std::uint32_t shard, std::uint64_t held,
                              std::uint64_t wanted) override;
  ring::Task<void> return_memory(std::uint32_t shard, std::uint64_t held) override;
  void tell(const intake::LearntHost& learnt) override;
  // The same question to every shard, this one included.
  ring::Task<std::vector<control::Answer>> ask_all(control::Command command);

 private:
  using Answer = std::variant<intake::Verdict, control::Answer>;
  struct Waiting {
    bool answered = false;
    Answer answer;
    ring::Event arrived;
  };

  // Posts the letter when a request may go, and waits for its answer.
  ring::Task<Answer> request(std::uint32_t shard, Letter letter, std::uint64_t token);
  void post(std::uint32_t shard, Letter letter);
  void handle(std::uint32_t from, Letter letter);
  bool take_configuration();
  ring::Task<void> answer_submit(std::uint32_t from, SubmitLetter letter);
  ring::Task<void> answer_order(std::uint32_t from, QuestionLetter letter);
  ring::Task<void> answer_memory(std::uint32_t from, MemoryLetter letter);
  ring::Task<void> answer_confirm(std::uint32_t from, ConfirmLetter letter);
  ring::Task<void> confirm_here(spool::PartKey key);
  void take_answer(AnswerLetter letter);

  ring::Reactor& reactor_;
  PostOffice& post_;
  std::uint32_t shard_;
  intake::ContentMemory& memory_;
  intake::Intake* intake_ = nullptr;
  std::map<std::uint32_t, intake::Intake*> adopted_;  // by the numbers of shards that are no more
  const control::ShardView* view_ = nullptr;
  control::Operator* operator_ = nullptr;
  Reconfigure reconfigure_;
  std::uint64_t next_token_ = 1;
  std::map<std::uint64_t, Waiting*> waiting_;
  std::vector<std::size_t> under_way_;  // requests, by shard
  std::vector<std::size_t> waiting_for_memory_;
  bool drain_seen_ = false;
  std::uint32_t reopen_seen_ = 0;
  ring::Event news_;
  std::deque<ring::Event> room_;  // for requests, by shard
  std::deque<ring::Event> memory_room_;
  ring::Gate gate_;
};

}  // namespace ringpost::shard
