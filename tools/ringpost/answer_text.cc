#include "answer_text.h"

#include <fmt/format.h>

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <variant>
#include <vector>

#include "ringpost/base/time.h"
#include "table.h"

namespace ringpost::tool {
namespace {

using enum Table::Align;

const Json& field(const Json& object, std::string_view name) {
  static const Json missing;
  if (!object.is_object()) {
    return missing;
  }
  const auto found = object.find(std::string(name));
  return found == object.end() ? missing : *found;
}

// Its elements, none if it is no array.
const Json& list(const Json& object, std::string_view name) {
  static const Json none = Json::array();
  const Json& value = field(object, name);
  return value.is_array() ? value : none;
}

// 2026-01-31T23:59:59.123Z as 2026-01-31 23:59:59.
std::string time_text(const Json& object, std::string_view name) {
  std::string text = field_text(object, name);
  if (text.size() < 20 || text[10] != 'T') {
    return text;
  }
  text[10] = ' ';
  return text.substr(0, 19);
}

std::string size_text(const Json& object, std::string_view name) {
  const Json& value = field(object, name);
  if (!value.is_number()) {
    return field_text(object, name);
  }
  double size = value.get<double>();
  if (size < 1024) {
    return fmt::format("{}", size);
  }
  std::size_t unit = 0;
  constexpr std::string_view units = "KMGTPE";
  for (size /= 1024; size >= 1024 && unit + 1 < units.size(); size /= 1024) {
    ++unit;
  }
  return fmt::format("{:.1f}{}", size, units[unit]);
}

std::string error_text(const Json& object) {
  const Json& error = field(object, "last_error");
  return error.is_object()
             ? fmt::format("{}  {}", time_text(error, "time"), field_text(error, "reply"))
             : "-";
}

std::vector<Table::Column> numbers(std::initializer_list<const char*> titles) {
  std::vector<Table::Column> columns;
  for (const char* title : titles) {
    columns.push_back({title, right});
  }
  return columns;
}

std::vector<std::string> fields(const Json& object, std::initializer_list<const char*> names) {
  std::vector<std::string> cells;
  for (const char* name : names) {
    cells.push_back(field_text(object, name));
  }
  return cells;
}

std::string status_text(const Json& status) {
  Table now(numbers({"shard", "messages", "ready", "deferred", "held", "in flight", "open", "idle",
                     "spool used", "free"}));
  Table since(numbers({"shard", "accepted", "delivered", "deferred", "bounced", "expired",
                       "in doubt", "quarantined"}));
  const auto add = [&](const Json& shard, bool total) {
    std::vector<std::string> cells =
        fields(shard, {"shard", "messages_queued", "ready", "deferred", "held", "in_flight",
                       "connections_open", "connections_idle"});
    cells.push_back(size_text(shard, "spool_live_bytes"));
    cells.push_back(size_text(shard, "spool_free_bytes"));
    std::vector<std::string> totals =
        fields(shard, {"shard", "accepted_total", "delivered_total", "deferred_total",
                       "bounced_total", "expired_total", "in_doubt_total", "quarantined_total"});
    if (total) {
      cells[0] = totals[0] = "all";
    }
    now.add(std::move(cells));
    since.add(std::move(totals));
  };
  for (const Json& shard : list(status, "shards")) {
    add(shard, false);
  }
  add(field(status, "totals"), true);
  const Json& uptime = field(status, "uptime_ms");
  const std::string up =
      uptime.is_number_unsigned()
          ? format_duration(std::chrono::seconds(uptime.get<std::uint64_t>() / 1000))
          : "-";
  return fmt::format("ringpost {}, pid {}, {}, up {}\n\nNow\n{}\nSince the start\n{}",
                     printable(field_text(status, "version")), field_text(status, "pid"),
                     printable(field_text(status, "state")), up, now.to_string(),
                     since.to_string());
}

std::string queue_text(const Json& queue) {
  Table table({{"destination"},
               {"group"},
               {"shard", right},
               {"ready", right},
               {"deferred", right},
               {"held", right},
               {"in flight", right},
               {"open", right},
               {"idle", right},
               {"oldest"},
               {"next attempt"},
               {"last error"}});
  for (const Json& line : list(queue, "destinations")) {
    std::vector<std::string> cells =
        fields(line, {"destination", "group", "shard", "ready", "deferred", "held", "in_flight",
                      "connections_open", "connections_idle"});
    cells.push_back(time_text(line, "oldest"));
    cells.push_back(time_text(line, "next_attempt"));
    cells.push_back(error_text(line));
    table.add(std::move(cells));
  }
  if (table.empty()) {
    return "Nothing is queued.\n";
  }
  const bool truncated = field(queue, "truncated") == true;
  return table.to_string() + (truncated ? "There are more; raise --limit.\n" : "");
}

std::string groups_text(const Json& groups) {
  Table table({{"group"},
               {"shard", right},
               {"runners", right},
               {"busy", right},
               {"ready", right},
               {"deferred", right},
               {"held", right},
               {"in flight", right},
               {"delivered", right},
               {"connections", right},
               {"each", right},
               {"held by"}});
  for (const Json& line : list(groups, "groups")) {
    std::vector<std::string> cells =
        fields(line, {"group", "shard", "runners", "runners_busy", "ready", "deferred", "held",
                      "in_flight", "delivered_total", "connections_opened_total"});
    const Json& delivered = field(line, "delivered_total");
    const Json& opened = field(line, "connections_opened_total");
    const bool known = delivered.is_number() && opened.is_number() && opened.get<double>() > 0;
    cells.push_back(known ? fmt::format("{:.1f}", delivered.get<double>() / opened.get<double>())
                          : "-");
    cells.push_back(field_text(line, "held_by"));
    table.add(std::move(cells));
  }
  return table.to_string();
}

std::string counted(const Json& object, std::string_view name, std::string_view one) {
  const std::string count = field_text(object, name);
  return fmt::format("{} {}{}", count, one, count == "1" ? "" : "s");
}

std::string change_text(const Json& change) {
  const std::string what = field_text(change, "change");
  const bool dry_run = field(change, "dry_run") == true;
  std::string text = fmt::format("{}{}: {} of {}\n", dry_run ? "would " : "", printable(what),
                                 counted(change, "recipients", "recipient"),
                                 counted(change, "messages", "message"));
  if (field(change, "in_flight") != 0) {
    text += fmt::format("{} in flight: left alone, what the server says counts\n",
                        counted(change, "in_flight", "recipient"));
  }
  return text;
}

std::string holds_text(const Json& holds) {
  Table table({{"held"}, {"name"}});
  for (const char* kind : {"group", "destination", "job"}) {
    for (const Json& name : list(holds, fmt::format("{}s", kind))) {
      table.add({kind, name.is_string() ? name.get<std::string>() : name.dump()});
    }
  }
  return table.empty() ? "Nothing is held by order.\n" : table.to_string();
}

std::string joined(const Json& texts) {
  std::string all;
  for (const Json& text : texts) {
    all += (all.empty() ? "" : " ") + (text.is_string() ? text.get<std::string>() : text.dump());
  }
  return all.empty() ? "-" : all;
}

std::string explain_text(const Json& explanation) {
  const Json& matched = field(explanation, "matched");
  const Json& binding = field(explanation, "binding");
  std::string text = fmt::format(
      "{}\n  matched      {} {} ({})\n  group        {}, shard {}\n  destination  {}, by {}\n",
      field_text(explanation, "address"), field_text(matched, "kind"),
      field_text(matched, "pattern"), field_text(matched, "set_at"),
      field_text(explanation, "group"), field_text(explanation, "shard"),
      field_text(explanation, "destination"), field_text(explanation, "via"));
  const Json& tls = field(explanation, "tls");
  text +=
      fmt::format("  TLS          {} ({})\n", field_text(tls, "policy"), field_text(tls, "set_at"));
  text +=
      binding.is_object()
          ? fmt::format("  held up by   {} since {}, lifts at {}\n", field_text(binding, "limit"),
                        time_text(binding, "since"), time_text(binding, "lifts_at"))
          : std::string("  held up by   nothing\n");
  // Line by line, so that only our own line ends survive.
  std::string shown;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    shown += printable(std::string_view(text).substr(at, end - at)) + "\n";
    at = end + 1;
  }
  Table hosts({{"mail server"}, {"preference", right}, {"state"}, {"until"}, {"addresses"}});
  for (const Json& host : list(explanation, "mx")) {
    std::vector<std::string> cells = fields(host, {"host", "preference", "state"});
    cells.push_back(time_text(host, "until"));
    cells.push_back(joined(list(host, "addresses")));
    hosts.add(std::move(cells));
  }
  Table limits({{"limit"}, {"value", right}, {"used", right}, {"set at"}});
  for (const Json& limit : list(explanation, "limits")) {
    limits.add(fields(limit, {"name", "value", "used", "set_at"}));
  }
  shown += hosts.empty() ? "" : "\n" + hosts.to_string();
  shown += limits.empty() ? "" : "\n" + limits.to_string();
  return shown;
}

std::string message_text(const Json& message) {
  Table about({{"message"}, {field_text(message, "id")}});
  const std::string sender = field_text(message, "sender");
  about.add({"from", sender.empty() ? "<>" : sender});
  about.add({"arrived", time_text(message, "arrived")});
  about.add({"size", size_text(message, "size")});
  for (const char* name : {"tenant", "job", "envid"}) {
    about.add({name, field_text(message, name)});
  }
  Table recipients({{"recipient"},
                    {"part", right},
                    {"group"},
                    {"shard", right},
                    {"destination"},
                    {"state"},
                    {"attempts", right},
                    {"next attempt"},
                    {"last error"}});
  for (const Json& recipient : list(message, "recipients")) {
    std::vector<std::string> cells = fields(
        recipient, {"recipient", "part", "group", "shard", "destination", "state", "attempts"});
    cells.push_back(time_text(recipient, "next_attempt"));
    cells.push_back(error_text(recipient));
    recipients.add(std::move(cells));
  }
  return about.to_string() + "\n" + recipients.to_string();
}

// One line a field: of one group everything is shown.
std::string group_text(const Json& groups) {
  Table table({{"group"}, {field_text(list(groups, "groups").front(), "group")}});
  for (const auto& [name, value] : list(groups, "groups").front().items()) {
    if (name != "group") {
      table.add({name, field_text(list(groups, "groups").front(), name.c_str())});
    }
  }
  return table.to_string();
}

struct TextOf {
  const Json& answer;

