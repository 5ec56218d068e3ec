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

HostRecord& HostTable::of(const Endpoint& endpoint, std::string_view source) {
  auto of_source = records_.find(source);
  if (of_source == records_.end()) {
    of_source = records_.try_emplace(std::string(source)).first;
  }
  const auto known = of_source->second.find(endpoint);
  if (known != of_source->second.end()) {
    by_use_.splice(by_use_.begin(), by_use_, known->second);
    return by_use_.front();
  }
  if (by_use_.size() >= most_) {
    records_.find(by_use_.back().source)->second.erase(by_use_.back().endpoint);
    by_use_.pop_back();
  }
  HostRecord& added = by_use_.emplace_front();
  added.endpoint = endpoint;
  added.source = source;
  of_source->second.emplace(endpoint, by_use_.begin());
  return by_use_.front();
}

const HostRecord* HostTable::find(const Endpoint& endpoint, std::string_view source) const {
  const auto of_source = records_.find(source);
  if (of_source == records_.end()) {
    return nullptr;
  }
  const auto known = of_source->second.find(endpoint);
  return known == of_source->second.end() ? nullptr : &*known->second;
}

void HostTable::probe_all(Instant now) {
  for (HostRecord& record : by_use_) {
    record.status.probe_at(now);
  }
}

}  // namespace ringpost::delivery
