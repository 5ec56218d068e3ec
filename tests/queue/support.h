// A queue group with a clock of its own and short ways to say what the tests mean.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "ringpost/queue/queue_group.h"

namespace ringpost::queue {

inline const Now start_of_test{Instant(1000s), WallTime(1'700'000'000s)};

inline LaneKey lane_key(const std::string& destination) {
  return {.destination = destination,
          .via = RouteVia::dns,
          .hosts = {{"mx." + destination, 10, 25}},
          .egress = "",
          .tls = "none"};
}

class QueueTest : public testing::Test {
 protected:
  QueueTest() { settings_.name = "bulk"; }

  QueueGroup& group() {
    if (!group_) {
      group_.emplace(settings_);
    }
    return *group_;
  }

  void pass(Duration duration) {
    now_.instant += duration;
    now_.wall += std::chrono::duration_cast<std::chrono::milliseconds>(duration);
  }
  void pass_and_advance(Duration duration) {
    pass(duration);
    advance();
  }
  void advance() {
    group().advance(now_);
    while (group().next_due() <= now_.instant) {
      group().advance(now_);
    }
  }

  QueuedMessage& add(std::vector<std::string> recipients, const std::string& job = "",
                     std::uint64_t size = 5000) {
    mail::Envelope envelope;
    envelope.sender = "news@sender.example";
    envelope.recipients = std::move(recipients);
    envelope.job = job;
    return messages_.add({++last_id_}, 0, now_.wall, envelope, size, {});
  }
  QueuedMessage& file(std::vector<std::string> recipients, const std::string& job = "",
                      std::uint64_t size = 5000) {
    QueuedMessage& message = add(std::move(recipients), job, size);
    group().file(message, now_.wall, now_);
    return message;
  }
  QueuedMessage& file(const char* recipient, const std::string& job = "",
                      std::uint64_t size = 5000) {
    return file(std::vector<std::string>{recipient}, job, size);
  }

  // Gives each domain that waits for its route a lane of its own name.
  void resolve_all() {
    while (Domain* domain = group().next_unresolved()) {
      group().assign(*domain, lane_key(domain->name()), never, now_);
    }
    // Most tests are about servers that are known.
    group().lanes().for_each_lane([this](Lane& lane) { group().lanes().greeted(lane, now_); });
  }
  std::uint32_t finish(Entry& entry, Next next = Next::done, Duration retry_in = 10min) {
    const std::vector<RecipientResult> results(
        entry.count(), {next, {4, 0, 0}, next == Next::done ? "" : "450 later", false});
    return group().finish(
        entry, results, now_.wall + std::chrono::duration_cast<std::chrono::milliseconds>(retry_in),
        now_);
  }
  // Takes the next entry of whatever lane comes next, and leaves the lane again.
  Entry* next() {
    Seat seat = group().next_lane(now_);
    if (!seat) {
      return nullptr;
    }
    Entry* entry = group().next_entry(seat, now_);
    group().release(seat, now_);
    return entry;
  }

  GroupSettings settings_;
  Now now_ = start_of_test;
  Messages messages_;
  std::optional<QueueGroup> group_;  // goes before the messages
  std::uint64_t last_id_ = 0;
};

}  // namespace ringpost::queue
