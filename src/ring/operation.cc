#include "ringpost/ring/operation.h"

#include <cerrno>

#include "ringpost/base/check.h"
#include "ringpost/ring/reactor.h"

namespace ringpost::ring {

void OperationSlot::expired() {
  timed_out = true;
  reactor->cancel(*this);
}

Operation::~Operation() {
  if (slot_ == nullptr) {
    return;
  }
  if (slot_->state == OperationSlot::State::finished) {
    Reactor& reactor = *slot_->reactor;
    const std::uint32_t flags = slot_->flags;
    finish();
    reactor.drop_buffer(flags);
    return;
  }
  slot_->abandoned = true;
  slot_->waiter = nullptr;
  slot_->reactor->cancel(*slot_);
}

int Operation::await_resume() {
  const int result = slot_->result;
  finish();
  return result;
}

void Operation::cancel() {
  if (slot_ != nullptr) {
    slot_->reactor->cancel(*slot_);
  }
}

void Operation::set_deadline(Instant deadline) {
  if (slot_->state == OperationSlot::State::finished) {
    return;
  }
  if (deadline == never) {
    slot_->disarm();
  } else {
    slot_->reactor->timers().arm(*slot_, deadline);
  }
}

void Operation::finish() {
  OperationSlot& slot = *std::exchange(slot_, nullptr);
  slot.reactor->slots_.give_back(slot);
}

Received ReceiveOperation::await_resume() {
  OperationSlot& slot = *slot_;
  Reactor& reactor = *slot.reactor;
  const int result = slot.result;
  const std::uint32_t flags = slot.flags;
  finish();
  if ((flags & IORING_CQE_F_BUFFER) == 0) {
    return Received(result);
  }
  const auto id = static_cast<std::uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT);
  Received received(reactor, result, id);
  if (result <= 0) {
    received.release();
    return Received(result);
  }
  return received;
}

OperationSlot& OperationSlots::take(Reactor& reactor) {
  if (free_.empty()) {
    OperationSlot& added = slots_.emplace_back();
    added.index = static_cast<std::uint32_t>(slots_.size() - 1);
    added.reactor = &reactor;
    free_.push_back(&added);
  }
  OperationSlot& slot = *free_.back();
  free_.pop_back();
  slot.state = OperationSlot::State::in_flight;
  return slot;
}

void OperationSlots::give_back(OperationSlot& slot) {
  check(slot.state == OperationSlot::State::finished, "a slot was freed before its completion");
  slot.disarm();
  slot.state = OperationSlot::State::free;
  slot.generation = (slot.generation + 1) & 0xff'ffff;
  slot.cancel_sent = slot.timed_out = slot.abandoned = false;
  slot.waiter = nullptr;
  slot.completion = nullptr;
  slot.owned = std::string();
  free_.push_back(&slot);
}

OperationSlot* OperationSlots::find(std::uint32_t index, std::uint32_t generation) {
  if (index >= slots_.size() || slots_[index].generation != generation ||
      slots_[index].state == OperationSlot::State::free) {
    return nullptr;
  }
  return &slots_[index];
}

}  // namespace ringpost::ring
