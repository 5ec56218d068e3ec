#include "ringpost/smtp/capabilities.h"

#include <string_view>

#include "ringpost/base/text.h"

namespace ringpost::smtp {
namespace {

// The next word of `line`, which moves on behind it; empty at the end.
std::string_view take_word(std::string_view& line) {
  line = trim(line);
  const std::size_t end = line.find_first_of(" \t");
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(word.size());
  return word;
}

// RFC 9422 section 4: `NAME=value`, unknown names ignored. A limit of 0 would forbid everything
// and is taken as a mistake.
void read_limit(Capabilities& offered, std::string_view word) {
  const std::size_t equals = word.find('=');
  if (equals == std::string_view::npos) {
    return;
  }
  const std::string_view name = word.substr(0, equals);
  const auto value = parse_number(word.substr(equals + 1));
  if (!value || *value == 0) {
    return;
  }
  if (equals_ignoring_case(name, "MAILMAX")) {
    offered.mail_max = value;
  } else if (equals_ignoring_case(name, "RCPTMAX")) {
    offered.rcpt_max = value;
  } else if (equals_ignoring_case(name, "RCPTDOMAINMAX")) {
    offered.rcpt_domain_max = value;
  }
}

void read_line(Capabilities& offered, std::string_view line) {
  struct Keyword {
    std::string_view name;
    bool Capabilities::* offered;
  };
  static constexpr Keyword keywords[] = {
      {"PIPELINING", &Capabilities::pipelining},
      {"CHUNKING", &Capabilities::chunking},
      {"8BITMIME", &Capabilities::eight_bit_mime},
      {"STARTTLS", &Capabilities::starttls},
      {"SMTPUTF8", &Capabilities::smtputf8},
      {"ENHANCEDSTATUSCODES", &Capabilities::enhanced_statuses},
      {"DSN", &Capabilities::dsn},
  };
  const std::string_view name = take_word(line);
  for (const Keyword& keyword : keywords) {
    if (equals_ignoring_case(name, keyword.name)) {
      offered.*keyword.offered = true;
      return;
    }
  }
  if (equals_ignoring_case(name, "SIZE")) {
    offered.size = parse_number(take_word(line)).value_or(0);
  } else if (equals_ignoring_case(name, "LIMITS")) {
    for (std::string_view word = take_word(line); !word.empty(); word = take_word(line)) {
      read_limit(offered, word);
    }
  }
}

}  // namespace

Capabilities parse_capabilities(const Reply& ehlo) {
  Capabilities offered;
  std::string_view rest = ehlo.text;
  (void)take_line(rest);  // the server's name and greeting
  while (!rest.empty()) {
    read_line(offered, take_line(rest));
  }
  return offered;
}

std::optional<mail::EnhancedStatus> find_obstacle(const Capabilities& capabilities,
                                                  const Needs& message) {
  if (message.utf8 && !capabilities.smtputf8) {
    return mail::EnhancedStatus{5, 6, 7};
  }
  if (message.eight_bit && !capabilities.eight_bit_mime) {
    return mail::EnhancedStatus{5, 6, 3};
  }
  if (capabilities.size.value_or(0) != 0 && message.content_bytes > *capabilities.size) {
    return mail::EnhancedStatus{5, 3, 4};
  }
  return std::nullopt;
}

}  // namespace ringpost::smtp
