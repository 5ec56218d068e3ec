#include "ringpost/control/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <map>
#include <string_view>
#include <utility>

namespace ringpost::control {
namespace {

using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

class Text {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = fmt::format("ringpost_{}", name);
    out_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name_, help, name_, type);
  }
  void sample(Labels labels, double value) {
    out_ += name_;
    char separator = '{';
    for (const auto& [name, text] : labels) {
      out_ += fmt::format("{}{}=\"", std::exchange(separator, ','), name);
      append_escaped(text);
      out_ += '"';
    }
    out_ += fmt::format("{} {}\n", labels.size() == 0 ? "" : "}", value);
  }
  void sample(Labels labels, std::uint64_t value) { sample(labels, static_cast<double>(value)); }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  void append_escaped(std::string_view text) {
    for (const char c : text) {
      if (c == '\\' || c == '"') {
        out_ += '\\';
        out_ += c;
      } else if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) {
        out_ += '?';  // a name that a peer made up
      } else {
        out_ += c;
      }
    }
  }

  std::string out_;
  std::string name_;
};

// What waits, by state. `from` is a ShardStatus, a GroupLine or a QueueLine.
template <class From, class Emit>
void for_each_state(const From& from, Emit emit) {
  emit("ready", from.ready);
  emit("deferred", from.deferred);
  emit("held", from.held);
  emit("in_flight", from.in_flight);
}

using Shards = std::vector<ShardMetrics>;
struct ShardFamily {
  std::string_view name;
  std::string_view type;
  std::string_view help;
  std::uint64_t ShardStatus::* value;
};
constexpr ShardFamily shard_families[] = {
    {"messages_queued", "gauge", "Messages with open recipients, and reports that are owed.",
     &ShardStatus::messages_queued},
    {"messages_only_in_memory", "gauge", "Of them, those that a crash would lose, by durability.",
     &ShardStatus::only_in_memory},
    {"reports_owed", "gauge", "Reports that are still to be written.", &ShardStatus::reports_owed},
    {"messages_accepted_total", "counter", "Messages answered with 250.",
     &ShardStatus::accepted_total},
    {"attempts_deferred_total", "counter", "Attempts after which a recipient waits for the next.",
     &ShardStatus::deferred_total},
    {"attempts_in_doubt_total", "counter", "Attempts whose final dot was not answered.",
     &ShardStatus::in_doubt_total},
    {"spool_quarantined_total", "counter", "Damaged places found in the spool.",
     &ShardStatus::quarantined_total},
    {"spool_live_bytes", "gauge", "Bytes of the spool that hold open messages.",
     &ShardStatus::spool_live_bytes},
    {"spool_free_bytes", "gauge", "Bytes that the spool may still use.",
     &ShardStatus::spool_free_bytes},
};
struct Outcome {
  std::string_view name;
  std::uint64_t ShardStatus::* value;
};
constexpr Outcome outcomes[] = {
    {"delivered", &ShardStatus::delivered_total},   {"bounced", &ShardStatus::bounced_total},
    {"expired", &ShardStatus::expired_total},       {"deleted", &ShardStatus::deleted_total},
    {"suppressed", &ShardStatus::suppressed_total},
};

std::string shard_of(const ShardMetrics& shard) {
  return fmt::format("{}", shard.status.shard.value_or(0));
}

void tell_shards(Text& text, const Shards& shards) {
  for (const ShardFamily& family : shard_families) {
    text.family(family.name, family.type, family.help);
    for (const ShardMetrics& shard : shards) {
      text.sample({{"shard", shard_of(shard)}}, shard.status.*family.value);
    }
  }
  text.family("recipients", "gauge", "Open recipients by state.");
  for (const ShardMetrics& shard : shards) {
    for_each_state(shard.status, [&](std::string_view state, std::uint64_t value) {
      text.sample({{"shard", shard_of(shard)}, {"state", state}}, value);
    });
  }
  text.family("recipients_ended_total", "counter", "Recipients that are done, by outcome.");
  for (const ShardMetrics& shard : shards) {
    for (const Outcome& outcome : outcomes) {
      text.sample({{"shard", shard_of(shard)}, {"outcome", outcome.name}},
                  shard.status.*outcome.value);
    }
  }
  text.family("connections", "gauge", "Connections to mail servers, busy or idle.");
  for (const ShardMetrics& shard : shards) {
    const std::uint64_t idle = shard.status.connections_idle;
    text.sample({{"shard", shard_of(shard)}, {"state", "busy"}},
                shard.status.connections_open - std::min(idle, shard.status.connections_open));
    text.sample({{"shard", shard_of(shard)}, {"state", "idle"}}, idle);
  }
}

