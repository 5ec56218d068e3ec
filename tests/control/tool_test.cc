// The command-line tool against a daemon that says what the test wants: exit codes, what stands on
// which stream, what is asked.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "command_line.h"
#include "ringpost/base/check.h"
#include "ringpost/control/answers.h"
#include "ringpost/control/client.h"
#include "ringpost/control/http.h"
#include "run.h"

namespace ringpost::tool {
namespace {

// A folder of its own, removed with all that is in it.
class Folder {
 public:
  Folder() {
    std::string pattern = testing::TempDir() + "ringpost-tool-XXXXXX";
    check(mkdtemp(pattern.data()) != nullptr, "a temporary folder");
    path_ = pattern;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    unlink(socket().c_str());
    rmdir(path_.c_str());
  }
  [[nodiscard]] std::string socket() const { return path_ + "/control.socket"; }

 private:
  std::string path_;
};

// Takes one connection, reads one request, sends `answer` as it is and closes.
class Daemon {
 public:
  explicit Daemon(std::string answer)
      : listener_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)), answer_(std::move(answer)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = folder_.socket();
    std::memcpy(address.sun_path, path.data(), path.size());
    check(bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0,
          "bind");
    check(listen(listener_, 1) == 0, "listen");
    thread_ = std::thread([this] { serve(); });
  }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;
  ~Daemon() {
    if (thread_.joinable()) {
      thread_.join();
    }
    close(listener_);
  }

  [[nodiscard]] std::string path() const { return folder_.socket(); }
  // After the tool has run.
  std::string target() {
    thread_.join();
    return request_.target();
  }

 private:
  void serve() {
    const int connection = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    char block[4096];
    while (request_.state() == control::ReadState::need_more) {
      const ssize_t count = recv(connection, block, sizeof(block), 0);
      if (count <= 0) {
        break;
      }
      request_.feed({block, static_cast<std::size_t>(count)});
    }
    for (std::string_view rest = answer_; !rest.empty();) {
      const ssize_t sent = send(connection, rest.data(), rest.size(), MSG_NOSIGNAL);
      if (sent <= 0) {
        break;
      }
      rest.remove_prefix(static_cast<std::size_t>(sent));
    }
    close(connection);
  }

  Folder folder_;
  int listener_;
  std::string answer_;
  control::RequestReader request_;
  std::thread thread_;
};

std::string json_answer(const std::string& json, int status = 200) {
  return control::format_response(status, "application/json", json);
}

struct Ran {
  int exit_code;
  std::string out;
  std::string error;
};

Ran run_with(const std::vector<std::string>& arguments) {
  std::ostringstream out;
  std::ostringstream error;
  const int exit_code = run(arguments, out, error);
  return {exit_code, out.str(), error.str()};
}

Ran ask(const Daemon& daemon, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"--socket", daemon.path()});
  return run_with(arguments);
}

control::Status some_status() {
  control::Status status{"0.1.0", 7, false, 3'661'000, {}};
  control::ShardStatus shard;
  shard.shard = 0;
  shard.messages_queued = 12;
  shard.delivered_total = 50'000;
  shard.spool_live_bytes = 3ULL << 19;
  status.shards.push_back(shard);
  return status;
}

TEST(Tool, ShowsTheStatusToPeople) {
  Daemon daemon(json_answer(to_json(some_status())));
  const Ran ran = ask(daemon, {"status"});
  EXPECT_EQ(ran.exit_code, 0);
  EXPECT_EQ(ran.error, "");
  EXPECT_EQ(ran.out,
            "ringpost 0.1.0, pid 7, ready, up 1h1m1s\n\n"
            "Now\n"
            "shard  messages  ready  deferred  held  in flight  open  idle  spool used  free\n"
            "    0        12      0         0     0          0     0     0        1.5M     0\n"
            "  all        12      0         0     0          0     0     0        1.5M     0\n\n"
            "Since the start\n"
            "shard  accepted  delivered  deferred  bounced  expired  in doubt  quarantined\n"
            "    0         0      50000         0        0        0         0            0\n"
            "  all         0      50000         0        0        0         0            0\n");
  EXPECT_EQ(daemon.target(), "/status");
}

TEST(Tool, PassesJsonOnAsOneLine) {
  const std::string json = to_json(some_status());
  Daemon daemon(json_answer(json + "\n\n"));
  const Ran ran = ask(daemon, {"status", "--json"});
  EXPECT_EQ(ran.exit_code, 0);
  EXPECT_EQ(ran.out, json + "\n");
  EXPECT_EQ(ran.error, "");
}

