// Clients that come through a proxy: who they are is what the header says, from proxies that may
// say so, in time, however the bytes are cut.
#include <gtest/gtest.h>

#include <string>

#include "ringpost/net/socket.h"
#include "sim/mail_world.h"

namespace ringpost::listener {
namespace {

using ring::Task;
using sim::MailWorld;

constexpr const char* proxies = "listener.proxy_networks=[\"10.9.0.0/16\"]";

// Says the header, a while later the rest, and listens until the end.
class ProxiedClient {
 public:
  ProxiedClient(MailWorld& world, const std::string& proxy)
      : world_(world),
        host_(world.world.add_host("proxy", {sim::SimWorld::address(proxy)})),
        process_(host_) {}
  ~ProxiedClient() { host_.crash(sim::Crash::killed); }

  void say(std::string header, std::string rest) {
    process_.spawn(converse(std::move(header), std::move(rest)));
  }
  bool finish(Duration longest = 30s) { return process_.finish(longest); }

  std::string heard;
  bool ended = false;  // by the server

 private:
  Task<void> converse(std::string header, std::string rest) {
    ring::Reactor& reactor = process_.reactor;
    const Instant until = reactor.now() + 1min;
    const int fd = co_await net::connect_to(reactor, world_.relay.endpoint(), std::nullopt, until);
    if (fd < 0) {
      co_return;
    }
    net::Stream stream(reactor, fd);
    for (const char octet : header) {
      stream.write(std::string(1, octet));
      co_await reactor.sleep(100us);
    }
    stream.write(std::move(rest));
    while (true) {
      const net::Received received = co_await stream.receive(until);
      ended = received.result() == 0 || received.result() == -ECONNRESET;
      if (received.result() <= 0) {
        break;
      }
      heard += received.bytes();
    }
    co_await stream.close();
  }

  MailWorld& world_;
  sim::SimHost& host_;
  sim::SimProcess process_;
};

const std::string letter =
    "EHLO x\r\nMAIL FROM:<someone@sender.example>\r\nRCPT TO:<a@one.example>\r\nDATA\r\n"
    "Subject: x\r\n\r\nhi\r\n.\r\nQUIT\r\n";

std::string header_for(const std::string& client) {
  return "PROXY TCP4 " + client + " 10.0.0.1 40000 25\r\n";
}

class ProxiedOnSim : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  void start() {
    world_.relay.behind_proxy = true;
    ASSERT_TRUE(world_.relay.start_and_wait());
  }
  std::string hear(const std::string& proxy, const std::string& header, const std::string& rest) {
    ProxiedClient client(world_, proxy);
    client.say(header, rest);
    EXPECT_TRUE(client.finish());
    EXPECT_TRUE(client.ended);
    return client.heard;
  }

  MailWorld world_{GetParam(), 1, {proxies, "listener.max_connections_per_client=1"}};
  sim::MailServer& site_ = world_.add_site("one.example");
};

TEST_P(ProxiedOnSim, TheHeaderNamesTheClient) {
  start();
  const std::string heard = hear("10.9.0.1", header_for("10.5.6.7"), letter);
  EXPECT_TRUE(heard.starts_with("220 ")) << heard;
  EXPECT_NE(heard.find("250 2.0.0 Ok: queued"), std::string::npos) << heard;
  ASSERT_TRUE(world_.settle(10min));
  ASSERT_EQ(site_.taken.size(), 1U);
  EXPECT_NE(site_.taken.front().content.find("([10.5.6.7])"), std::string::npos)
      << site_.taken.front().content;
  EXPECT_TRUE(world_.relay.drain());
}

TEST_P(ProxiedOnSim, RelayingAndLimitsGoByTheClient) {
  start();
  const std::string stranger = hear("10.9.0.1", header_for("192.0.2.1"), letter);
  EXPECT_NE(stranger.find("550 5.7.1"), std::string::npos) << stranger;
  // Whom the proxy does not know may do nothing that the proxy may.
  const std::string unknown = hear("10.9.0.1", "PROXY UNKNOWN\r\n", letter);
  EXPECT_NE(unknown.find("550 5.7.1"), std::string::npos) << unknown;
  ProxiedClient first(world_, "10.9.0.1");
  first.say(header_for("10.5.6.7"), "EHLO x\r\n");
  world_.world.run_for(1s);
  const std::string second = hear("10.9.0.2", header_for("10.5.6.7"), "");
  EXPECT_TRUE(second.starts_with("421 4.7.0")) << second;
  const std::string other = hear("10.9.0.1", header_for("10.5.6.8"), "QUIT\r\n");
  EXPECT_TRUE(other.starts_with("220 ")) << other;
  EXPECT_TRUE(world_.relay.drain());
}

TEST_P(ProxiedOnSim, WhoMayNotOrDoesNotSayItIsClosedWithoutAWord) {
  start();
  EXPECT_EQ(hear("10.8.0.1", header_for("10.5.6.7"), letter), "") << "no proxy of ours";
  EXPECT_EQ(hear("10.9.0.1", "", letter), "") << "no header";
  EXPECT_EQ(hear("10.9.0.1", "PROXY TCP4 10.5.6.7\r\n", letter), "") << "half of one";
  const Instant before = world_.world.clock().now();
  EXPECT_EQ(hear("10.9.0.1", "PROXY TCP4 ", ""), "") << "the rest never comes";
  EXPECT_LT(world_.world.clock().now() - before, 12s);
  EXPECT_TRUE(world_.relay.drain());
  EXPECT_EQ(world_.relay.host().descriptors_open(), 0);
}

TEST_P(ProxiedOnSim, GoingDownWaitsForNoHeader) {
  start();
  ProxiedClient client(world_, "10.9.0.1");
  client.say("PROXY", "");
  world_.world.run_for(1s);
  const Instant before = world_.world.clock().now();
  EXPECT_TRUE(world_.relay.drain());
  EXPECT_LT(world_.world.clock().now() - before, 2s);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ProxiedOnSim, ::testing::Range<std::uint64_t>(0, 5));

}  // namespace
}  // namespace ringpost::listener
