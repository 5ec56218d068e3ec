// What is remembered of failures of one address, host or lane, so that not every message finds out
// anew. Down: nothing goes there until a probe is due; then exactly one connection; after a success
// concurrency doubles from one up to the limit. Used by lanes here and by delivery for addresses.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "ringpost/base/time.h"

namespace ringpost::queue {

struct HostStatusSettings {
  Duration first_probe = 60s;  // after the first failure; doubles with each failed probe
  Duration believed = 30min;   // `timeouts.hoststatus`: the longest time without a probe
};

class HostStatus {
 public:
  enum class State : std::uint8_t { up, down, recovering };

  // A failure that speaks for the whole host. Others that come in before the next probe is due are
  // news of the same failure. Returns when a probe may go.
  Instant mark_down(std::string reason, Instant now, const HostStatusSettings& settings);
  // The same, but probe no earlier than `until` (the host said when, or policy does).
  Instant mark_down_until(std::string reason, Instant until);
  // A host that is down may be probed at `when` already.
  void probe_at(Instant when) { until_ = std::min(until_, when); }
  // A transaction went well. After a failure, once as many went well as are allowed at a time,
  // twice as many are allowed, until that is `limit`: then the host is up.
  void mark_success(std::uint32_t limit);

  // How many connections may be in use, of at most `limit`.
  [[nodiscard]] std::uint32_t allowed_connections(Instant now, std::uint32_t limit) const;
  [[nodiscard]] bool suspended(Instant now) const { return state_ == State::down && now < until_; }
  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] Instant until() const { return until_; }  // of a down host: the next probe
  [[nodiscard]] const std::string& reason() const { return reason_; }

 private:
  State state_ = State::up;
  std::uint8_t failures_ = 0;  // in a row
  std::uint32_t allowed_ = 0;  // while recovering
  std::uint32_t successes_ = 0;
  Instant until_;
  std::string reason_;
};

}  // namespace ringpost::queue
