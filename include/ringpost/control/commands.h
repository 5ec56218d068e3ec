// What may be asked over the control socket, as values, and the URLs they travel in. The server
// reads a command from a request, the tool writes one. Pure.
//
//   GET /status   GET /queue?group=&destination=&limit=   GET /groups   GET /explain?address=
//   GET /messages/ID
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <variant>

#include "ringpost/control/answers.h"

namespace ringpost::control {

struct StatusCommand {
  bool operator==(const StatusCommand&) const = default;
};

struct QueueCommand {
  static constexpr std::uint32_t default_limit = 100;
  static constexpr std::uint32_t highest_limit = 10'000;

  std::string group;        // empty: all
  std::string destination;  // empty: all
  std::uint32_t limit = default_limit;

  bool operator==(const QueueCommand&) const = default;
};

struct GroupListCommand {
  bool operator==(const GroupListCommand&) const = default;
};

struct ExplainCommand {
  std::string address;  // an address, or a domain alone

  bool operator==(const ExplainCommand&) const = default;
};

struct ShowCommand {
  std::string id;  // 13 characters, see mail::MessageId

  bool operator==(const ShowCommand&) const = default;
};

using Command =
    std::variant<StatusCommand, QueueCommand, GroupListCommand, ExplainCommand, ShowCommand>;

// `target` is path and query as sent. Unknown parameters are refused, and so are control
// characters in any value, however encoded. A plus sign means itself: addresses have them.
[[nodiscard]] std::expected<Command, Refusal> parse_command(std::string_view method,
                                                            std::string_view target);
// The target that parse_command reads back as the same command.
[[nodiscard]] std::string target_of(const Command& command);

}  // namespace ringpost::control
