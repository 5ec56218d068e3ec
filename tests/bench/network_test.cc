// The harness over real sockets: source to sink, a sink that goes away and comes back, the name
// server as the resolver's own parser sees it, child processes.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>
#include <thread>

#include "harness/child_process.h"
#include "harness/name_server.h"
#include "harness/process_tree.h"
#include "harness/sink.h"
#include "harness/source.h"
#include "ringpost/dns/message.h"

namespace ringpost::bench {
namespace {

ring::Task<void> sink_body(ring::Reactor& reactor, StopSignal& stop, SinkSettings settings, int fd,
                           Arrivals& arrivals) {
  Sink sink(reactor, stop, settings, arrivals);
  co_await sink.run(fd);
}

ring::Task<void> source_body(ring::Reactor& reactor, StopSignal& stop, SourceSettings settings,
                             MessageMaker& maker, Workload& workload) {
  Source source(reactor, stop, settings, maker, workload);
  co_await source.run();
}

const Endpoint any_port{IpAddress::loopback(IpAddress::Family::v4), 0};

// A sink on its thread, with its book.
struct RunningSink {
  explicit RunningSink(const Endpoint& listen, Duration delay = {}) {
    const Result<int> fd = open_sink_listener(listen, endpoint);
    EXPECT_TRUE(fd) << fd.error().describe();
    const SinkSettings settings{.delay = delay};
    const Result<> started =
        thread.start({.receive_buffers = 16, .receive_buffer_size = 1024},
                     [this, settings, fd = *fd](ring::Reactor& reactor, StopSignal& stop) {
                       return sink_body(reactor, stop, settings, fd, arrivals);
                     });
    EXPECT_TRUE(started);
    endpoint.address = IpAddress::loopback(IpAddress::Family::v4);
  }
  void stop() {
    thread.stop();
    thread.join();
  }

  Arrivals arrivals{Ledger()};
  Endpoint endpoint;
  RingThread thread;
};

struct RunningSource {
  RunningSource(const SourceSettings& settings, std::uint64_t messages)
      : maker(*MessageMaker::create(3000, 1)),
        workload({.run = 5, .messages = messages, .recipients = 1}, Domains::long_tailed(20, 1),
                 Ledger()) {
    const Result<> started =
        thread.start({.receive_buffers = 16, .receive_buffer_size = 1024},
                     [this, settings](ring::Reactor& reactor, StopSignal& stop) {
                       return source_body(reactor, stop, settings, maker, workload);
                     });
    EXPECT_TRUE(started);
  }

