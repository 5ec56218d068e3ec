// A server session with settings of its own, and a listener that answers messages at once.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "ringpost/smtp/server_session.h"

namespace ringpost::smtp {

inline constexpr WallTime noon{1'767'225'600'000ms};  // Thu, 01 Jan 2026 00:00:00

inline ServerSettings small_settings() {
  ServerSettings settings;
  settings.hostname = "mx.example";
  settings.max_message_size = 2000;
  settings.max_recipients = 3;
  settings.max_line_length = 1000;
  settings.max_command_length = 80;
  settings.max_pending_messages = 2;
  settings.max_errors = 4;
  return settings;
}

inline constexpr std::string_view hello = "EHLO client.example\r\n";
inline constexpr std::string_view letter =
    "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: x\r\n\r\nhi\r\n.\r\n";

class Fixture {
 public:
  explicit Fixture(ServerSettings settings = small_settings(), bool may_relay = true)
      : settings_(std::move(settings)),
        ids_(0),
        session_(settings_, ClientInfo{"192.0.2.9", may_relay}, ids_) {
    session_.greet();
  }

  void feed_all(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto progress = session_.feed(bytes, noon);
      bytes.remove_prefix(progress.consumed);
      output += session_.take_output();
      if (progress.step == ServerSession::Step::message) {
        messages.push_back(session_.take_message());
        if (answer_at_once) {
          session_.complete(session_.last_message_number(), "250 2.0.0 queued\r\n");
          output += session_.take_output();
        }
      }
      last_step = progress.step;
      if (progress.step == ServerSession::Step::full ||
          progress.step == ServerSession::Step::close) {
        left = bytes;
        return;
      }
      ASSERT_TRUE(progress.step == ServerSession::Step::message || bytes.empty());
    }
  }
  ServerSession& session() { return session_; }

  bool answer_at_once = true;
  std::string output;
  std::vector<mail::Message> messages;
  ServerSession::Step last_step = ServerSession::Step::need_more;
  std::string left;  // not consumed

 private:
  ServerSettings settings_;
  mail::IdSequence ids_;
  ServerSession session_;
};

inline std::string codes_of(std::string_view output) {
  std::string codes;
  while (!output.empty()) {
    const std::string_view line = output.substr(0, output.find("\r\n"));
    if (line.size() > 3 && line[3] == ' ') {
      codes += (codes.empty() ? "" : " ") + std::string(line.substr(0, 3));
    }
    EXPECT_GE(output.size(), line.size() + 2) << output;
    output.remove_prefix(line.size() + 2);
  }
  return codes;
}

inline std::string codes_for(std::string_view input, bool may_relay = true) {
  Fixture fixture(small_settings(), may_relay);
  fixture.feed_all(input);
  return codes_of(fixture.output).substr(4);  // without the greeting's
}

}  // namespace ringpost::smtp
