// What a shard remembers of the servers it has spoken to: whether an address is down, and what a
// server bears. Bounded; the address that was asked for longest ago is forgotten first. Used by
// the MX walk and by conversations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <string>
#include <string_view>

#include "ringpost/base/ip_address.h"
#include "ringpost/queue/host_status.h"
#include "ringpost/smtp/client_transaction.h"

namespace ringpost::delivery {

struct HostRecord {
  Endpoint endpoint;
  std::string source;  // egress source: a server may turn one of ours away and take the other
  queue::HostStatus status;
  bool overlap_proven = false;   // one clean transaction was seen: overlap may start
  bool overlap_refused = false;  // did not answer an overlapped MAIL in time: never again
  // Clean transactions that overlapped another, up to what streaming takes. A server that discards
  // what is sent ahead shows it there, unless chance parts the bytes, and nothing is in doubt yet.
  std::uint8_t overlaps_borne = 0;
  // It misbehaved while several were on their way: until then overlap at most.
  Instant streaming_refused_until{};
  // The server ended a connection after so many messages; 0 = not learnt.
  std::uint32_t messages_per_connection = 0;
  std::uint32_t last_sent_away_after = 0;
  Instant limit_until;

  // The server has sent us away (421) after so many messages on a connection. Twice the same number
  // in a row is a limit of its own, kept for a while.
  void sent_away_after(std::uint32_t messages, Instant now);
  // Messages that a connection may carry; 0 = no limit was learnt.
  [[nodiscard]] std::uint32_t message_limit(Instant now) const {
    return now < limit_until ? messages_per_connection : 0;
  }

  static constexpr std::uint8_t overlaps_before_streaming = 3;

  // How transactions may follow each other there.
  [[nodiscard]] smtp::Mode mode(Instant now) const;
  // A message was accepted, and its MAIL had left before or after the one ahead was answered.
  void learn_clean(bool overlapped);
  // It did not answer in time what was sent ahead, or ended the connection instead.
  void learn_trouble(smtp::Mode mode, Instant now);
};

class HostTable {
 public:
  explicit HostTable(std::size_t most = 100'000) : most_(most) {}

  // Creates the record if there is none. Valid until the next call.
  HostRecord& of(const Endpoint& endpoint, std::string_view source);
  // Null if there is none. Does not count as use.
  [[nodiscard]] const HostRecord* find(const Endpoint& endpoint, std::string_view source) const;

  // Whatever is down may be probed at `now`.
  void probe_all(Instant now);

 private:
  std::size_t most_;
  std::list<HostRecord> by_use_;  // most recently used first
  // Of one source and many endpoints, so that looking up copies no name.
  std::map<std::string, std::map<Endpoint, std::list<HostRecord>::iterator>, std::less<>> records_;
};

}  // namespace ringpost::delivery
