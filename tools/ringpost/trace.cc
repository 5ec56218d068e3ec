#include "trace.h"

#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <ostream>
#include <random>
#include <thread>

#include "answer_text.h"
#include "table.h"

namespace ringpost::tool {
namespace {

constexpr Duration look_again_after = 200ms;
constexpr int refused = 400;

char sign_of(const std::string& kind) {
  return kind == "sent" ? '>' : kind == "said" ? '<' : '*';
}

std::string text_of(const Json& line) {
  const std::string time = field_text(line, "time");
  const std::size_t clock = time.find('T');  // the day is today
  return fmt::format("{} {} {} [{}] {} {}\n",
                     clock == std::string::npos ? time : time.substr(clock + 1),
                     field_text(line, "connection"), printable(field_text(line, "mx")),
                     field_text(line, "address"), sign_of(field_text(line, "kind")),
                     printable(field_text(line, "text")));
}

}  // namespace

std::string follower_name() {
  std::random_device random;
  return fmt::format("t{:08x}{:x}", random(), getpid());
}

std::string trace_text(const std::string& answer, bool json) {
  const Json trace = Json::parse(answer, nullptr, false);
  if (!trace.is_object() || !trace.contains("lines")) {
    return {};
  }
  std::string text;
  if (const std::uint64_t lost = trace.value("lost", std::uint64_t{0}); lost > 0) {
    text += json ? Json{{"lost", lost}}.dump() + "\n" : fmt::format("… {} lines lost …\n", lost);
  }
  for (const Json& line : trace.at("lines")) {
    text += json ? line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n" : text_of(line);
  }
  return text;
}

std::expected<control::Reply, control::AskError> follow_trace(const std::string& socket,
                                                              const control::TraceCommand& command,
                                                              bool json, std::ostream& out,
                                                              const std::function<bool()>& go_on) {
  bool began = false;
  while (true) {
    auto answer = control::ask(socket, command);
    // A destination is forgotten when nothing leads there any more; it may come back.
    const bool gone = began && answer && answer->http_status == 404;
    if (!answer || (answer->http_status >= refused && !gone)) {
      return answer;
    }
    if (!gone) {
      out << trace_text(answer->body, json);
      out.flush();
    }
    began = true;
    if (!out.good()) {
      return answer;  // nobody reads any more
    }
    std::this_thread::sleep_for(look_again_after);
    if (!go_on()) {
      return answer;
    }
  }
}

}  // namespace ringpost::tool
