#include "ringpost/shard/links.h"

#include <utility>

#include "ringpost/delivery/places.h"

namespace ringpost::shard {

Links::Links(ring::Reactor& reactor, PostOffice& post, std::uint32_t shard,
             intake::ContentMemory& memory)
    : reactor_(reactor),
      post_(post),
      shard_(shard),
      memory_(memory),
      under_way_(post.shards()),
      waiting_for_memory_(post.shards()),
      room_(post.shards()),
      memory_room_(post.shards()),
      gate_(reactor.ready()) {}

void Links::start(intake::Intake& intake, const control::ShardView& view, control::Operator& hand,
                  Reconfigure reconfigure) {
  intake_ = &intake;
  view_ = &view;
  operator_ = &hand;
  reconfigure_ = std::move(reconfigure);
  reactor_.set_inbox(this);
}

void Links::adopt(std::uint32_t shard, intake::Intake* intake) {
  adopted_[shard] = intake;
}

ring::Task<void> Links::close() {
  co_await gate_.close();
}

void Links::post(std::uint32_t shard, Letter letter) {
  const bool pushed = post_.box(shard_, shard).try_push(std::move(letter));
  check(pushed, "a mailbox overflowed although every letter has its place");
  post_.wake(shard);
}

bool Links::poll() {
  post_.note_turn(shard_);
  const bool drain = post_.drain.load();
  const std::uint32_t reopen = post_.reopen_logs.load();
  bool any = drain != drain_seen_ || reopen != reopen_seen_;
  if (any) {
    drain_seen_ = drain;
    reopen_seen_ = reopen;
    news_.notify_all();
  }
  any |= take_configuration();
  for (std::uint32_t from = 0; from < post_.shards(); ++from) {
    Letter letter;
    while (from != shard_ && post_.box(from, shard_).try_pop(letter)) {
      any = true;
      handle(from, std::move(letter));
    }
    intake::LearntHost hint;
    while (from != shard_ && post_.hints(from, shard_).try_pop(hint)) {
      any = true;
      intake_->believe(std::move(hint));
    }
  }
  return any;
}

bool Links::take_configuration() {
  std::unique_ptr<NewConfiguration> newest;
  std::uint32_t taken = 0;
  for (std::unique_ptr<NewConfiguration> next; post_.configurations(shard_).try_pop(next);) {
    newest = std::move(next);
    ++taken;
  }
  if (newest != nullptr) {
    reconfigure_(std::move(*newest));
    post_.configurations_taken += taken;
  }
  return taken > 0;
}

void Links::handle(std::uint32_t from, Letter letter) {
  if (auto* const submit = std::get_if<SubmitLetter>(&letter)) {
    gate_.spawn(answer_submit(from, std::move(*submit)));
  } else if (auto* const confirm = std::get_if<ConfirmLetter>(&letter)) {
    gate_.spawn(answer_confirm(from, *confirm));
  } else if (auto* const memory = std::get_if<MemoryLetter>(&letter)) {
    gate_.spawn(answer_memory(from, *memory));
  } else if (auto* const question = std::get_if<QuestionLetter>(&letter)) {
    if (std::holds_alternative<control::ChangeCommand>(question->command)) {
      gate_.spawn(answer_order(from, std::move(*question)));
    } else {
      post(from, AnswerLetter{question->token, control::inspect(*view_, question->command)});
    }
  } else if (auto* const answer = std::get_if<AnswerLetter>(&letter)) {
    take_answer(std::move(*answer));
  }
}

void Links::take_answer(AnswerLetter letter) {
  const auto found = waiting_.find(letter.token);
  check(found != waiting_.end(), "an answer came that nobody waits for");
  Waiting& waiting = *found->second;
  waiting.answered = true;
  waiting.answer = std::move(letter.answer);
  waiting.arrived.notify_one();
}

ring::Task<Links::Answer> Links::request(std::uint32_t shard, Letter letter, std::uint64_t token) {
  while (under_way_[shard] >= PostOffice::most_requests) {
    co_await room_[shard].wait();
  }
  ++under_way_[shard];
  Waiting waiting;
  waiting_.emplace(token, &waiting);
  post(shard, std::move(letter));
  while (!waiting.answered) {
    co_await waiting.arrived.wait();
  }
  waiting_.erase(token);
  --under_way_[shard];
  room_[shard].notify_one();
  co_return std::move(waiting.answer);
}

ring::Task<intake::Verdict> Links::submit(std::uint32_t shard, intake::Parcel parcel) {
  if (shard == shard_) {
    co_return co_await intake_->take_over(std::move(parcel));
  }
  const std::uint64_t token = next_token_++;
  Letter letter = SubmitLetter(token, std::move(parcel));
  const Answer answer = co_await request(shard, std::move(letter), token);
  co_return std::get<intake::Verdict>(answer);
}

// The spool of a shard that is no more is with the one that its number comes down to.
ring::Task<void> Links::confirm(std::uint32_t shard, spool::PartKey key) {
  shard %= post_.shards();
  if (shard == shard_) {
    co_await confirm_here(key);
    co_return;
  }
  const std::uint64_t token = next_token_++;
  Letter letter = ConfirmLetter(token, key);
  const Answer answer = co_await request(shard, std::move(letter), token);
}

ring::Task<bool> Links::ask_memory(std::uint32_t shard, std::uint64_t held, std::uint64_t wanted) {
  if (shard == shard_) {
    co_return co_await memory_.ask(held, wanted);
  }
  // Whoever holds some already goes on: what it holds is given back the sooner.
  const Instant deadline = reactor_.now() + intake::ContentMemory::patience;
  while (held == 0 && waiting_for_memory_[shard] >= PostOffice::most_waiting) {
    const bool notified = co_await memory_room_[shard].wait_until(reactor_.timers(), deadline);
    if (!notified) {
      co_return false;
    }
  }
  ++waiting_for_memory_[shard];
  const std::uint64_t token = next_token_++;
  Letter letter = MemoryLetter(token, held, wanted);
  const Answer answer = co_await request(shard, std::move(letter), token);
  --waiting_for_memory_[shard];
  memory_room_[shard].notify_one();
  co_return std::get<intake::Verdict>(answer) == intake::Verdict::accepted;
}

ring::Task<void> Links::return_memory(std::uint32_t shard, std::uint64_t held) {
  if (shard == shard_) {
    memory_.give_back(held);
    co_return;
  }
  const std::uint64_t token = next_token_++;
  Letter letter = MemoryLetter(token, held, 0);
  const Answer answer = co_await request(shard, std::move(letter), token);
}

void Links::tell(const intake::LearntHost& learnt) {
  for (std::uint32_t shard = 0; shard < post_.shards(); ++shard) {
    if (shard != shard_ && post_.hints(shard_, shard).try_push(intake::LearntHost(learnt))) {
      post_.wake(shard);
    }
  }
}

ring::Task<std::vector<control::Answer>> Links::ask_all(control::Command command) {
  std::vector<control::Answer> answers;
  const auto* const order = std::get_if<control::ChangeCommand>(&command);
  for (std::uint32_t shard = 0; shard < post_.shards(); ++shard) {
    if (shard == shard_ && order != nullptr) {
      control::Answer answer = co_await operator_->carry_out(*order);
      answers.push_back(std::move(answer));
      continue;
    }
    if (shard == shard_) {
      answers.push_back(control::inspect(*view_, command));
      continue;
    }
    const std::uint64_t token = next_token_++;
    Letter letter = QuestionLetter(token, command);
    Answer answer = co_await request(shard, std::move(letter), token);
    answers.push_back(std::get<control::Answer>(std::move(answer)));
  }
  co_return answers;
}

ring::Task<void> Links::answer_submit(std::uint32_t from, SubmitLetter letter) {
  const intake::Verdict verdict = co_await intake_->take_over(std::move(letter.parcel));
  post(from, AnswerLetter{letter.token, verdict});
}

ring::Task<void> Links::answer_order(std::uint32_t from, QuestionLetter letter) {
  const auto order = std::get<control::ChangeCommand>(letter.command);
  control::Answer answer = co_await operator_->carry_out(order);
  post(from, AnswerLetter{letter.token, std::move(answer)});
}

ring::Task<void> Links::confirm_here(spool::PartKey key) {
  intake::Intake* intake = intake_;
  if (const auto adopted = adopted_.find(delivery::taker_of(key.part)); adopted != adopted_.end()) {
    intake = adopted->second;
  }
  if (intake != nullptr) {
    co_await intake->confirmed(key);
  }
}

ring::Task<void> Links::answer_memory(std::uint32_t from, MemoryLetter letter) {
  bool granted = true;
  if (letter.wanted == 0) {
    memory_.give_back(letter.held);
  } else {
    granted = co_await memory_.ask(letter.held, letter.wanted);
  }
  const intake::Verdict verdict = granted ? intake::Verdict::accepted : intake::Verdict::no_space;
  post(from, AnswerLetter{letter.token, verdict});
}

ring::Task<void> Links::answer_confirm(std::uint32_t from, ConfirmLetter letter) {
  co_await confirm_here(letter.key);
  post(from, AnswerLetter{letter.token, intake::Verdict::accepted});
}

}  // namespace ringpost::shard
