// The sink's book: what arrived, how often, whether intact, over which connection, how long after
// it was sent. One per sink, kept by its thread; the counters may be watched from others.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "harness/counter.h"
#include "harness/ledger.h"
#include "ringpost/base/ip_address.h"
#include "ringpost/base/time.h"

namespace ringpost::bench {

// When a message left its source, where the sink can know.
using SentAt = std::function<Instant(std::uint64_t id)>;

class Arrivals {
 public:
  struct Destination {
    std::uint64_t connections = 0;
    std::uint64_t messages = 0;
  };
  struct Connection {
    std::uint64_t number = 0;
    std::uint64_t transactions = 0;
    Destination* destination = nullptr;
  };
  struct Counters {
    Counter messages;    // transactions with content of ours
    Counter recipients;  // of them, distinct and intact
    Counter duplicates;  // recipients that arrived again
    Counter corrupt;     // messages whose body is not the one sent
    Counter foreign;     // messages that are not ours, e.g. bounces
    Counter connections;
    Counter bytes;  // of content
  };

  explicit Arrivals(Ledger ledger) : ledger_(std::move(ledger)) {}

  // Latencies are kept when this is set; `expected` messages get room at once.
  void measure_latency(SentAt sent_at, std::size_t expected);

  Connection connected(const IpAddress& local);
  // `recipients` are addresses, each followed by a newline; `content` is unstuffed.
  void message(Connection& connection, std::string_view recipients, std::string_view content,
               Instant now);

  [[nodiscard]] Counters& counters() { return counters_; }
  [[nodiscard]] const Counters& counters() const { return counters_; }
  [[nodiscard]] Ledger& ledger() { return ledger_; }
  [[nodiscard]] Instant last_arrival() const { return last_arrival_; }
  [[nodiscard]] const std::unordered_map<IpAddress, Destination>& destinations() const {
    return destinations_;
  }
  // Microseconds, in the order of arrival.
  [[nodiscard]] std::vector<std::uint32_t>& latencies_us() { return latencies_us_; }
  // How often (up to 255) an intact recipient arrived, by serial; may be shorter than the run.
  [[nodiscard]] const std::vector<std::uint8_t>& seen(std::uint32_t run);

 private:
  void recipient(std::uint64_t id, std::string_view address, bool intact);
  void note(const Connection& connection, std::uint64_t id, std::string_view recipient, bool intact,
            Instant now);

  Ledger ledger_;
  Counters counters_;
  SentAt sent_at_;
  Instant last_arrival_{};
  std::unordered_map<IpAddress, Destination> destinations_;
  std::unordered_map<std::uint32_t, std::vector<std::uint8_t>> seen_;
  std::vector<std::uint32_t> latencies_us_;
};

}  // namespace ringpost::bench
