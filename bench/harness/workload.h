// What the source has to send and what has become of it. Hands out message numbers, takes back
// those that a connection lost, remembers which recipients were acknowledged. One per run, used by
// one thread; the counters may be watched from others. Knows no SMTP.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "harness/counter.h"
#include "harness/domains.h"
#include "harness/ledger.h"
#include "harness/message_id.h"
#include "ringpost/base/time.h"

namespace ringpost::bench {

struct WorkloadSettings {
  std::uint32_t run = 0;
  std::uint64_t messages = 0;
  std::uint32_t recipients = 1;  // per message
  std::uint32_t max_attempts = 50;
};

class Workload {
 public:
  struct Counters {
    Counter acknowledged;  // messages
    Counter acknowledged_recipients;
    Counter refused;  // messages, for good
    Counter refused_recipients;
    Counter retried;         // messages given back
    Counter unacknowledged;  // messages whose connection was lost, not sent again
    Counter connections;     // opened
    Counter connection_losses;
  };

  Workload(const WorkloadSettings& settings, Domains domains, Ledger ledger);

  // The next message to send; nothing when there is none at the moment.
  std::optional<std::uint64_t> next();
  // Its content leaves now.
  void sent(std::uint64_t number, Instant now) {
    sent_at_[number].store(now.time_since_epoch().count(), std::memory_order_relaxed);
  }
  void acknowledged(std::uint64_t number, const std::vector<bool>& accepted);
  // To be sent again, under the same id.
  void give_back(std::uint64_t number);
  void refused(std::uint64_t number);
  void unacknowledged(std::uint64_t number);

  [[nodiscard]] bool finished() const { return settled_ == settings_.messages; }
  [[nodiscard]] const WorkloadSettings& settings() const { return settings_; }
  [[nodiscard]] std::uint64_t id(std::uint64_t number) const {
    return message_id(settings_.run, number);
  }
  [[nodiscard]] std::uint64_t serial(std::uint64_t number, std::uint32_t recipient) const {
    return number * settings_.recipients + recipient;
  }
  // Appends the address of a recipient.
  void append_recipient(std::string& out, std::uint64_t serial) const;

  [[nodiscard]] Counters& counters() { return counters_; }
  [[nodiscard]] Ledger& ledger() { return ledger_; }
  // When the content of a message last left; safe to ask from another thread.
  [[nodiscard]] Instant sent_at(std::uint64_t number) const {
    return Instant(Duration(sent_at_[number].load(std::memory_order_relaxed)));
  }
  // By serial number.
  [[nodiscard]] const std::vector<bool>& acknowledged_serials() const { return acknowledged_; }

 private:
  WorkloadSettings settings_;
  Domains domains_;
  Ledger ledger_;
  Counters counters_;
  std::uint64_t next_ = 0;
  std::uint64_t settled_ = 0;
  std::vector<std::uint64_t> again_;
  std::unordered_map<std::uint64_t, std::uint32_t> attempts_;  // of those given back
  std::vector<bool> acknowledged_;
  std::vector<std::atomic<Duration::rep>> sent_at_;
};

}  // namespace ringpost::bench