  MessageMaker maker;
  Workload workload;
  RingThread thread;
};

TEST(Harness, WhatTheSourceCountsTheSinkCountsToo) {
  RunningSink sink(any_port);
  RunningSource source({.to = sink.endpoint, .connections = 7}, 2'000);
  source.thread.join();
  sink.stop();
  EXPECT_EQ(source.workload.counters().acknowledged.value(), 2'000U);
  EXPECT_EQ(source.workload.counters().connections.value(), 7U);
  const Arrivals::Counters& counters = sink.arrivals.counters();
  EXPECT_EQ(counters.messages.value(), 2'000U);
  EXPECT_EQ(counters.recipients.value(), 2'000U);
  EXPECT_EQ(counters.duplicates.value() + counters.corrupt.value(), 0U);
  EXPECT_EQ(counters.connections.value(), 7U);
  EXPECT_EQ(counters.bytes.value(), 2'000U * 3'000);
  EXPECT_GT(sink.thread.cpu_time() + source.thread.cpu_time(), Duration::zero());
}

TEST(Harness, ADelayedSinkAnswersInOrder) {
  RunningSink sink(any_port, 2ms);
  RunningSource source({.to = sink.endpoint, .connections = 3}, 30);
  source.thread.join();
  sink.stop();
  EXPECT_EQ(source.workload.counters().acknowledged.value(), 30U);
  EXPECT_EQ(sink.arrivals.counters().recipients.value(), 30U);
}

TEST(Harness, WhenTheSinkDiesNothingAcknowledgedIsLostAndTheRestIsSentAgain) {
  constexpr std::uint64_t messages = 20'000;
  RunningSink first(any_port);
  RunningSource source({.to = first.endpoint, .connections = 5, .reconnect = 30s}, messages);
  while (first.arrivals.counters().messages.value() < 100) {
    std::this_thread::yield();
  }
  first.stop();
  RunningSink second(first.endpoint);
  source.thread.join();
  second.stop();
  EXPECT_EQ(source.workload.counters().acknowledged.value(), messages);
  const std::vector<std::uint8_t>& before = first.arrivals.seen(5);
  const std::vector<std::uint8_t>& behind = second.arrivals.seen(5);
  std::uint64_t missing = 0;
  for (std::size_t serial = 0; serial < messages; ++serial) {
    const bool arrived = (serial < before.size() && before[serial] > 0) ||
                         (serial < behind.size() && behind[serial] > 0);
    missing += arrived ? 0 : 1;
  }
  EXPECT_EQ(missing, 0U);
}

TEST(Harness, WithoutReconnectTheLostOnesAreCountedAndTheSourceEnds) {
  RunningSink sink(any_port);
  RunningSource source({.to = sink.endpoint, .connections = 2}, 1'000'000);
  while (sink.arrivals.counters().messages.value() < 10) {
    std::this_thread::yield();
  }
  sink.stop();
  source.thread.join();
  const Workload::Counters& counters = source.workload.counters();
  EXPECT_EQ(counters.connection_losses.value(), 2U);
  EXPECT_GT(counters.unacknowledged.value(), 0U);
  EXPECT_GE(sink.arrivals.counters().recipients.value(), counters.acknowledged.value());
}

TEST(Harness, ASourceThatIsStoppedEnds) {
  RunningSink sink(any_port);
  RunningSource source({.to = sink.endpoint, .connections = 2, .reconnect = 30s}, 10'000'000);
  source.thread.stop();
  source.thread.join();
  sink.stop();
  EXPECT_FALSE(source.workload.finished());
}

dns::Answer ask(const std::string& name, dns::RecordType type, std::uint32_t destinations) {
  const dns::Question question{name, type};
  const std::string query = dns::build_query(question, 77, dns::Edns::yes);
  return dns::parse_answer(answer_query(query, destinations), question, 77);
}

TEST(NameServer, EveryNameHasOneMxHostAndEveryHostOneLoopbackAddress) {
  std::set<std::string> hosts;
  std::set<std::string> addresses;
  for (int i = 0; i < 1'000; ++i) {
    const std::string domain = "d" + std::to_string(i) + ".test";
    const dns::Answer mx = ask(domain, dns::RecordType::mx, 300);
    ASSERT_EQ(mx.status, dns::AnswerStatus::ok);
    ASSERT_EQ(mx.mx.size(), 1U);
    const dns::Answer a = ask(mx.mx[0].exchange, dns::RecordType::a, 300);
    ASSERT_EQ(a.status, dns::AnswerStatus::ok);
    ASSERT_EQ(a.addresses.size(), 1U);
    EXPECT_TRUE(a.addresses[0].is_loopback());
    EXPECT_EQ(a.addresses[0], mail_address_of(domain, 300));
    hosts.insert(mx.mx[0].exchange);
    addresses.insert(a.addresses[0].to_string());
  }
  EXPECT_EQ(hosts.size(), 300U);
  EXPECT_EQ(addresses.size(), 300U);
  EXPECT_FALSE(addresses.contains("127.0.0.1"));
  EXPECT_EQ(ask("elsewhere.example", dns::RecordType::mx, 0).status, dns::AnswerStatus::ok);
  EXPECT_EQ(ask("d1.test", dns::RecordType::aaaa, 0).status, dns::AnswerStatus::no_data);
}

TEST(NameServer, WhatIsNoQueryIsNotAnswered) {
  const std::string query = dns::build_query({"d1.test", dns::RecordType::mx}, 1, dns::Edns::no);
  for (std::size_t length = 0; length < query.size(); ++length) {
    EXPECT_EQ(answer_query(query.substr(0, length), 0), "") << length;
  }
  EXPECT_EQ(answer_query(answer_query(query, 0), 0), "") << "an answer is no query";
}

TEST(NameServer, AnswersOverUdpAndTcp) {
  NameServer server;
  ASSERT_TRUE(server.start(any_port, 0));
  sockaddr_storage address{};
  const socklen_t length = server.endpoint().to_sockaddr(address);
  const dns::Question question{"d1.test", dns::RecordType::mx};
  const std::string query = dns::build_query(question, 9, dns::Edns::no);
  for (const int type : {SOCK_DGRAM, SOCK_STREAM}) {
    const int fd = ::socket(AF_INET, type, 0);
    ASSERT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), length), 0);
    std::string sent = query;
    if (type == SOCK_STREAM) {
      sent.insert(0, {static_cast<char>(query.size() >> 8), static_cast<char>(query.size())});
    }
    ASSERT_EQ(::send(fd, sent.data(), sent.size(), 0), static_cast<ssize_t>(sent.size()));
    char buffer[512];
    const ssize_t got = ::recv(fd, buffer, sizeof(buffer), 0);
    ASSERT_GT(got, 12);
    std::string_view answer(buffer, static_cast<std::size_t>(got));
    if (type == SOCK_STREAM) {
      answer.remove_prefix(2);
    }
    EXPECT_EQ(dns::parse_answer(answer, question, 9).status, dns::AnswerStatus::ok);
    ::close(fd);
  }
  server.stop();
  EXPECT_EQ(server.queries(), 2U);
}

TEST(ChildProcess, ItsLinesAndItsEndAreSeenAndItIsEndedWhenItDoesNotGo) {
  ChildProcess child;
  ASSERT_TRUE(child.start(
      {.command = {"/bin/sh", "-c", "echo one; echo $MARK; exit 3"}, .environment = {"MARK=two"}}));
  EXPECT_EQ(child.read_line(30s), "one");
  EXPECT_EQ(child.read_line(30s), "two");
  EXPECT_EQ(child.read_line(30s), std::nullopt);
  EXPECT_EQ(child.wait(30s), 3);
  ChildProcess deaf;
  ASSERT_TRUE(
      deaf.start({.command = {"/bin/sh", "-c", "trap '' TERM; echo up; while :; do :; done"}}));
  EXPECT_EQ(deaf.read_line(30s), "up");
  EXPECT_TRUE(deaf.running());
  EXPECT_EQ(tree_of(deaf.pid()).size(), 1U);
  EXPECT_GT(pss_of({deaf.pid()}), 0U);
  deaf.end(10ms);
  EXPECT_EQ(deaf.wait(30s), 128 + 9);
  ChildProcess missing;
  EXPECT_FALSE(missing.start({.command = {"/nonexistent"}}));
}

}  // namespace
}  // namespace ringpost::bench
