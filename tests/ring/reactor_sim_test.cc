// The reactor on the simulated kernel, where what is rare in life happens in every other run:
// completions against deadlines, cancels that come too late, no receive buffers, crashes.
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "ringpost/net/socket.h"
#include "ringpost/net/stream.h"
#include "sim/sim_process.h"

namespace ringpost::ring {
namespace {

using sim::SimProcess;
using sim::SimWorld;

const Endpoint service{SimWorld::address("10.0.0.1"), 25};
const IpAddress client_address = SimWorld::address("10.0.0.2");

Task<void> accept_into(Reactor& reactor, std::vector<int>& fds, std::size_t count) {
  const Result<int> listener = net::listen_on(reactor.kernel(), service);
  while (fds.size() < count) {
    const int fd = co_await reactor.accept(*listener);
    fds.push_back(fd);
  }
  reactor.kernel().close(*listener);
}

Task<void> connect_into(Reactor& reactor, std::vector<int>& fds, std::size_t count) {
  co_await reactor.sleep(5ms);
  while (fds.size() < count) {
    const int fd = co_await net::connect_to(reactor, service, std::nullopt, never);
    EXPECT_GE(fd, 0);
    fds.push_back(fd);
  }
}

// A reading reactor under test and a writing one, with streams between them.
struct World {
  World(std::uint64_t seed, std::size_t streams, const ReactorSettings& settings)
      : world(seed),
        reader(world.add_host("reader", {service.address}), settings),
        writer(world.add_host("writer", {client_address})) {
    reader.spawn(accept_into(reader.reactor, here, streams));
    writer.spawn(connect_into(writer.reactor, there, streams));
    EXPECT_TRUE(writer.finish());
    EXPECT_TRUE(reader.finish());
  }
  ~World() {
    for (const int fd : here) {
      reader.kernel.close(fd);
    }
    for (const int fd : there) {
      writer.kernel.close(fd);
    }
    EXPECT_EQ(reader.reactor.operations_in_flight(), 0U);
    EXPECT_EQ(reader.reactor.buffers().outstanding(), 0U);
  }

  SimWorld world;
  SimProcess reader;
  SimProcess writer;
  std::vector<int> here;
  std::vector<int> there;
};

Task<void> write_slowly(Reactor& reactor, Random& random, int fd, std::string text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = 1 + random.below(20);
    std::string piece = text.substr(at, length);
    at += piece.size();
    const int expected = static_cast<int>(piece.size());
    const int sent = co_await reactor.send(fd, std::move(piece));
    EXPECT_EQ(sent, expected);
    co_await reactor.sleep(sim::between(random, 0us, 3ms));
  }
}

// Reads with deadlines of about the time in which data comes.
Task<void> read_impatiently(Reactor& reactor, Random& random, int fd, std::size_t length,
                            std::string& got, int& timeouts) {
  while (got.size() < length) {
    const Instant deadline = reactor.now() + sim::between(random, 0us, 3ms);
    const Received received = co_await reactor.receive(fd, deadline);
    if (received.result() == -ETIMEDOUT) {
      ++timeouts;
      continue;
    }
    EXPECT_GT(received.result(), 0);
    if (received.result() <= 0) {
      co_return;
    }
    got += received.bytes();
  }
}

TEST(ReactorOnSim, ADeadlineThatMeetsDataLosesNoneOfIt) {
  int timeouts = 0;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    World pair(seed, 1, {.receive_buffers = 2, .receive_buffer_size = 16});
    std::string text;
    for (int at = 0; at < 2'000; ++at) {
      text += static_cast<char>('a' + at * 3 % 26);
    }
    std::string got;
    pair.writer.spawn(write_slowly(pair.writer.reactor, pair.world.random(), pair.there[0], text));
    EXPECT_TRUE(pair.reader.run(read_impatiently(pair.reader.reactor, pair.world.random(),
                                                 pair.here[0], text.size(), got, timeouts)));
    EXPECT_TRUE(pair.writer.finish());
    EXPECT_EQ(got, text) << "seed " << seed;
  }
  EXPECT_GT(timeouts, 1'000);
}

Task<void> receive_one(Reactor& reactor, int fd, Instant deadline, int& result) {
  const Received received = co_await reactor.receive(fd, deadline);
  result = received.result();
}

TEST(ReactorOnSim, AReceiveGoesOnAlthoughTheLastBufferCameBackBeforeItKnew) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    World pair(seed, 4, {.receive_buffers = 1, .receive_buffer_size = 16});
    std::vector<int> results(4, 0);
    for (std::size_t at = 0; at < 4; ++at) {
      pair.reader.spawn(receive_one(pair.reader.reactor, pair.here[at], never, results[at]));
      pair.writer.spawn(
          write_slowly(pair.writer.reactor, pair.world.random(), pair.there[at], "x"));
    }
    EXPECT_TRUE(pair.reader.finish(1min)) << "seed " << seed;
    EXPECT_TRUE(pair.writer.finish());
    EXPECT_EQ(results, std::vector<int>(4, 1));
  }
}