TEST(Tool, ShowsTheQueue) {
  control::QueueLine line;
  line.destination = "example.com";
  line.group = "default-0";
  line.deferred = 3;
  line.next_attempt = WallTime(std::chrono::milliseconds(1'769'860'800'500));
  line.last_error = control::LastError{*line.next_attempt, "4.2.1", "421 \x1b[2Jbusy"};
  Daemon daemon(json_answer(to_json(control::Queue{{line}, true})));
  const Ran ran = ask(daemon, {"queue", "--group", "default-0", "--limit", "1"});
  EXPECT_EQ(ran.exit_code, 0);
  EXPECT_EQ(ran.out,
            "destination  group      shard  ready  deferred  held  in flight  open  idle  oldest  "
            "next attempt         last error\n"
            "example.com  default-0      0      0         3     0          0     0     0  -       "
            "2026-01-31 12:00:00  2026-01-31 12:00:00  421 ?[2Jbusy\n"
            "There are more; raise --limit.\n");
  EXPECT_EQ(daemon.target(), "/queue?limit=1&group=default-0");
}

TEST(Tool, ShowsAnEmptyQueue) {
  Daemon daemon(json_answer(to_json(control::Queue{})));
  EXPECT_EQ(ask(daemon, {"queue"}).out, "Nothing is queued.\n");
}

TEST(Tool, ShowsGroups) {
  Daemon daemon(json_answer(
      to_json(control::Groups{{control::GroupLine{"bulk", 1, 100, 7, 1, 2, 3, 4, 500, 8}}})));
  const Ran ran = ask(daemon, {"group", "list"});
  EXPECT_EQ(ran.exit_code, 0);
  EXPECT_EQ(ran.out,
            "group  shard  runners  busy  ready  deferred  held  in flight  delivered  connections"
            "  each  held by\n"
            "bulk       1      100     7      1         2     3          4        500            8"
            "  62.5  -\n");
  EXPECT_EQ(daemon.target(), "/groups");
}

TEST(Tool, Explains) {
  control::Explanation explanation;
  explanation.address = "a+b@example.com";
  explanation.matched_kind = "exact";
  explanation.matched_pattern = "example.com";
  explanation.matched_set_at = "ringpost.toml:7";
  explanation.group = "bulk";
  explanation.destination = "example.com\n\x1b";
  explanation.via = "dns";
  explanation.mx = {{"mx.example.com", 10, {"192.0.2.1", "2001:db8::1"}, "up", std::nullopt}};
  explanation.limits = {{"runners", 100, 7, "default"}};
  Daemon daemon(json_answer(to_json(explanation)));
  const Ran ran = ask(daemon, {"explain", "a+b@example.com"});
  EXPECT_EQ(ran.exit_code, 0);
  EXPECT_TRUE(
      ran.out.starts_with("a+b@example.com\n"
                          "  matched      exact example.com (ringpost.toml:7)\n"
                          "  group        bulk, shard 0\n"))
      << ran.out;
  EXPECT_TRUE(
      ran.out.ends_with("  held up by   nothing\n"
                        "\n"
                        "mail server     preference  state  until  addresses\n"
                        "mx.example.com          10  up     -      192.0.2.1 2001:db8::1\n"
                        "\n"
                        "limit    value  used  set at\n"
                        "runners    100     7  default\n"))
      << ran.out;
  EXPECT_EQ(ran.out.find('\x1b'), std::string::npos);
  EXPECT_EQ(daemon.target(), "/explain?address=a+b@example.com");
}

TEST(Tool, ShowsAMessage) {
  control::MessageView message;
  message.id = "0001o3g2s0000";
  message.size = 5120;
  message.recipients.push_back({"a@b.example", 1, "bulk", 0, "", "ready", 0, {}, {}});
  Daemon daemon(json_answer(to_json(message)));
  const Ran ran = ask(daemon, {"show", "0001o3g2s0000"});
  EXPECT_EQ(ran.exit_code, 0);
  EXPECT_NE(ran.out.find("from     <>\n"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("size     5.0K\n"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("a@b.example     1  bulk       0  -"), std::string::npos) << ran.out;
  EXPECT_EQ(daemon.target(), "/messages/0001o3g2s0000");
}

TEST(Tool, IsReadableWithADaemonOfAnotherVersion) {
  for (const char* json : {"{}", R"({"shards":7,"totals":[],"uptime_ms":"x"})",
                           R"({"shards":[null,"x",{}],"totals":null})"}) {
    Daemon daemon(json_answer(json));
    EXPECT_EQ(ask(daemon, {"status"}).exit_code, 0) << json;
  }
}

TEST(Tool, ExitsWith1WhatTheDaemonRefuses) {
  const std::string refusal =
      to_json(control::Refusal{404, "not_found", "there is no such message", "look at the log"});
  {
    Daemon daemon(json_answer(refusal, 404));
    const Ran ran = ask(daemon, {"show", "0001o3g2s0000"});
    EXPECT_EQ(ran.exit_code, 1);
    EXPECT_EQ(ran.out, "");
    EXPECT_EQ(ran.error, "ringpost: there is no such message\n  look at the log\n");
  }
  Daemon daemon(json_answer(refusal, 404));
  const Ran ran = ask(daemon, {"show", "0001o3g2s0000", "--json"});
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_EQ(ran.out, refusal + "\n");
  EXPECT_EQ(ran.error, "");
}

TEST(Tool, ExitsWith1WhenTheAnswerIsNone) {
  for (const std::string& answer :
       {std::string(), std::string("HTTP/1.1 200 OK\r\nContent-Le"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}"),
        std::string("HTTP/1.1 200 OK\r\n\r\n{}"), std::string("220 mail.example ESMTP\r\n\r\n"),
        json_answer("not json"), json_answer("[]"), json_answer("{}", 500),
        json_answer("{\"a\":")}) {
    Daemon daemon(answer);
    const Ran ran = ask(daemon, {"status"});
    EXPECT_EQ(ran.exit_code, 1) << answer;
    EXPECT_EQ(ran.out, "") << answer;
    EXPECT_TRUE(ran.error.starts_with("ringpost: ")) << answer;
  }
}

TEST(Tool, ExitsWith2OnBadUsage) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{},
                                                    {"bogus"},
                                                    {"group"},
                                                    {"group", "bogus"},
                                                    {"explain"},
                                                    {"show"},
                                                    {"queue", "--limit", "0"},
                                                    {"queue", "--limit", "x"},
                                                    {"status", "--bogus"},
                                                    {"status", "extra"},
                                                    {"--socket"}}) {
    const Ran ran = run_with(arguments);
    EXPECT_EQ(ran.exit_code, 2) << testing::PrintToString(arguments);
    EXPECT_EQ(ran.out, "");
    EXPECT_TRUE(ran.error.starts_with("ringpost: ")) << ran.error;
  }
  EXPECT_EQ(run_with({"bogus"}).error,
            "ringpost: unknown command 'bogus'\n  see ringpost --help\n");
  const Ran ran = run_with({"bogus", "--json"});
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_EQ(ran.out,
            "{\"error\":{\"code\":\"usage\",\"message\":\"unknown command 'bogus'\","
            "\"remedy\":\"see ringpost --help\"}}\n");
  EXPECT_EQ(ran.error, "");
}

