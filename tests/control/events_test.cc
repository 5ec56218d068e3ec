// `ringpost events`: filters, and a log that is rotated under the reader's eyes.
#include "events.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace ringpost::tool {
namespace {

std::string line(const std::string& event, const std::string& recipient) {
  return R"({"time":"2026-01-31T12:00:00.000Z","event":")" + event +
         R"(","id":"0001","recipient":")" + recipient +
         R"(","group":"bulk","destination":"mx.example","job":"spring"})";
}

TEST(EventFilter, FitsWhatFitsAll) {
  const std::string delivered = line("delivered", "Ann@Example.com");
  EXPECT_TRUE(fits({}, delivered));
  EXPECT_TRUE(
      fits({.events = {"bounced", "delivered"}, .recipient = "ann@example.com"}, delivered));
  EXPECT_TRUE(fits({.group = "bulk", .destination = "MX.example", .job = "spring"}, delivered));
  EXPECT_TRUE(fits({.recipient = "@example.COM"}, delivered));
  EXPECT_FALSE(fits({.events = {"bounced"}}, delivered));
  EXPECT_FALSE(fits({.group = "bulk", .job = "autumn"}, delivered));
  EXPECT_FALSE(fits({.recipient = "@xample.com"}, delivered));
  EXPECT_FALSE(fits({.id = "0002"}, delivered));
  EXPECT_FALSE(fits({}, "torn by a ki"));
  EXPECT_FALSE(fits({.recipient = "@a.example"}, R"({"event":"deferred","recipient":null})"));
}

class EventLog : public testing::Test {
 protected:
  EventLog() { std::filesystem::create_directories(directory_); }
  ~EventLog() override { std::filesystem::remove_all(directory_); }

  void append(const std::string& text) { std::ofstream(path_, std::ios::app) << text; }
  // Follows the log while `steps` are done, one between two looks at it.
  std::string follow(std::vector<std::function<void()>> steps) {
    std::ostringstream out;
    std::ostringstream error;
    std::size_t next = 0;
    const auto go_on = [&] {
      if (next == steps.size()) {
        return false;
      }
      steps[next++]();
      return true;
    };
    EXPECT_EQ(print_events({.log = path_, .follow = true, .filter = {.events = {"delivered"}}}, out,
                           error, go_on),
              0)
        << error.str();
    return out.str();
  }

  std::string directory_ = "/tmp/ringpost-events-" + std::to_string(getpid());
  std::string path_ = directory_ + "/events.log";
};

TEST_F(EventLog, IsPrintedToItsEnd) {
  append(line("delivered", "a@b") + "\n" + line("bounced", "a@b") + "\n" + "{\"torn");
  std::ostringstream out;
  EXPECT_EQ(print_events({.log = path_}, out, out, {}), 0);
  EXPECT_EQ(out.str(), line("delivered", "a@b") + "\n" + line("bounced", "a@b") + "\n");
  EXPECT_EQ(print_events({.log = path_ + ".none"}, out, out, {}), 1);
}

TEST_F(EventLog, IsFollowedThroughRotationAndTornLines) {
  append(line("delivered", "before@x") + "\n");
  const std::string torn = line("delivered", "c@x");
  std::vector<std::function<void()>> steps = {
      [&] { append(line("delivered", "a@x") + "\n" + line("bounced", "b@x") + "\n"); },
      [&] { append(torn.substr(0, 20)); },
      [&] { append(torn.substr(20) + "\n"); },
      [&] {
        std::filesystem::rename(path_, path_ + ".1");
        // The daemon goes on in the old file until it has been told.
        std::ofstream(path_ + ".1", std::ios::app) << line("delivered", "d@x") << "\n";
      },
      [&] { append(line("delivered", "e@x") + "\n"); },
      [&] {
        // One shard has not been told yet.
        std::ofstream(path_ + ".1", std::ios::app) << line("delivered", "late@x") << "\n";
      },
      [&] { append(line("delivered", "f@x") + "\n"); },
  };
  steps.insert(steps.end(), 15, [] {});  // until the old file is given up
  steps.emplace_back([&] { std::filesystem::resize_file(path_, 0); });
  steps.emplace_back([&] { append(line("delivered", "g@x") + "\n"); });
  steps.emplace_back([] {});
  const std::string out = follow(steps);
  std::string wanted;
  for (const char* recipient : {"a@x", "c@x", "d@x", "late@x", "e@x", "f@x", "g@x"}) {
    wanted += line("delivered", recipient) + "\n";
  }
  EXPECT_EQ(out, wanted);
}

}  // namespace
}  // namespace ringpost::tool