template <class Value>
void tell_of_groups(Text& text, const Shards& shards, Value value) {
  for (const ShardMetrics& shard : shards) {
    for (const GroupLine& group : shard.groups) {
      text.sample({{"group", group.group}, {"shard", shard_of(shard)}}, value(group));
    }
  }
}

void tell_groups(Text& text, const Shards& shards) {
  text.family("group_recipients", "gauge", "Open recipients of a queue group by state.");
  for (const ShardMetrics& shard : shards) {
    for (const GroupLine& group : shard.groups) {
      for_each_state(group, [&](std::string_view state, std::uint64_t value) {
        text.sample({{"group", group.group}, {"shard", shard_of(shard)}, {"state", state}}, value);
      });
    }
  }
  text.family("group_runners", "gauge", "Queue runners that a group may have.");
  tell_of_groups(text, shards, [](const GroupLine& group) { return group.runners + 0.0; });
  text.family("group_runners_busy", "gauge", "Queue runners at work.");
  tell_of_groups(text, shards, [](const GroupLine& group) { return group.runners_busy + 0.0; });
  text.family("group_on_hold", "gauge", "1 while all of the group is held.");
  tell_of_groups(text, shards,
                 [](const GroupLine& group) { return group.held_by.empty() ? 0.0 : 1.0; });
  text.family("group_delivered_total", "counter", "Recipients delivered.");
  tell_of_groups(text, shards, [](const GroupLine& group) { return group.delivered_total; });
  text.family("group_connections_opened_total", "counter", "Connections opened.");
  tell_of_groups(text, shards,
                 [](const GroupLine& group) { return group.connections_opened_total; });
}

std::uint64_t length(const QueueLine& line) {
  return line.ready + line.deferred + line.held;
}

void tell_destinations(Text& text, const Shards& shards) {
  std::vector<const QueueLine*> lines;
  QueueLine other;
  for (const ShardMetrics& shard : shards) {
    other.ready += shard.status.ready;
    other.deferred += shard.status.deferred;
    other.held += shard.status.held;
    other.in_flight += shard.status.in_flight;
    other.connections_open += shard.status.connections_open;
    for (const QueueLine& line : shard.destinations) {
      lines.push_back(&line);
    }
  }
  std::ranges::sort(lines, [](const QueueLine* a, const QueueLine* b) {
    return length(*a) != length(*b) ? length(*a) > length(*b) : a->destination < b->destination;
  });
  lines.resize(std::min<std::size_t>(lines.size(), ShardMetrics::most_destinations));
  const auto minus = [](std::uint64_t& all, std::uint64_t one) { all -= std::min(all, one); };
  for (const QueueLine* const line : lines) {
    minus(other.ready, line->ready);
    minus(other.deferred, line->deferred);
    minus(other.held, line->held);
    minus(other.in_flight, line->in_flight);
    minus(other.connections_open, line->connections_open);
  }
  other.destination = "other";
  lines.push_back(&other);
  text.family(
      "destination_recipients", "gauge",
      "Open recipients of the destinations with most of them, and of all others, by state.");
  for (const QueueLine* const line : lines) {
    for_each_state(*line, [&](std::string_view state, std::uint64_t value) {
      text.sample({{"destination", line->destination}, {"group", line->group}, {"state", state}},
                  value);
    });
  }
  text.family("destination_connections", "gauge", "Open connections of the same destinations.");
  for (const QueueLine* const line : lines) {
    text.sample({{"destination", line->destination}, {"group", line->group}},
                line->connections_open);
  }
}

}  // namespace

std::string metrics_text(std::vector<ShardMetrics> shards, const std::string& version,
                         std::uint64_t uptime_ms, bool draining) {
  std::ranges::sort(shards, {}, [](const ShardMetrics& shard) { return shard.status.shard; });
  Text text;
  text.family("info", "gauge", "Always 1; the label tells the version.");
  text.sample({{"version", version}}, 1.0);
  text.family("uptime_seconds", "gauge", "Since the daemon started.");
  text.sample({}, static_cast<double>(uptime_ms) / 1000);
  text.family("draining", "gauge", "1 while the daemon goes down.");
  text.sample({}, draining ? 1.0 : 0.0);
  tell_shards(text, shards);
  tell_groups(text, shards);
  tell_destinations(text, shards);
  return text.take();
}

}  // namespace ringpost::control
