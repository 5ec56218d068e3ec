#include "ringpost/events/event.h"

#include <charconv>
#include <concepts>

namespace ringpost::events {
namespace {

bool needs_escape(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte >= 0x7f || c == '"' || c == '\\';
}

// Bytes above 127 never pass as text (senders and replies may be in any charset): each stands as
// the character of that number, so that a line is always valid JSON.
void append_escaped(std::string& out, char c) {
  static constexpr std::string_view digits = "0123456789abcdef";
  if (c == '"' || c == '\\') {
    out.push_back('\\');
    out.push_back(c);
    return;
  }
  const auto byte = static_cast<unsigned char>(c);
  out += "\\u00";
  out.push_back(digits[byte >> 4]);
  out.push_back(digits[byte & 15]);
}

void append_string(std::string& out, std::string_view text) {
  out.push_back('"');
  std::size_t plain = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (needs_escape(text[at])) [[unlikely]] {
      out.append(text.substr(plain, at - plain));
      append_escaped(out, text[at]);
      plain = at + 1;
    }
  }
  out.append(text.substr(plain));
  out.push_back('"');
}

void append_number(std::string& out, std::integral auto number) {
  char digits[24];
  const auto [end, error] = std::to_chars(digits, digits + sizeof(digits), number);
  out.append(digits, end);
}

class Line {
 public:
  explicit Line(std::string& out) : out_(out) {}

  void text(std::string_view name, std::string_view value) {
    key(name);
    if (value.empty()) {
      out_ += "null";
    } else {
      append_string(out_, value);
    }
  }
  void text_or_empty(std::string_view name, std::string_view value) {
    key(name);
    append_string(out_, value);
  }
  template <class Number>
  void number(std::string_view name, const std::optional<Number>& value) {
    key(name);
    if (value) {
      append_number(out_, *value);
    } else {
      out_ += "null";
    }
  }

 private:
  void key(std::string_view name) {
    out_ += ",\"";
    out_ += name;
    out_ += "\":";
  }

  std::string& out_;
};

}  // namespace

std::string_view name_of(EventKind kind) {
  static constexpr std::string_view names[] = {"received", "delivered", "deferred",  "bounced",
                                               "expired",  "in_doubt",  "warned",    "held",
                                               "deleted",  "moved",     "suppressed"};
  return names[static_cast<std::size_t>(kind)];
}

void append_line(std::string& out, const Event& event) {
  out += "{\"time\":\"";
  append_rfc3339(out, event.time);
  out.push_back('"');
  Line line(out);
  line.text("event", name_of(event.kind));
  if (event.id.value == 0) {
    out += ",\"id\":null,\"part\":null,\"sender\":null";
  } else {
    line.text("id", event.id.to_string());
    line.number("part", std::optional(event.part));
    line.text_or_empty("sender", event.sender);
  }
  line.text("recipient", event.recipient);
  line.text("group", event.group);
  line.number("shard", std::optional(event.shard));
  line.text("destination", event.destination);
  line.text("mx", event.mx);
  line.text("address", event.address);
  line.text("source", event.source);
  line.text("reply", event.reply);
  line.text("status", event.status.known() ? event.status.to_string() : std::string());
  line.number("attempt", event.attempt);
  line.number("size", event.size);
  line.number("connection", event.connection);
  line.number("transaction", event.transaction);
  line.number("queued_ms", event.queued_ms);
  line.number("attempt_ms", event.attempt_ms);
  line.text("tenant", event.tenant);
  line.text("job", event.job);
  line.text("envid", event.envid);
  line.text("tls", event.tls);
  out += "}\n";
}

}  // namespace ringpost::events