Task<void> hold_the_buffer(Reactor& reactor, const World& pair, Event& let_go, bool& held) {
  const Received received = co_await reactor.receive(pair.here[0]);
  held = received.result() == 1;
  co_await let_go.wait();
}

class StarvedReceive : public ::testing::Test {
 protected:
  StarvedReceive() {
    pair_.reader.spawn(hold_the_buffer(pair_.reader.reactor, pair_, let_go_, held_));
    for (const int fd : pair_.there) {
      pair_.writer.spawn(write_slowly(pair_.writer.reactor, pair_.world.random(), fd, "x"));
    }
    EXPECT_TRUE(pair_.world.run_until([this] { return held_; }, 1s));
    EXPECT_TRUE(pair_.writer.finish());
  }
  ~StarvedReceive() override {
    let_go_.notify_all();
    EXPECT_TRUE(pair_.reader.finish(1s));
  }

  World pair_{1, 2, {.receive_buffers = 1, .receive_buffer_size = 16}};
  Event let_go_;
  bool held_ = false;
};

TEST_F(StarvedReceive, WaitsForABuffer) {
  int result = 0;
  pair_.reader.spawn(receive_one(pair_.reader.reactor, pair_.here[1], never, result));
  pair_.world.run_for(10s);
  EXPECT_EQ(result, 0);
  let_go_.notify_all();
  EXPECT_TRUE(pair_.reader.finish(1s));
  EXPECT_EQ(result, 1);
}

TEST_F(StarvedReceive, KeepsItsDeadline) {
  int result = 0;
  pair_.reader.spawn(
      receive_one(pair_.reader.reactor, pair_.here[1], pair_.reader.reactor.now() + 2s, result));
  EXPECT_TRUE(pair_.world.run_until([&] { return result != 0; }, 3s));
  EXPECT_EQ(result, -ETIMEDOUT);
}

Task<void> receive_and_drop(Reactor& reactor, int fd) {
  {
    const ReceiveOperation dropped = reactor.receive(fd);
    co_await reactor.sleep(100ms);
  }
  EXPECT_EQ(reactor.operations_in_flight(), 0U);
}

TEST_F(StarvedReceive, IsForgottenWhenItIsDropped) {
  pair_.reader.spawn(receive_and_drop(pair_.reader.reactor, pair_.here[1]));
  pair_.world.run_for(1s);
  EXPECT_EQ(pair_.reader.gate.running(), 1U);
}

Task<void> drop_many(Reactor& reactor, Random& random, int fd) {
  for (int round = 0; round < 300; ++round) {
    {
      const ReceiveOperation dropped = reactor.receive(fd);
      if (random.below(2) == 0) {
        co_await reactor.sleep(sim::between(random, 0us, 1ms));
      }
    }
    int result = 0;
    const Instant deadline = reactor.now() + sim::between(random, 0us, 500us);
    co_await receive_one(reactor, fd, deadline, result);
    EXPECT_TRUE(result > 0 || result == -ETIMEDOUT) << result;
  }
  while (reactor.operations_in_flight() > 0) {
    co_await reactor.sleep(1ms);
  }
}

TEST(ReactorOnSim, WhatCompletesLateReachesNobodyAndGivesBackItsBuffer) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    World pair(seed, 1, {.receive_buffers = 4, .receive_buffer_size = 16});
    const std::string text(3'000, 'x');
    pair.writer.spawn(write_slowly(pair.writer.reactor, pair.world.random(), pair.there[0], text));
    EXPECT_TRUE(pair.reader.run(drop_many(pair.reader.reactor, pair.world.random(), pair.here[0])));
    EXPECT_EQ(pair.reader.reactor.buffers().outstanding(), 0U);
    EXPECT_TRUE(pair.writer.finish());
  }
}

// --- gates, events, crashes ----------------------------------------------------------------------

struct Counted {
  explicit Counted(int& alive) : alive(alive) { ++alive; }
  Counted(const Counted&) = delete;
  ~Counted() { --alive; }
  int& alive;
};

Task<void> inner_wait(Reactor& reactor, int& alive, int fd) {
  const Counted counted(alive);
  const Received received = co_await reactor.receive(fd);
}

Task<void> nested(Reactor& reactor, int& alive, int fd) {
  const Counted counted(alive);
  Gate gate(reactor.ready());
  gate.spawn(inner_wait(reactor, alive, fd));
  co_await inner_wait(reactor, alive, fd);
  co_await gate.close();
}

