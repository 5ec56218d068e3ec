#include "ringpost/delivery/host_table.h"

#include <utility>

namespace ringpost::delivery {
namespace {

// Then the server gets another chance to bear more.
constexpr Duration limit_believed = 1h;

}  // namespace

void HostRecord::sent_away_after(std::uint32_t messages, Instant now) {
  if (messages == std::exchange(last_sent_away_after, messages)) {
    messages_per_connection = messages;
    limit_until = now + limit_believed;
  }
}
namespace {

// A connection may also be lost by chance, or because the server was restarted.
constexpr Duration streaming_pause = 1h;

}  // namespace

smtp::Mode HostRecord::mode(Instant now) const {
  if (overlap_refused || !overlap_proven) {
    return smtp::Mode::pipelined;
  }
  const bool streams =
      overlaps_borne >= overlaps_before_streaming && now >= streaming_refused_until;
  return streams ? smtp::Mode::streamed : smtp::Mode::overlapped;
}

void HostRecord::learn_clean(bool overlapped) {
  overlap_proven = true;
  if (overlapped && overlaps_borne < overlaps_before_streaming) {
    ++overlaps_borne;
  }
}

void HostRecord::learn_trouble(smtp::Mode mode, Instant now) {
  if (mode == smtp::Mode::streamed) {
    streaming_refused_until = now + streaming_pause;
  } else {
    overlap_refused = true;
  }
}

HostRecord& HostTable::of(const Endpoint& endpoint) {
  const auto known = records_.find(endpoint);
  if (known != records_.end()) {
    by_use_.splice(by_use_.begin(), by_use_, known->second);
    return by_use_.front();
  }
  if (records_.size() >= most_) {
    records_.erase(by_use_.back().endpoint);
    by_use_.pop_back();
  }
  by_use_.push_front(HostRecord{.endpoint = endpoint});
  records_.emplace(endpoint, by_use_.begin());
  return by_use_.front();
}

const HostRecord* HostTable::find(const Endpoint& endpoint) const {
  const auto known = records_.find(endpoint);
  return known == records_.end() ? nullptr : &*known->second;
}

void HostTable::probe_all(Instant now) {
  for (HostRecord& record : by_use_) {
    record.status.probe_at(now);
  }
}

}  // namespace ringpost::delivery