  std::string operator()(const control::StatusCommand& /*command*/) const {
    return status_text(answer);
  }
  std::string operator()(const control::QueueCommand& /*command*/) const {
    return queue_text(answer);
  }
  std::string operator()(const control::GroupListCommand& command) const {
    return command.group.empty() ? groups_text(answer) : group_text(answer);
  }
  std::string operator()(const control::ExplainCommand& /*command*/) const {
    return explain_text(answer);
  }
  std::string operator()(const control::MetricsCommand& /*command*/) const {
    return {};  // the tool does not ask for them
  }
  std::string operator()(const control::ReloadCommand& /*command*/) const {
    return fmt::format("reloaded on {}; {} suppressed\n", counted(answer, "shards", "shard"),
                       field_text(answer, "suppressed"));
  }
  std::string operator()(const control::HoldsCommand& /*command*/) const {
    return holds_text(answer);
  }
  std::string operator()(const control::ChangeCommand& /*command*/) const {
    return change_text(answer);
  }
  std::string operator()(const control::TraceCommand& /*command*/) const {
    return {};  // follow_trace() shows it
  }
  std::string operator()(const control::ShowCommand& /*command*/) const {
    return message_text(answer);
  }
};

}  // namespace

std::string field_text(const Json& object, std::string_view name) {
  const Json& value = field(object, name);
  if (value.is_null()) {
    return "-";
  }
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string answer_text(const control::Command& command, const Json& answer) {
  return std::visit(TextOf{answer}, command);
}

}  // namespace ringpost::tool
