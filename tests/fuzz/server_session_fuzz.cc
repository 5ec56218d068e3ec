// Any bytes in any pieces: the session must neither break a check nor depend on how they were cut.
// The first byte of the input chooses the cuts; the rest is what the client says.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ringpost/base/check.h"
#include "ringpost/smtp/server_session.h"

namespace {

using namespace ringpost;

std::string replies_and_contents(const smtp::ServerSettings& settings, std::string_view input,
                                 std::size_t piece) {
  mail::IdSequence ids(1);
  smtp::ServerSession session(settings, {"192.0.2.1", true}, ids);
  session.greet();
  std::string seen;
  while (!input.empty()) {
    std::string_view bytes = input.substr(0, piece);
    input.remove_prefix(bytes.size());
    while (!bytes.empty()) {
      const auto progress = session.feed(bytes, WallTime{});
      bytes.remove_prefix(progress.consumed);
      seen += session.take_output();  // said before that message
      if (progress.step == smtp::ServerSession::Step::message) {
        const mail::Message message = session.take_message();
        check(!message.envelope.recipients.empty(), "a message has recipients");
        check(message.content.find('\0') == std::string::npos, "no NUL is taken");
        check(message.content.ends_with("\r\n"), "content ends in CRLF");
        seen += message.envelope.sender + message.content + message.envelope.job;
        session.complete(session.last_message_number(), "250 2.0.0 queued\r\n");
      }
      seen += session.take_output();
      check(progress.step != smtp::ServerSession::Step::full, "nothing pending, nothing full");
    }
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  smtp::ServerSettings settings;
  settings.hostname = "mx.example";
  settings.max_message_size = 4096;
  settings.max_recipients = 10;
  settings.max_line_length = 100;
  settings.max_command_length = 100;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t piece = 1 + data[0];
  check(replies_and_contents(settings, input, piece) ==
            replies_and_contents(settings, input, input.size() + 1),
        "cuts change nothing");
  return 0;
}
