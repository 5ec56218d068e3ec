#include "harness/relay_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "harness/units.h"

namespace ringpost::bench {
namespace {

using Json = nlohmann::ordered_json;

double rate_of(const RelayResult& result) {
  return static_cast<double>(result.messages_arrived) / result.seconds;
}

double per_connection(const RelayResult& result) {
  return static_cast<double>(result.messages_arrived) /
         static_cast<double>(std::max<std::uint64_t>(result.connections_opened, 1));
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::string row(const RelayResult& result) {
  return fmt::format(
      "{:<14} {:>3} {:>10} {:>8.1f} {:>9.2f} {:>10.1f} {:>11} {:>9.1f} {:>8.1f} "
      "{:>8.1f} {:>10} {:>6.1f} {:>6.1f}\n",
      result.system, result.repetition, grouped(static_cast<std::uint64_t>(rate_of(result))),
      result.cpu_us_per_message, result.seconds, per_connection(result),
      grouped(result.connections_opened), result.latency_p50_ms, result.latency_p99_ms,
      result.disk_sync_us_p50, readable_size(result.peak_pss_bytes),
      result.source_cpu_us_per_message, result.sink_cpu_us_per_message);
}

void append_verdict(std::string& out, const RelayResult& result) {
  const std::string name = fmt::format("{} {}", result.system, result.repetition);
  if (!result.failure.empty()) {
    out += fmt::format("{}: {}\n", name, result.failure);
  }
  if (!result.bottleneck.empty()) {
    out += fmt::format("{}: the {} was the bottleneck: this says nothing about the system\n", name,
                       result.bottleneck);
  }
  out += fmt::format("{}: accepted {}, delivered {}, missing {}, corrupt {}, duplicates {}", name,
                     grouped(result.accepted), grouped(result.delivered), grouped(result.missing),
                     grouped(result.corrupt), grouped(result.duplicates));
  if (result.foreign > 0) {
    out += fmt::format(", other messages (bounces?) {}", grouped(result.foreign));
  }
  out += '\n';
}

}  // namespace

std::string json_of(const RelayResult& result, const RelaySettings& settings) {
  Json object = {
      {"system", result.system},
      {"repetition", result.repetition},
      {"messages", settings.messages},
      {"size_bytes", settings.size},
      {"destinations", settings.destinations},
      {"seconds", result.seconds},
      {"messages_per_second", rate_of(result)},
      {"cpu_us_per_message", result.cpu_us_per_message},
      {"accepted", result.accepted},
      {"delivered", result.delivered},
      {"duplicates", result.duplicates},
      {"missing", result.missing},
      {"corrupt", result.corrupt},
      {"connections_opened", result.connections_opened},
      {"messages_per_connection", per_connection(result)},
      {"latency_ms", {{"p50", result.latency_p50_ms}, {"p99", result.latency_p99_ms}}},
      {"peak_pss_bytes", result.peak_pss_bytes},
      {"source_cpu_us_per_message", result.source_cpu_us_per_message},
      {"sink_cpu_us_per_message", result.sink_cpu_us_per_message},
      {"bottleneck", nullptr},
      {"durability", result.system.starts_with("ringpost") ? Json(settings.durability) : Json()},
      {"file_system", result.file_system},
      {"disk_sync_us_p50", result.disk_sync_us_p50},
      {"seed", settings.seed},
      {"recipients_per_message", settings.recipients},
      {"source_connections", settings.connections},
      {"inject_seconds", result.inject_seconds},
      {"refused", result.refused},
      {"foreign", result.foreign},
      {"failure", nullptr}};
  if (!result.bottleneck.empty()) {
    object["bottleneck"] = result.bottleneck;
  }
  if (!result.failure.empty()) {
    object["failure"] = result.failure;
  }
  return object.dump();
}

std::string table_of(const std::vector<RelayResult>& results, const RelaySettings& settings) {
  std::string out = fmt::format(
      "{} messages of {}, {} destinations, {} source connections, {} (durability {})\n\n",
      grouped(settings.messages), readable_size(settings.size), grouped(settings.destinations),
      settings.connections, results.empty() ? "" : results.front().file_system,
      settings.durability);
  out += fmt::format(
      "{:<14} {:>3} {:>10} {:>8} {:>9} {:>10} {:>11} {:>9} {:>8} {:>8} {:>10} {:>6} "
      "{:>6}\n",
      "system", "run", "messages/s", "CPU us", "seconds", "per conn.", "connections", "p50 ms",
      "p99 ms", "sync us", "peak PSS", "source", "sink");
  std::map<std::string, std::vector<const RelayResult*>> by_system;
  for (const RelayResult& result : results) {
    out += row(result);
    by_system[result.system].push_back(&result);
  }
  for (const auto& [system, list] : by_system) {
    if (list.size() < 2) {
      continue;
    }
    std::vector<double> rates;
    std::vector<double> costs;
    for (const RelayResult* const result : list) {
      rates.push_back(rate_of(*result));
      costs.push_back(result->cpu_us_per_message);
    }
    out += fmt::format("{:<14} median {:>7} {:>8.1f}  (messages/s from {} to {})\n", system,
                       grouped(static_cast<std::uint64_t>(median(rates))), median(costs),
                       grouped(static_cast<std::uint64_t>(*std::ranges::min_element(rates))),
                       grouped(static_cast<std::uint64_t>(*std::ranges::max_element(rates))));
  }
  out += '\n';
  for (const RelayResult& result : results) {
    append_verdict(out, result);
  }
  return out;
}

}  // namespace ringpost::bench
