// The look-ups under way, and who waits for each: one look-up a name, however many ask. Owned by
// the resolver, one for each kind of answer. A waiter lives in its asker's frame and is given a
// copy of the answer there, so that nothing has to outlive the look-up.
#pragma once

#include <string>
#include <unordered_map>

#include "ringpost/base/check.h"
#include "ringpost/base/intrusive_list.h"
#include "ringpost/ring/event.h"

namespace ringpost::dns {

template <class Answer>
class Pending {
  struct WaiterTag {};

 public:
  class Waiter : public ListHook<WaiterTag> {
   public:
    [[nodiscard]] bool done() const { return done_; }
    [[nodiscard]] ring::Event& answered() { return answered_; }
    [[nodiscard]] Answer& answer() { return answer_; }

   private:
    friend class Pending;
    bool done_ = false;
    Answer answer_;
    ring::Event answered_;
  };

  // True for the first to ask for `name`: the caller starts the look-up.
  [[nodiscard]] bool join(const std::string& name, Waiter& waiter) {
    const auto [found, is_first] = waiters_.try_emplace(name);
    found->second.push_back(waiter);
    return is_first;
  }

  // Ends the look-up of `name`.
  void finish(const std::string& name, const Answer& answer) {
    const auto found = waiters_.find(name);
    check(found != waiters_.end(), "a look-up ended that was not under way");
    while (!found->second.empty()) {
      Waiter& waiter = found->second.pop_front();
      waiter.answer_ = answer;
      waiter.done_ = true;
      waiter.answered_.notify_all();
    }
    waiters_.erase(found);
  }

  [[nodiscard]] std::size_t size() const { return waiters_.size(); }

 private:
  // As many entries as there are askers at most, who are bounded elsewhere. Never iterated.
  std::unordered_map<std::string, IntrusiveList<Waiter, WaiterTag>> waiters_;
};

}  // namespace ringpost::dns
