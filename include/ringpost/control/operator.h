// The operator's hand on one shard: carries out orders that change what is queued, and keeps what
// is held. Called for each order that comes over the control socket, on every shard. Works in
// portions, so that an order about millions of recipients holds up nobody's mail.
#pragma once

#include <cstdint>
#include <vector>

#include "ringpost/control/inspect.h"
#include "ringpost/intake/intake.h"
#include "ringpost/queue/holds.h"

namespace ringpost::control {

class Operator {
 public:
  struct Room {  // what outlives it
    ring::Reactor& reactor;
    queue::Messages& messages;
    const std::vector<intake::LocalGroup>& groups;
    delivery::Ledger& ledger;
    delivery::HostTable& hosts;
    intake::Intake& intake;
  };

  explicit Operator(Room room) : room_(room) {}

  [[nodiscard]] const queue::Holds& holds() const { return holds_; }
  // At the start, before anything is filed: what was held before.
  void set_holds(queue::Holds holds);

  // This shard's part, a Change. Deletions are durable when it returns; what is held is made
  // durable by who gives the order (hold_file.h).
  ring::Task<Answer> carry_out(ChangeCommand command);
  // Orders that are under way end early.
  void stop() { stopping_ = true; }

 private:
  [[nodiscard]] queue::Now now() const;
  [[nodiscard]] std::vector<queue::MessageKey> parts_of(mail::MessageId id) const;
  [[nodiscard]] std::vector<queue::MessageKey> matches_in(std::size_t bucket,
                                                          const Selector& selector) const;
  // Does to one message what was ordered.
  void treat(queue::QueuedMessage& message, const ChangeCommand& command, Change& change);
  // Recipients that it changed.
  std::uint64_t treat(queue::Entry& entry, const ChangeCommand& command);
  void erase(queue::Entry& entry);
  void requeue(queue::Entry& entry);
  void use_holds();
  void after(const ChangeCommand& command);

  Room room_;
  queue::Holds holds_;
  bool stopping_ = false;
};

}  // namespace ringpost::control
