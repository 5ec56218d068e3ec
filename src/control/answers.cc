#include "ringpost/control/answers.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

namespace ringpost::control {
namespace {

// Keeps the fields in the order in which they are documented.
using Json = nlohmann::ordered_json;

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json known(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

template <class T>
Json known(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json time_of(const std::optional<WallTime>& time) {
  return time ? Json(format_rfc3339(*time)) : Json(nullptr);
}

// Whole numbers without a decimal point.
Json number(double value) {
  constexpr double exact = 1e15;
  return value == std::floor(value) && std::abs(value) < exact
             ? Json(static_cast<std::int64_t>(value))
             : Json(value);
}

Json error_of(const std::optional<LastError>& error) {
  if (!error) {
    return nullptr;
  }
  return {{"time", time_of(error->time)},
          {"status", known(error->status)},
          {"reply", known(error->reply)}};
}

Json shard_of(const ShardStatus& shard) {
  return {{"shard", known(shard.shard)},
          {"messages_queued", shard.messages_queued},
          {"ready", shard.ready},
          {"deferred", shard.deferred},
          {"held", shard.held},
          {"in_flight", shard.in_flight},
          {"connections_open", shard.connections_open},
          {"connections_idle", shard.connections_idle},
          {"accepted_total", shard.accepted_total},
          {"delivered_total", shard.delivered_total},
          {"deferred_total", shard.deferred_total},
          {"bounced_total", shard.bounced_total},
          {"expired_total", shard.expired_total},
          {"in_doubt_total", shard.in_doubt_total},
          {"quarantined_total", shard.quarantined_total},
          {"spool_live_bytes", shard.spool_live_bytes},
          {"spool_free_bytes", shard.spool_free_bytes},
          {"deleted_total", shard.deleted_total},
          {"suppressed_total", shard.suppressed_total},
          {"reports_owed", shard.reports_owed},
          {"only_in_memory", shard.only_in_memory}};
}

template <class T, class Make>
Json array_of(const std::vector<T>& values, Make make) {
  Json array = Json::array();
  for (const T& value : values) {
    array.push_back(make(value));
  }
  return array;
}

}  // namespace

ShardStatus& ShardStatus::operator+=(const ShardStatus& other) {
  messages_queued += other.messages_queued;
  only_in_memory += other.only_in_memory;
  ready += other.ready;
  deferred += other.deferred;
  held += other.held;
  in_flight += other.in_flight;
  connections_open += other.connections_open;
  connections_idle += other.connections_idle;
  accepted_total += other.accepted_total;
  delivered_total += other.delivered_total;
  deferred_total += other.deferred_total;
  bounced_total += other.bounced_total;
  expired_total += other.expired_total;
  in_doubt_total += other.in_doubt_total;
  quarantined_total += other.quarantined_total;
  spool_live_bytes += other.spool_live_bytes;
  spool_free_bytes += other.spool_free_bytes;
  deleted_total += other.deleted_total;
  suppressed_total += other.suppressed_total;
  reports_owed += other.reports_owed;
  return *this;
}

std::string to_json(const Status& status) {
  ShardStatus totals;
  for (const ShardStatus& shard : status.shards) {
    totals += shard;
  }
  return text_of({{"version", status.version},
                  {"pid", status.pid},
                  {"state", status.draining ? "draining" : "ready"},
                  {"uptime_ms", status.uptime_ms},
                  {"events_log", known(status.events_log)},
                  {"shards", array_of(status.shards, shard_of)},
                  {"totals", shard_of(totals)}});
}

std::string to_json(const Queue& queue) {
  return text_of({{"destinations", array_of(queue.destinations,
                                            [](const QueueLine& line) {
                                              return Json{
                                                  {"destination", known(line.destination)},
                                                  {"group", line.group},
                                                  {"shard", line.shard},
                                                  {"ready", line.ready},
                                                  {"deferred", line.deferred},
                                                  {"held", line.held},
                                                  {"in_flight", line.in_flight},
                                                  {"oldest", time_of(line.oldest)},
                                                  {"next_attempt", time_of(line.next_attempt)},
                                                  {"connections_open", line.connections_open},
                                                  {"connections_idle", line.connections_idle},
                                                  {"last_error", error_of(line.last_error)}};
                                            })},
                  {"truncated", queue.truncated}});
}

std::string to_json(const Groups& groups) {
  Json json;
  json["groups"] = array_of(groups.groups, [](const GroupLine& line) {
    return Json{{"group", line.group},
                {"shard", line.shard},
                {"runners", line.runners},
                {"runners_busy", line.runners_busy},
                {"ready", line.ready},
                {"deferred", line.deferred},
                {"held", line.held},
                {"in_flight", line.in_flight},
                {"delivered_total", line.delivered_total},
                {"connections_opened_total", line.connections_opened_total},
                {"held_by", known(line.held_by)},
                {"durability", line.durability},
                {"possible_loss", line.possible_loss}};
  });
  return text_of(json);
}

std::string to_json(const Explanation& explanation) {
  Json json;
  json["address"] = explanation.address;
  json["matched"] = {{"kind", explanation.matched_kind},
                     {"pattern", known(explanation.matched_pattern)},
                     {"set_at", explanation.matched_set_at}};
  json["group"] = explanation.group;
  json["shard"] = explanation.shard;
  json["destination"] = known(explanation.destination);
  json["via"] = known(explanation.via);
  json["tls"] = {{"policy", known(explanation.tls)}, {"set_at", known(explanation.tls_set_at)}};
  json["mx"] = array_of(explanation.mx, [](const Explanation::MxHost& host) {
    return Json{{"host", host.host},
                {"preference", known(host.preference)},
                {"addresses", host.addresses},
                {"state", known(host.state)},
                {"until", time_of(host.until)}};
  });
  json["limits"] = array_of(explanation.limits, [](const Explanation::Limit& limit) {
    return Json{{"name", limit.name},
                {"value", limit.value ? number(*limit.value) : Json(nullptr)},
                {"used", number(limit.used)},
                {"set_at", limit.set_at}};
  });
  json["binding"] = nullptr;
  if (const auto& binding = explanation.binding) {
    json["binding"] = {{"limit", binding->limit},
                       {"since", time_of(binding->since)},
                       {"lifts_at", time_of(binding->lifts_at)}};
  }
  return text_of(json);
}

std::string to_json(const MessageView& message) {
  Json json;
  json["id"] = message.id;
  json["arrived"] = format_rfc3339(message.arrived);
  json["sender"] = message.sender;
  json["size"] = message.size;
  json["tenant"] = known(message.tenant);
  json["job"] = known(message.job);
  json["envid"] = known(message.envid);
  json["recipients"] = array_of(message.recipients, [](const MessageView::Recipient& recipient) {
    return Json{{"recipient", recipient.recipient},
                {"part", recipient.part},
                {"group", known(recipient.group)},
                {"shard", known(recipient.shard)},
                {"destination", known(recipient.destination)},
                {"state", recipient.state},
                {"attempts", recipient.attempts},
                {"next_attempt", time_of(recipient.next_attempt)},
                {"last_error", error_of(recipient.last_error)}};
  });
  return text_of(json);
}

std::string to_json(const Change& change) {
  const Json json{{"change", change.what},
                  {"dry_run", change.dry_run},
                  {"messages", change.messages},
                  {"recipients", change.recipients},
                  {"in_flight", change.in_flight}};
  return text_of(json);
}

std::string to_json(const HoldList& holds) {
  const Json json{
      {"groups", holds.groups}, {"destinations", holds.destinations}, {"jobs", holds.jobs}};
  return text_of(json);
}

std::string to_json(const Reloaded& reloaded) {
  const Json json{
      {"reloaded", true}, {"shards", reloaded.shards}, {"suppressed", reloaded.suppressed}};
  return text_of(json);
}

std::string to_json(const Trace& trace) {
  return text_of({{"lines", array_of(trace.lines,
                                     [](const Trace::Line& line) {
                                       return Json{{"time", time_of(line.time)},
                                                   {"shard", line.shard},
                                                   {"connection", line.connection == 0
                                                                      ? Json(nullptr)
                                                                      : Json(line.connection)},
                                                   {"mx", known(line.mx)},
                                                   {"address", known(line.address)},
                                                   {"kind", line.kind},
                                                   {"text", line.text}};
                                     })},
                  {"lost", trace.lost}});
}

std::string to_json(const Refusal& refusal) {
  Json json;
  json["error"] = {
      {"code", refusal.code}, {"message", refusal.message}, {"remedy", known(refusal.remedy)}};
  return text_of(json);
}

}  // namespace ringpost::control