TEST(Tool, ExitsWith3WithoutADaemon) {
  const Folder folder;
  const Ran ran = run_with({"--socket", folder.socket(), "status"});
  EXPECT_EQ(ran.exit_code, 3);
  EXPECT_EQ(ran.out, "");
  EXPECT_NE(ran.error.find(folder.socket()), std::string::npos);
  EXPECT_NE(ran.error.find("start ringpostd"), std::string::npos);

  // A socket that a dead daemon left behind.
  {
    const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = folder.socket();
    std::memcpy(address.sun_path, path.data(), path.size());
    ASSERT_EQ(bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    close(listener);
  }
  const Ran json = run_with({"--socket", folder.socket(), "--json", "status"});
  EXPECT_EQ(json.exit_code, 3);
  EXPECT_TRUE(json.out.starts_with("{\"error\":{\"code\":\"no_daemon\",")) << json.out;
  EXPECT_EQ(json.error, "");
}

TEST(Tool, APathThatIsTooLongIsNoDaemonToWaitFor) {
  EXPECT_EQ(run_with({"--socket", "/" + std::string(200, 'x'), "status"}).exit_code, 1);
}

TEST(Tool, HelpIsNoError) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"--help"},
                                                    {"queue", "--help"},
                                                    {"group", "list", "-h"},
                                                    {"explain", "--help"},
                                                    {"show", "--help"},
                                                    {"status", "--help"}}) {
    const Ran ran = run_with(arguments);
    EXPECT_EQ(ran.exit_code, 0);
    EXPECT_NE(ran.out.find("Examples:\n  ringpost"), std::string::npos) << ran.out;
    EXPECT_EQ(ran.error, "");
  }
  EXPECT_TRUE(run_with({"--version"}).out.starts_with("ringpost "));
}

TEST(CommandLine, TheSocketComesFromOptionThenEnvironmentThenDefault) {
  const auto socket_of = [](const std::vector<std::string>& arguments) {
    const auto invocation = parse_command_line(arguments);
    return invocation ? invocation->socket : "bad usage";
  };
  unsetenv("RINGPOST_SOCKET");
  EXPECT_EQ(socket_of({"status"}), "/var/spool/ringpost/control.socket");
  setenv("RINGPOST_SOCKET", "/from/environment", 1);
  EXPECT_EQ(socket_of({"status"}), "/from/environment");
  EXPECT_EQ(socket_of({"status", "--socket", "/from/option"}), "/from/option");
  unsetenv("RINGPOST_SOCKET");
}

TEST(Client, GivesUpOnADaemonThatSaysNothing) {
  // Connects into the backlog; nobody will ever answer.
  const Folder folder;
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = folder.socket();
  std::memcpy(address.sun_path, path.data(), path.size());
  ASSERT_EQ(bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(listener, 1), 0);
  const auto answer = control::ask(path, control::StatusCommand{}, 10ms);
  close(listener);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, control::AskError::Kind::failed);
  EXPECT_EQ(answer.error().error.message, "the daemon did not answer in time");
}

}  // namespace
}  // namespace ringpost::tool
