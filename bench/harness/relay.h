// One measured run: source → system under test → sink, in one process and two threads beside the
// system's own processes. Judges from both ends' books whether every acknowledged message arrived
// once and intact, and whether the harness itself was what limited the result.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/arrivals.h"
#include "harness/domains.h"
#include "harness/signals.h"
#include "harness/sink_session.h"
#include "harness/source.h"
#include "harness/workload.h"
#include "ringpost/base/result.h"
#include "ringpost/base/time.h"

namespace ringpost::bench {

struct RelaySettings {
  std::uint64_t messages = 50'000;
  std::uint64_t size = 5 * 1024;
  std::uint32_t recipients = 1;
  std::uint32_t connections = 40;
  std::uint32_t destinations = 300;
  std::uint64_t seed = 1;
  Pipelining pipelining = Pipelining::overlap;
  SinkOffers offers;
  Duration delay{};      // of the sink's answers
  Duration stall = 60s;  // without any progress: give up
  std::string spool_parent;
  std::string durability = "commit";
  std::string ringpostd;
  std::vector<std::string> overrides;
  std::string at_end;  // a command, run while the system is still up
  bool json = false;
  bool keep = false;  // the system's directory
};

struct RelayResult {
  std::string system;
  std::uint32_t repetition = 1;
  double seconds = 0;  // from the first connection to the last arrival
  double inject_seconds = 0;
  double cpu_us_per_message = 0;
  std::uint64_t accepted = 0;   // recipients that were acknowledged
  std::uint64_t delivered = 0;  // of them, arrived intact
  std::uint64_t refused = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t missing = 0;
  std::uint64_t corrupt = 0;
  std::uint64_t foreign = 0;  // e.g. bounces
  std::uint64_t messages_arrived = 0;
  std::uint64_t connections_opened = 0;
  double latency_p50_ms = 0;
  double latency_p99_ms = 0;
  std::uint64_t peak_pss_bytes = 0;
  double source_cpu_us_per_message = 0;
  double sink_cpu_us_per_message = 0;
  std::string bottleneck;  // "source", "sink" or nothing
  std::string file_system;
  double disk_sync_us_p50 = 0;
  std::string failure;  // why the run ended early, if it did

  [[nodiscard]] bool good() const {
    return failure.empty() && missing == 0 && corrupt == 0 && bottleneck.empty();
  }
};

// Fails when the system cannot be started; a run that goes wrong is a result with `failure` set.
Result<RelayResult> run_relay(const std::string& system, std::uint32_t repetition,
                              const RelaySettings& settings, Signals& signals);

}  // namespace ringpost::bench
