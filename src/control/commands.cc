#include "ringpost/control/commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <map>
#include <optional>
#include <utility>

#include "ringpost/base/text.h"
#include "ringpost/mail/message.h"

namespace ringpost::control {
namespace {

constexpr std::string_view message_prefix = "/messages/";

std::unexpected<Refusal> refuse(int status, std::string code, std::string message,
                                std::string remedy) {
  return std::unexpected(Refusal{status, std::move(code), std::move(message), std::move(remedy)});
}

std::unexpected<Refusal> bad_request(std::string message, std::string remedy = {}) {
  return refuse(400, "bad_request", std::move(message), std::move(remedy));
}

std::optional<unsigned> hex_value(char c) {
  if (is_digit(c)) {
    return static_cast<unsigned>(c - '0');
  }
  const char lower = ascii_lower(c);
  if (lower >= 'a' && lower <= 'f') {
    return static_cast<unsigned>(lower - 'a') + 10;
  }
  return std::nullopt;
}

// Nothing on bad escapes and on control characters.
std::optional<std::string> percent_decode(std::string_view text) {
  std::string decoded;
  for (std::size_t at = 0; at < text.size(); ++at) {
    char c = text[at];
    if (c == '%') {
      const auto high = at + 2 < text.size() ? hex_value(text[at + 1]) : std::nullopt;
      const auto low = at + 2 < text.size() ? hex_value(text[at + 2]) : std::nullopt;
      if (!high || !low) {
        return std::nullopt;
      }
      c = static_cast<char>(*high * 16 + *low);
      at += 2;
    }
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      return std::nullopt;
    }
    decoded += c;
  }
  return decoded;
}

std::string percent_encode(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const char lower = ascii_lower(c);
    if ((lower >= 'a' && lower <= 'z') || is_digit(c) ||
        std::string_view("-._~@+").find(c) != std::string_view::npos) {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

using Parameters = std::map<std::string_view, std::string>;

std::expected<Parameters, Refusal> parse_query(std::string_view query,
                                               std::initializer_list<std::string_view> known) {
  Parameters parameters;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const std::string_view name = pair.substr(0, equals);
    const auto value = percent_decode(pair.substr(std::min(equals + 1, pair.size())));
    if (std::ranges::find(known, name) == known.end()) {
      return bad_request(fmt::format("unknown parameter '{}'", name),
                         known.size() == 0 ? "this takes no parameters"
                                           : fmt::format("this takes: {}", fmt::join(known, ", ")));
    }
    if (!value) {
      return bad_request(fmt::format("parameter '{}' has a bad value", name),
                         "percent-encode it; control characters are not allowed");
    }
    if (!parameters.emplace(name, *value).second) {
      return bad_request(fmt::format("parameter '{}' is given twice", name));
    }
  }
  return parameters;
}

std::expected<Command, Refusal> parse_queue(std::string_view query) {
  auto parameters = parse_query(query, {"group", "destination", "limit"});
  if (!parameters) {
    return std::unexpected(std::move(parameters.error()));
  }
  QueueCommand command;
  command.group = (*parameters)["group"];
  command.destination = to_lower((*parameters)["destination"]);
  if (const std::string& limit = (*parameters)["limit"]; !limit.empty()) {
    const auto number = parse_number(limit);
    if (!number || *number == 0 || *number > QueueCommand::highest_limit) {
      return bad_request(fmt::format("'{}' is not a limit", limit),
                         fmt::format("from 1 to {}", QueueCommand::highest_limit));
    }
    command.limit = static_cast<std::uint32_t>(*number);
  }
  return command;
}

std::expected<Command, Refusal> parse_explain(std::string_view query) {
  auto parameters = parse_query(query, {"address"});
  if (!parameters) {
    return std::unexpected(std::move(parameters.error()));
  }
  ExplainCommand command{(*parameters)["address"]};
  // A domain alone will do; "user@" names none.
  if (command.address.empty() || command.address.ends_with('@')) {
    return bad_request("no address was given", "ask for someone@example.com or example.com");
  }
  return command;
}

std::expected<Command, Refusal> parse_show(std::string_view encoded_id) {
  const auto id = percent_decode(encoded_id);
  if (!id || mail::parse_message_id(*id).value == 0) {
    return bad_request("this is not a message id",
                       "ids are the 13 characters that the event log and the 250 reply show");
  }
  return ShowCommand{*id};
}

template <class Plain>
std::expected<Command, Refusal> parse_plain(std::string_view query) {
  auto parameters = parse_query(query, {});
  if (!parameters) {
    return std::unexpected(std::move(parameters.error()));
  }
  return Plain{};
}

struct TargetOf {
  std::string operator()(const StatusCommand& /*command*/) const { return "/status"; }
  std::string operator()(const GroupListCommand& /*command*/) const { return "/groups"; }
  std::string operator()(const ExplainCommand& command) const {
    return "/explain?address=" + percent_encode(command.address);
  }
  std::string operator()(const ShowCommand& command) const {
    return std::string(message_prefix) + percent_encode(command.id);
  }
  std::string operator()(const QueueCommand& command) const {
    std::string target = fmt::format("/queue?limit={}", command.limit);
    if (!command.group.empty()) {
      target += "&group=" + percent_encode(command.group);
    }
    if (!command.destination.empty()) {
      target += "&destination=" + percent_encode(command.destination);
    }
    return target;
  }
};

}  // namespace

std::expected<Command, Refusal> parse_command(std::string_view method, std::string_view target) {
  const std::size_t mark = std::min(target.find('?'), target.size());
  const std::string_view path = target.substr(0, mark);
  const std::string_view query = target.substr(std::min(mark + 1, target.size()));
  const bool show = path.starts_with(message_prefix);
  if (!show && path != "/status" && path != "/queue" && path != "/groups" && path != "/explain") {
    return refuse(404, "not_found", fmt::format("there is nothing at '{}'", path),
                  "try /status, /queue, /groups, /explain?address= or /messages/ID");
  }
  if (method != "GET") {
    return refuse(405, "bad_method", fmt::format("{} cannot be asked with {}", path, method),
                  "use GET");
  }
  if (path == "/status") {
    return parse_plain<StatusCommand>(query);
  }
  if (path == "/groups") {
    return parse_plain<GroupListCommand>(query);
  }
  if (path == "/queue") {
    return parse_queue(query);
  }
  if (path == "/explain") {
    return parse_explain(query);
  }
  if (!query.empty()) {
    return bad_request("a message takes no parameters");
  }
  return parse_show(path.substr(message_prefix.size()));
}

std::string target_of(const Command& command) {
  return std::visit(TargetOf{}, command);
}

}  // namespace ringpost::control
