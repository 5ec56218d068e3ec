#include "run.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <ostream>
#include <utility>

#include "answer_text.h"
#include "command_line.h"
#include "ringpost/control/client.h"
#include "table.h"
#include "trace.h"

namespace ringpost::tool {
namespace {

constexpr int done = 0;
constexpr int failed = 1;
constexpr int no_daemon = 3;
constexpr int lowest_error_status = 400;

class Printer {
 public:
  Printer(bool json, std::ostream& out, std::ostream& error)
      : json_(json), out_(out), error_(error) {}

  void refusal(std::string code, std::string message, std::string remedy) {
    if (json_) {
      out_ << control::to_json(control::Refusal{lowest_error_status, std::move(code),
                                                std::move(message), std::move(remedy)})
           << '\n';
      return;
    }
    error_ << "ringpost: " << printable(message) << '\n';
    if (!remedy.empty()) {
      error_ << "  " << printable(remedy) << '\n';
    }
  }

  void answer(const control::Command& command, const Json& answer) {
    out_ << (json_ ? line_of(answer) : answer_text(command, answer));
  }

  // What the daemon refused.
  void refused(const Json& answer) {
    if (json_) {
      out_ << line_of(answer);
      return;
    }
    const Json& error = answer.at("error");
    const std::string remedy = field_text(error, "remedy");
    refusal("", field_text(error, "message"), remedy == "-" ? "" : remedy);
  }

 private:
  // Our own rendering of what was parsed is one line for certain.
  static std::string line_of(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }

  bool json_;
  std::ostream& out_;
  std::ostream& error_;
};

int ask(const Invocation& invocation, Printer& printer, std::ostream& out, std::string& event_log) {
  const auto answer =
      invocation.trace
          ? follow_trace(invocation.socket, std::get<control::TraceCommand>(invocation.command),
                         invocation.json, out, [] { return true; })
          : control::ask(invocation.socket, invocation.command);
  if (!answer) {
    const control::AskError& why = answer.error();
    const bool absent = why.kind == control::AskError::Kind::no_daemon;
    Error without_remedy = why.error;
    without_remedy.remedy.clear();
    printer.refusal(absent ? "no_daemon" : "failed", without_remedy.describe(), why.error.remedy);
    return absent ? no_daemon : failed;
  }
  const Json json = Json::parse(answer->body, nullptr, false);
  const bool refused = answer->http_status >= lowest_error_status;
  if (!json.is_object() || (refused && !json.contains("error"))) {
    printer.refusal(
        "failed",
        fmt::format("the daemon's answer (HTTP {}) is no JSON object", answer->http_status),
        "is this ringpostd's control.socket?");
    return failed;
  }
  if (refused) {
    printer.refused(json);
    return failed;
  }
  if (invocation.events) {
    event_log = field_text(json, "events_log");
    return done;
  }
  if (!invocation.trace) {
    printer.answer(invocation.command, json);
  }
  return done;
}

// Asks the daemon where its log is, unless that was said.
int show_events(const Invocation& invocation, Printer& printer, std::ostream& out,
                std::ostream& error) {
  EventOptions options = *invocation.events;
  if (options.log.empty()) {
    if (const int failure = ask(invocation, printer, out, options.log); failure != done) {
      return failure;
    }
  }
  return print_events(options, out, error, [] { return true; });
}

}  // namespace

int run(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& error) {
  const auto invocation = parse_command_line(arguments);
  if (!invocation) {
    const Instead& instead = invocation.error();
    out << instead.output;
    if (instead.exit_code != done) {
      Printer(instead.json, out, error).refusal("usage", instead.error, "see ringpost --help");
    }
    return instead.exit_code;
  }
  Printer printer(invocation->json, out, error);
  std::string event_log;
  const int exit_code = invocation->events ? show_events(*invocation, printer, out, error)
                                           : ask(*invocation, printer, out, event_log);
  out.flush();
  return out.good() ? exit_code : failed;
}

}  // namespace ringpost::tool