Task<void> sleep_long(Reactor& reactor, int& alive) {
  const Counted counted(alive);
  net::Stream stream(reactor, 77);  // would insist on being closed
  co_await reactor.sleep(1h);
}

TEST(ReactorOnSim, ACrashDestroysWhateverWaits) {
  for (const auto kind : {sim::Crash::killed, sim::Crash::power_cut}) {
    SimWorld world(3);
    sim::SimHost& host = world.add_host("reader", {service.address});
    SimProcess writer(world.add_host("writer", {client_address}));
    int alive = 0;
    {
      auto reader = std::make_unique<SimProcess>(host);
      std::vector<int> here;
      std::vector<int> there;
      reader->spawn(accept_into(reader->reactor, here, 1));
      writer.spawn(connect_into(writer.reactor, there, 1));
      EXPECT_TRUE(reader->finish());
      EXPECT_TRUE(writer.finish());
      reader->spawn(nested(reader->reactor, alive, here[0]));
      reader->spawn(sleep_long(reader->reactor, alive));
      world.run_for(1s);
      EXPECT_EQ(alive, 4);
      host.crash(kind);
      EXPECT_EQ(alive, 4) << "not yet";
      writer.kernel.close(there[0]);
      world.run_for(1s);
    }
    EXPECT_EQ(alive, 0);
    SimProcess again(host);
    again.spawn(sleep_long(again.reactor, alive));
    world.run_for(1s);
    host.crash(kind);
  }
}

Task<void> crash_oneself(sim::SimHost& host, Reactor& reactor) {
  SimWorld& world = host.world();
  world.clock().after(1s, [&host] { host.crash(sim::Crash::killed); });
  co_await reactor.sleep(1h);
  ADD_FAILURE() << "went on after a crash";
}

TEST(ReactorOnSim, ARunEndsWithACrash) {
  SimWorld world(3);
  sim::SimHost& host = world.add_host("host", {});
  sim::SimKernel kernel(host);
  Reactor reactor(kernel, {.receive_buffers = 4});
  EXPECT_TRUE(reactor.start());
  kernel.drive(&reactor);
  reactor.run(crash_oneself(host, reactor));
}

Task<void> wait_and_note(Event& event, std::vector<int>& order, int name) {
  co_await event.wait();
  order.push_back(name);
}

Task<void> wait_until_and_note(Reactor& reactor, Event& event, Instant deadline, int& notified) {
  const bool in_time = co_await event.wait_until(reactor.timers(), deadline);
  notified = in_time ? 1 : 0;
}

TEST(ReactorOnSim, EventsResumeInTheOrderOfWaiting) {
  SimWorld world(1);
  SimProcess process(world.add_host("host", {}));
  Event event;
  std::vector<int> order;
  for (int name = 0; name < 4; ++name) {
    process.spawn(wait_and_note(event, order, name));
  }
  world.run_for(1ms);
  event.notify_one();
  world.run_for(1ms);
  EXPECT_EQ(order, std::vector{0});
  event.notify_all();
  EXPECT_TRUE(process.finish(1ms));
  EXPECT_EQ(order, (std::vector{0, 1, 2, 3}));
}

TEST(ReactorOnSim, AnEventThatComesInTimeBeatsItsDeadlineInTheSameTurn) {
  SimWorld world(1);
  SimProcess process(world.add_host("host", {}));
  Event event;
  int notified = -1;
  process.spawn(wait_until_and_note(process.reactor, event, process.reactor.now() + 5ms, notified));
  EXPECT_TRUE(process.finish(1s));
  EXPECT_EQ(notified, 0);
  process.spawn(wait_until_and_note(process.reactor, event, process.reactor.now() + 5ms, notified));
  world.run_for(1ms);
  event.notify_all();
  world.clock().move_to(world.clock().now() + 10ms);  // the deadline passes before it resumes
  EXPECT_TRUE(process.finish(1s));
  EXPECT_EQ(notified, 1);
  EXPECT_FALSE(event.has_waiters());
}

Task<void> spawn_more(Reactor& reactor, Gate& gate, int depth, int& ended) {
  co_await reactor.sleep(1ms);
  if (depth > 0) {
    gate.spawn(spawn_more(reactor, gate, depth - 1, ended));
  }
  ++ended;
}

TEST(ReactorOnSim, AGateWaitsForWhatItsCoroutinesSpawn) {
  SimWorld world(1);
  SimProcess process(world.add_host("host", {}));
  int ended = 0;
  process.spawn(spawn_more(process.reactor, process.gate, 50, ended));
  EXPECT_TRUE(process.finish());
  EXPECT_EQ(ended, 51);
}

}  // namespace
}  // namespace ringpost::ring
