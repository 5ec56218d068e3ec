#include "ringpost/events/event.h"

#include <algorithm>
#include <charconv>
#include <concepts>
#include <cstring>
#include <limits>

#include "ringpost/base/check.h"
#include "ringpost/mail/utf8.h"

namespace ringpost::events {
namespace {

bool needs_escape(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20) | (byte >= 0x7f) | (c == '"') | (c == '\\');
}

// Without a way out of the loop, so that compilers look at many bytes at once.
bool any_needs_escape(std::string_view text) {
  bool any = false;
  for (const char c : text) {
    any |= needs_escape(c);
  }
  return any;
}

constexpr std::size_t longest_escape = 6;
// All names, numbers, the time and the punctuation of a line: 24 fields of at most 40 bytes.
constexpr std::size_t most_fixed_bytes = 1024;

// Writes into memory that is known to be large enough: twice a message some fifty pieces go into a
// line, and asking for room each time would cost more than copying them.
class Line {
 public:
  explicit Line(char* at) : at_(at) {}

  void literal(std::string_view text) {
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  // Empty text is null. `name` is the whole of `,"name":`.
  void text(std::string_view name, std::string_view value) {
    literal(name);
    value.empty() ? literal("null") : quoted(value);
  }
  void text_or_empty(std::string_view name, std::string_view value) {
    literal(name);
    quoted(value);
  }
  template <std::integral Number>
  void number(std::string_view name, Number value) {
    literal(name);
    at_ = std::to_chars(at_, at_ + std::numeric_limits<Number>::digits10 + 2, value).ptr;
  }
  template <class Number>
  void number(std::string_view name, const std::optional<Number>& value) {
    if (value) {
      return number(name, *value);
    }
    literal(name);
    literal("null");
  }
  void status(const mail::EnhancedStatus& status) {
    if (!status.known()) {
      return text(R"(,"status":)", {});
    }
    number(R"(,"status":")", status.status_class);
    number(".", status.subject);
    number(".", status.detail);
    literal("\"");
  }
  [[nodiscard]] char* end() const { return at_; }

 private:
  void quoted(std::string_view value) {
    *at_++ = '"';
    if (any_needs_escape(value)) [[unlikely]] {
      escape(value);
    } else {
      literal(value);
    }
    *at_++ = '"';
  }
  // What is UTF-8 passes as it is. Any other byte above 127 (replies may be in any charset) stands
  // as the character of that number, so that a line is always valid JSON.
  void escape(std::string_view value) {
    while (!value.empty()) {
      const std::size_t length = mail::utf8_length(value);
      length != 0 ? literal(value.substr(0, length)) : escaped(value.front());
      value.remove_prefix(std::max<std::size_t>(length, 1));
    }
  }
  void escaped(char c) {
    static constexpr std::string_view digits = "0123456789abcdef";
    if (!needs_escape(c)) {
      *at_++ = c;
    } else if (c == '"' || c == '\\') {
      *at_++ = '\\';
      *at_++ = c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      literal("\\u00");
      *at_++ = digits[byte >> 4];
      *at_++ = digits[byte & 15];
    }
  }

  char* at_;
};

std::size_t text_bytes(const Event& event) {
  std::size_t sum = 0;
  for (const std::string_view text :
       {event.sender, event.recipient, event.group, event.destination, event.mx, event.address,
        event.source, event.reply, event.tenant, event.job, event.envid, event.tls}) {
    sum += text.size();
  }
  return sum;
}

char* write_fields(char* at, const Event& event) {
  Line line(at);
  line.text(R"(","event":)", name_of(event.kind));
  if (event.id.value == 0) {
    line.literal(R"(,"id":null,"part":null,"sender":null)");
  } else {
    line.text(R"(,"id":)", event.id.to_string());
    line.number(R"(,"part":)", event.part);
    line.text_or_empty(R"(,"sender":)", event.sender);
  }
  line.text(R"(,"recipient":)", event.recipient);
  line.text(R"(,"group":)", event.group);
  line.number(R"(,"shard":)", event.shard);
  line.text(R"(,"destination":)", event.destination);
  line.text(R"(,"mx":)", event.mx);
  line.text(R"(,"address":)", event.address);
  line.text(R"(,"source":)", event.source);
  line.text(R"(,"reply":)", event.reply);
  line.status(event.status);
  line.number(R"(,"attempt":)", event.attempt);
  line.number(R"(,"size":)", event.size);
  line.number(R"(,"connection":)", event.connection);
  line.number(R"(,"transaction":)", event.transaction);
  line.number(R"(,"queued_ms":)", event.queued_ms);
  line.number(R"(,"attempt_ms":)", event.attempt_ms);
  line.text(R"(,"tenant":)", event.tenant);
  line.text(R"(,"job":)", event.job);
  line.text(R"(,"envid":)", event.envid);
  line.text(R"(,"tls":)", event.tls);
  line.literal("}\n");
  return line.end();
}

}  // namespace

std::string_view name_of(EventKind kind) {
  static constexpr std::string_view names[] = {"received", "delivered", "deferred",  "bounced",
                                               "expired",  "in_doubt",  "warned",    "held",
                                               "deleted",  "moved",     "suppressed"};
  return names[static_cast<std::size_t>(kind)];
}

void append_line(std::string& out, const Event& event) {
  out += R"({"time":")";
  append_rfc3339(out, event.time);
  const std::size_t before = out.size();
  const std::size_t most = most_fixed_bytes + longest_escape * text_bytes(event);
  out.resize_and_overwrite(before + most, [&](char* bytes, std::size_t room) {
    const auto used = static_cast<std::size_t>(write_fields(bytes + before, event) - bytes);
    check(used <= room, "an event line is longer than it can be");
    return used;
  });
}

}  // namespace ringpost::events
