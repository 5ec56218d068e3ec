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

using What = ChangeCommand::What;
constexpr What orders[] = {What::flush, What::hold, What::release, What::erase, What::requeue};

std::optional<What> order_at(std::string_view path) {
  for (const What what : orders) {
    if (path.starts_with('/') && path.substr(1) == name_of(what)) {
      return what;
    }
  }
  return std::nullopt;
}

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

std::expected<Command, Refusal> parse_groups(std::string_view query) {
  auto parameters = parse_query(query, {"group"});
  if (!parameters) {
    return std::unexpected(std::move(parameters.error()));
  }
  return GroupListCommand{(*parameters)["group"]};
}

std::expected<Command, Refusal> parse_trace(std::string_view query) {
  auto parameters = parse_query(query, {"destination", "follower"});
  if (!parameters) {
    return std::unexpected(std::move(parameters.error()));
  }
  const auto is_word = [](char c) { return is_digit(c) || (c >= 'a' && c <= 'z'); };
  TraceCommand command{to_lower((*parameters)["destination"]), (*parameters)["follower"]};
  if (command.destination.empty()) {
    return bad_request("no destination was given", "`ringpost queue` shows them");
  }
  if (command.follower.empty() || command.follower.size() > TraceCommand::longest_follower ||
      !std::ranges::all_of(command.follower, is_word)) {
    return bad_request("the follower has no name",
                       "choose one of 1 to 32 lower case letters and digits, and keep it");
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

// --- orders --------------------------------------------------------------------------------------

std::size_t given(const Selector& selector) {
  std::size_t count = 0;
  for (const std::string* const part :
       {&selector.id, &selector.group, &selector.destination, &selector.job, &selector.sender}) {
    count += part->empty() ? 0 : 1;
  }
  return count;
}

std::expected<Parameters, Refusal> parse_order_query(What what, std::string_view query) {
  switch (what) {
    case What::flush:
      return parse_query(query, {"group", "destination"});
    case What::hold:
    case What::release:
      return parse_query(query, {"group", "destination", "job"});
    case What::erase:
      return parse_query(query, {"id", "group", "destination", "job", "sender", "dry_run"});
    case What::requeue:
      break;
  }
  return parse_query(query, {"id"});
}

std::expected<Command, Refusal> check_order(ChangeCommand command) {
  const Selector& selector = command.selector;
  if (!selector.id.empty() && mail::parse_message_id(selector.id).value == 0) {
    return bad_request(fmt::format("'{}' is not a message id", selector.id),
                       "ids are the 13 characters that the event log and the 250 reply show");
  }
  const bool names_one = command.what == What::hold || command.what == What::release;
  if (names_one && given(selector) != 1) {
    return bad_request(
        fmt::format("{} needs one of group, destination and job, and only one",
                    name_of(command.what)),
        fmt::format("for instance: ringpost {} --group NAME", name_of(command.what)));
  }
  if (command.what == What::erase && selector.empty()) {
    return bad_request("delete needs to know what: nothing was selected",
                       "give an id, --group, --destination, --job or --sender; --dry-run tells "
                       "first what would go");
  }
  if (command.what == What::requeue && selector.id.empty()) {
    return bad_request("requeue needs a message's id", "`ringpost show` and the event log have it");
  }
  return command;
}

std::expected<Command, Refusal> parse_order(What what, std::string_view query) {
  auto parameters = parse_order_query(what, query);
  if (!parameters) {
    return std::unexpected(std::move(parameters.error()));
  }
  ChangeCommand command;
  command.what = what;
  command.selector.id = (*parameters)["id"];
  command.selector.group = (*parameters)["group"];
  command.selector.destination = to_lower((*parameters)["destination"]);
  command.selector.job = (*parameters)["job"];
  command.selector.sender = (*parameters)["sender"];
  const std::string& dry_run = (*parameters)["dry_run"];
  if (!dry_run.empty() && dry_run != "true" && dry_run != "false") {
    return bad_request(fmt::format("'{}' is no answer to dry_run", dry_run), "true or false");
  }
  command.dry_run = dry_run == "true";
  return check_order(std::move(command));
}

std::string target_of_order(const ChangeCommand& command) {
  std::string target = fmt::format("/{}", name_of(command.what));
  char separator = '?';
  const auto add = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) {
      target += fmt::format("{}{}={}", std::exchange(separator, '&'), name, percent_encode(value));
    }
  };
  add("id", command.selector.id);
  add("group", command.selector.group);
  add("destination", command.selector.destination);
  add("job", command.selector.job);
  add("sender", command.selector.sender);
  add("dry_run", command.dry_run ? "true" : "");
  return target;
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
  std::string operator()(const GroupListCommand& command) const {
    return command.group.empty() ? "/groups" : "/groups?group=" + percent_encode(command.group);
  }
  std::string operator()(const HoldsCommand& /*command*/) const { return "/holds"; }
  std::string operator()(const ReloadCommand& /*command*/) const { return "/reload"; }
  std::string operator()(const MetricsCommand& /*command*/) const { return "/metrics"; }
  std::string operator()(const ChangeCommand& command) const { return target_of_order(command); }
  std::string operator()(const ExplainCommand& command) const {
    return "/explain?address=" + percent_encode(command.address);
  }
  std::string operator()(const TraceCommand& command) const {
    return fmt::format("/trace?destination={}&follower={}", percent_encode(command.destination),
                       command.follower);
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
  const std::optional<What> order = order_at(path);
  const bool plain = path == "/status" || path == "/queue" || path == "/groups" ||
                     path == "/explain" || path == "/holds" || path == "/metrics" ||
                     path == "/trace";
  if (!show && !order && !plain && path != "/reload") {
    return refuse(404, "not_found", fmt::format("there is nothing at '{}'", path),
                  "try /status, /queue, /groups, /explain?address=, /messages/ID, /holds, "
                  "/trace?destination=&follower= or /metrics; "
                  "orders: /flush, /hold, /release, /delete, /requeue, /reload");
  }
  const bool reload = path == "/reload";
  const std::string_view wanted = order || reload ? "POST" : "GET";
  if (method != wanted) {
    return refuse(405, "bad_method", fmt::format("{} cannot be asked with {}", path, method),
                  fmt::format("use {}", wanted));
  }
  if (order) {
    return parse_order(*order, query);
  }
  if (reload) {
    return parse_plain<ReloadCommand>(query);
  }
  if (path == "/status") {
    return parse_plain<StatusCommand>(query);
  }
  if (path == "/metrics") {
    return parse_plain<MetricsCommand>(query);
  }
  if (path == "/holds") {
    return parse_plain<HoldsCommand>(query);
  }
  if (path == "/groups") {
    return parse_groups(query);
  }
  if (path == "/queue") {
    return parse_queue(query);
  }
  if (path == "/trace") {
    return parse_trace(query);
  }
  if (path == "/explain") {
    return parse_explain(query);
  }
  if (!query.empty()) {
    return bad_request("a message takes no parameters");
  }
  return parse_show(path.substr(message_prefix.size()));
}

std::string_view name_of(ChangeCommand::What what) {
  switch (what) {
    case What::flush:
      return "flush";
    case What::hold:
      return "hold";
    case What::release:
      return "release";
    case What::erase:
      return "delete";
    case What::requeue:
      break;
  }
  return "requeue";
}

std::string_view method_of(const Command& command) {
  const bool changes = std::holds_alternative<ChangeCommand>(command) ||
                       std::holds_alternative<ReloadCommand>(command);
  return changes ? "POST" : "GET";
}

std::string target_of(const Command& command) {
  return std::visit(TargetOf{}, command);
}

}  // namespace ringpost::control
