// The control server on a real Unix socket: strangers, slow clients, several at once, and what lies
// in the socket's way.
#include "ringpost/control/server.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "ringpost/control/client.h"
#include "ringpost/ring/linux_kernel.h"

namespace ringpost::control {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

// Answers for two shards, at once or when the test says so.
class FakeEverybody final : public Everybody {
 public:
  ring::Task<std::vector<Answer>> ask(Command command) override {
    asked.push_back(command);
    while (silent) {
      co_await speak.wait();
    }
    std::vector<Answer> parts;
    for (std::uint32_t shard = 0; shard < 2; ++shard) {
      ShardStatus status;
      status.shard = shard;
      status.ready = 20 + shard;
      if (std::holds_alternative<StatusCommand>(command)) {
        parts.emplace_back(status);
      } else {
        parts.emplace_back(Refusal(404, "not_found", "nobody knows", ""));
      }
    }
    co_return parts;
  }
  [[nodiscard]] DaemonFacts facts() const override { return {"1.2.3", 42, false, 1000}; }

  std::vector<Command> asked;
  bool silent = false;
  ring::Event speak;
};

// A client in the server's own thread: it never waits, the test turns the reactor meanwhile.
class Client {
 public:
  explicit Client(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
    ::fcntl(fd_, F_SETFL, O_NONBLOCK);
  }
  Client(Client&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~Client() { leave(); }

  [[nodiscard]] bool connected() const { return connected_; }
  void say(std::string_view text) {
    EXPECT_EQ(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  // True once the server has closed the connection.
  bool listen() {
    std::array<char, 4096> buffer{};
    ssize_t got = 0;
    while ((got = ::recv(fd_, buffer.data(), buffer.size(), 0)) > 0) {
      heard_.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return got == 0 || errno == ECONNRESET;
  }
  [[nodiscard]] const std::string& heard() const { return heard_; }
  void leave() {
    if (fd_ >= 0) {
      ::close(std::exchange(fd_, -1));
    }
  }

 private:
  int fd_;
  bool connected_ = false;
  std::string heard_;
};

class ServerTest : public testing::Test {
 protected:
  ServerTest()
      : directory_("/tmp/ringpost-control-XXXXXX"),
        kernel_(ring::LinuxKernel::create({.submission_entries = 64, .completion_entries = 512})),
        reactor_(**kernel_, {.receive_buffers = 128, .receive_buffer_size = 512}) {
    EXPECT_NE(::mkdtemp(directory_.data()), nullptr);
    EXPECT_TRUE(reactor_.start());
    path_ = directory_ + "/control.socket";
  }
  ~ServerTest() override {
    if (server_) {
      stop();
    }
    std::filesystem::remove_all(directory_);
  }

  ring::Task<void> start_one(Server& server, Result<>& result) { result = co_await server.start(); }
  Result<> start(Server& server) {
    Result<> result;
    reactor_.run(start_one(server, result));
    return result;
  }
  Server& serve(Duration timeout = 60s) {
    server_ = std::make_unique<Server>(reactor_, path_, everybody_, timeout);
    EXPECT_TRUE(start(*server_));
    return *server_;
  }
  void stop() {
    reactor_.run(server_->close());
    server_.reset();
  }
  template <class Condition>
  void turn_until(Condition reached) {
    const Instant deadline = kernel_->get()->clocks().monotonic + 20s;
    while (!reached()) {
      reactor_.turn(1ms);
      ASSERT_LT(kernel_->get()->clocks().monotonic, deadline);
    }
  }
  std::string answer_to(std::string_view request) {
    Client client(path_);
    client.say(request);
    turn_until([&] { return client.listen(); });
    return client.heard();
  }

  std::string directory_;
  std::string path_;
  Result<std::unique_ptr<ring::LinuxKernel>> kernel_;
  ring::Reactor reactor_;
  FakeEverybody everybody_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, TheToolsClientGetsTheWholeAnswer) {
  serve();
  std::expected<Reply, AskError> reply;
  std::atomic<bool> done = false;
  std::thread tool([&] {
    reply = ask(path_, StatusCommand(), 10s);
    done = true;
  });
  turn_until([&] { return done.load(); });
  tool.join();
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->http_status, 200);
  EXPECT_THAT(reply->body, StartsWith(R"({"version":"1.2.3","pid":42,"state":"ready")"));
  EXPECT_THAT(reply->body, HasSubstr(R"("totals":{"shard":null,"messages_queued":0,"ready":41)"));
  EXPECT_THAT(reply->body, EndsWith("}\n"));
}

TEST_F(ServerTest, TheCommandReachesEverybodyAsItWasWritten) {
  serve();
  answer_to(format_request("GET", target_of(ExplainCommand{"a+b@example.com"})));
  ASSERT_EQ(everybody_.asked.size(), 1U);
  EXPECT_EQ(everybody_.asked[0], Command(ExplainCommand{"a+b@example.com"}));
}

TEST_F(ServerTest, WhatNoShardKnowsIsNotFound) {
  serve();
  const std::string answer = answer_to("GET /explain?address=x.example HTTP/1.1\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(answer, HasSubstr(R"({"error":{"code":"not_found","message":"nobody knows")"));
}

TEST_F(ServerTest, NobodyIsAskedForWhatIsNoRequest) {
  serve();
  for (const auto& [request, status] : std::initializer_list<std::pair<std::string, std::string>>{
           {"EHLO there\r\n\r\n", "400"},
           {"GET /status HTTP/1.1\n\n" + std::string(max_head_bytes, 'x'), "431"},
           {"GET /status HTTP/1.1\r\nA: b\x01\r\n\r\n", "400"},
           {"GET /status HTTP/2.0\r\n\r\n", "505"},
           {"DELETE /status HTTP/1.1\r\n\r\n", "501"},
           {"POST /status HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "405"},
           {"POST /status HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", "413"},
           {"GET /nothing HTTP/1.1\r\n\r\n", "404"},
           {"GET /queue?limit=0 HTTP/1.1\r\n\r\n", "400"},
           {"GET /explain?address=a%0d%0ab HTTP/1.1\r\n\r\n", "400"}}) {
    const std::string answer = answer_to(request);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 " + status + " ")) << request;
    EXPECT_THAT(answer, HasSubstr(R"({"error":{"code":)")) << request;
  }
  EXPECT_THAT(everybody_.asked, IsEmpty());
}

TEST_F(ServerTest, ARequestMayComeByteByByte) {
  serve();
  Client client(path_);
  for (const char c : format_request("GET", "/status")) {
    client.say(std::string_view(&c, 1));
    reactor_.turn(0ms);
  }
  turn_until([&] { return client.listen(); });
  EXPECT_THAT(client.heard(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ServerTest, ASlowClientIsToldAndDropped) {
  serve(50ms);
  Client silent(path_);
  Client slow(path_);
  slow.say("GET /sta");
  turn_until([&] { return silent.listen(); });
  turn_until([&] { return slow.listen(); });
  EXPECT_THAT(slow.heard(), StartsWith("HTTP/1.1 408 "));
  EXPECT_THAT(everybody_.asked, IsEmpty());
  EXPECT_EQ(server_->connections(), 0U);
}

TEST_F(ServerTest, AClientThatLeavesLeavesNothingBehind) {
  serve();
  Client client(path_);
  client.say("GET /status HTTP/1.1\r\n");
  turn_until([&] { return server_->connections() == 1; });
  client.leave();
  turn_until([&] { return server_->connections() == 0; });

  everybody_.silent = true;
  Client impatient(path_);
  impatient.say(format_request("GET", "/status"));
  turn_until([&] { return everybody_.asked.size() == 1; });
  impatient.leave();
  everybody_.silent = false;
  everybody_.speak.notify_all();
  turn_until([&] { return server_->connections() == 0; });
}

TEST_F(ServerTest, OneRequestDoesNotWaitForAnother) {
  serve();
  everybody_.silent = true;
  Client first(path_);
  first.say(format_request("GET", "/status"));
  turn_until([&] { return everybody_.asked.size() == 1; });
  Client second(path_);
  second.say(format_request("GET", "/groups"));
  turn_until([&] { return everybody_.asked.size() == 2; });
  // Nor does a refusal.
  EXPECT_THAT(answer_to("GET /nothing HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 404 "));
  EXPECT_FALSE(first.listen());
  everybody_.silent = false;
  everybody_.speak.notify_all();
  turn_until([&] { return first.listen() && second.listen(); });
  EXPECT_THAT(first.heard(), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(second.heard(), StartsWith("HTTP/1.1 404 "));
}

TEST_F(ServerTest, MoreClientsThanItServesWaitForTheirTurn) {
  serve();
  std::deque<Client> clients;
  while (clients.size() < Server::max_connections + 3) {
    clients.emplace_back(path_);
  }
  turn_until([&] { return server_->connections() == Server::max_connections; });
  for (int turns = 0; turns < 20; ++turns) {
    reactor_.turn(1ms);
  }
  EXPECT_EQ(server_->connections(), Server::max_connections);
  clients.back().say(format_request("GET", "/status"));
  for (int leaving = 0; leaving < 3; ++leaving) {
    clients.pop_front();
  }
  turn_until([&] { return clients.back().listen(); });
  EXPECT_THAT(clients.back().heard(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ServerTest, ClosingAnswersWhatWasAskedAndBreaksOffTheRest) {
  serve();
  everybody_.silent = true;
  Client asked(path_);
  asked.say(format_request("GET", "/status"));
  Client half(path_);
  half.say("GET /sta");
  turn_until([&] { return everybody_.asked.size() == 1 && server_->connections() == 2; });
  ring::Gate gate(reactor_.ready());
  gate.spawn(server_->close());
  turn_until([&] { return half.listen(); });
  EXPECT_THAT(half.heard(), IsEmpty());
  EXPECT_FALSE(asked.listen());
  everybody_.silent = false;
  everybody_.speak.notify_all();
  turn_until([&] { return gate.running() == 0; });
  EXPECT_TRUE(asked.listen());
  EXPECT_THAT(asked.heard(), StartsWith("HTTP/1.1 200 "));
  EXPECT_FALSE(std::filesystem::exists(path_));
  server_.reset();
}

TEST_F(ServerTest, OwnerAndGroupMayAskNobodyElse) {
  serve();
  struct stat status{};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0660U);
}

TEST_F(ServerTest, ASocketThatADaemonLeftBehindIsReplaced) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path_.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ::close(fd);
  serve();
  EXPECT_THAT(answer_to(format_request("GET", "/status")), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ServerTest, ALiveDaemonsSocketIsNotTaken) {
  serve();
  Server second(reactor_, path_, everybody_, 60s);
  const Result<> started = start(second);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().system_errno, EADDRINUSE);
  EXPECT_THAT(started.error().remedy, HasSubstr("control.socket"));
  EXPECT_THAT(answer_to(format_request("GET", "/status")), StartsWith("HTTP/1.1 200 "));
  reactor_.run(second.close());
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(ServerTest, WhatIsNoSocketIsNotRemoved) {
  const int fd = ::open(path_.c_str(), O_CREAT | O_WRONLY, 0600);
  ASSERT_GE(fd, 0);
  ::close(fd);
  Server server(reactor_, path_, everybody_, 60s);
  EXPECT_FALSE(start(server));
  EXPECT_TRUE(std::filesystem::is_regular_file(path_));
}

TEST_F(ServerTest, APathThatNoSocketCanHaveIsAnError) {
  Server server(reactor_, directory_ + "/" + std::string(120, 'x'), everybody_, 60s);
  const Result<> started = start(server);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().system_errno, ENAMETOOLONG);
}

}  // namespace
}  // namespace ringpost::control
