// What may be asked over the control socket, as values, and the URLs they travel in. The server
// reads a command from a request, the tool writes one. Pure.
//
//   GET /status   GET /queue?group=&destination=&limit=   GET /groups   GET /explain?address=
//   GET /messages/ID   GET /holds
//   POST /flush?group=&destination=   POST /hold?group= (or destination=, job=)   POST /release?…
//   GET /trace?destination=&follower= (what a follower has not seen yet; the first makes it one)
//   GET /metrics (the only one that is no JSON)   POST /reload
//   POST /delete?id=&group=&destination=&job=&sender=&dry_run=true   POST /requeue?id=
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
  std::string group;  // empty: all

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

struct TraceCommand {
  static constexpr std::size_t longest_follower = 32;

  std::string destination;  // lower case
  std::string follower;     // who asks: letters and digits, its own choice

  bool operator==(const TraceCommand&) const = default;
};

struct HoldsCommand {
  bool operator==(const HoldsCommand&) const = default;
};

// Which recipients an order is about: those that fit all that is given.
struct Selector {
  std::string id;  // of the message
  std::string group;
  std::string destination;  // lower case; of a domain without a route, as `queue` shows it
  std::string job;
  std::string sender;  // "<>" is the null sender

  [[nodiscard]] bool empty() const { return *this == Selector(); }
  bool operator==(const Selector&) const = default;
};

// An order that changes what is queued.
struct ChangeCommand {
  enum class What : std::uint8_t { flush, hold, release, erase, requeue };

  What what = What::flush;
  Selector selector;
  bool dry_run = false;  // only say what would be deleted

  bool operator==(const ChangeCommand&) const = default;
};

struct MetricsCommand {
  bool operator==(const MetricsCommand&) const = default;
};

// Read the configuration again, as HUP does.
struct ReloadCommand {
  bool operator==(const ReloadCommand&) const = default;
};

[[nodiscard]] std::string_view name_of(ChangeCommand::What what);  // erase is "delete"

using Command =
    std::variant<StatusCommand, QueueCommand, GroupListCommand, ExplainCommand, ShowCommand,
                 HoldsCommand, ChangeCommand, ReloadCommand, MetricsCommand, TraceCommand>;

// `target` is path and query as sent. Unknown parameters are refused, and so are control
// characters in any value, however encoded. A plus sign means itself: addresses have them.
[[nodiscard]] std::expected<Command, Refusal> parse_command(std::string_view method,
                                                            std::string_view target);
// The method and the target that parse_command reads back as the same command.
[[nodiscard]] std::string_view method_of(const Command& command);
[[nodiscard]] std::string target_of(const Command& command);

}  // namespace ringpost::control
