// The simulated kernel: the same seed gives the same run, and what it plays is what Linux does.
#include "sim/sim_kernel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <set>

#include "ringpost/net/socket.h"
#include "ringpost/net/stream.h"
#include "sim/sim_process.h"

namespace ringpost::sim {
namespace {

using ring::Task;

const IpAddress server_address = SimWorld::address("10.0.0.1");
const IpAddress client_address = SimWorld::address("10.0.0.2");
const Endpoint service{server_address, 25};

Task<void> echo_one(ring::Reactor& reactor, int fd) {
  net::Stream stream(reactor, fd);
  while (true) {
    const net::Received received = co_await stream.receive();
    if (received.result() <= 0) {
      break;
    }
    stream.write(std::string(received.bytes()));
  }
  co_await stream.sent_down_to(0, never);
  co_await stream.close();
}

Task<void> serve(ring::Reactor& reactor, ring::Gate& gate, int connections) {
  const auto listener = net::listen_on(reactor.kernel(), service);
  EXPECT_TRUE(listener.has_value());
  for (int count = 0; count < connections; ++count) {
    const int fd = co_await reactor.accept(*listener);
    EXPECT_GE(fd, 0);
    gate.spawn(echo_one(reactor, fd));
  }
  reactor.kernel().close(*listener);
}

Task<void> ask(ring::Reactor& reactor, std::string text, std::string& answer, int& error) {
  const int fd = co_await net::connect_to(reactor, service, std::nullopt, reactor.now() + 30s);
  if (fd < 0) {
    error = fd;
    co_return;
  }
  net::Stream stream(reactor, fd);
  const std::size_t expected = text.size();
  stream.write(std::move(text));
  while (answer.size() < expected) {
    const net::Received received = co_await stream.receive(reactor.now() + 60s);
    if (received.result() <= 0) {
      error = received.result();
      break;
    }
    answer += received.bytes();
  }
  co_await stream.close();
}

struct Exchange {
  std::uint64_t trace = 0;
  std::uint64_t events = 0;
  int wrong = 0;
  std::size_t descriptors = 0;
};

std::string long_text(std::size_t length) {
  std::string text;
  for (std::size_t at = 0; at < length; ++at) {
    text += static_cast<char>('a' + at * 7 % 26);
  }
  return text;
}

Exchange exchange(std::uint64_t seed) {
  constexpr int clients = 20;
  SimWorld world(seed);
  SimHost& server_host = world.add_host("server", {server_address});
  SimHost& client_host = world.add_host("client", {client_address});
  SimProcess server(server_host);
  SimProcess client(client_host, {.receive_buffers = 4, .receive_buffer_size = 512});
  const std::string text = long_text(20'000);
  std::vector<std::string> answers(clients);
  std::vector<int> errors(clients);
  server.spawn(serve(server.reactor, server.gate, clients));
  world.run_for(1s);
  for (int at = 0; at < clients; ++at) {
    client.spawn(ask(client.reactor, text, answers[static_cast<std::size_t>(at)],
                     errors[static_cast<std::size_t>(at)]));
  }
  EXPECT_TRUE(client.finish());
  EXPECT_TRUE(server.finish());
  Exchange result{world.trace().hash(), world.trace().events(), 0, 0};
  for (int at = 0; at < clients; ++at) {
    result.wrong += answers[static_cast<std::size_t>(at)] != text ? 1 : 0;
  }
  EXPECT_EQ(client.reactor.buffers().outstanding(), 0U);
  EXPECT_EQ(client_host.descriptors_open(), 1);  // to be woken by
  EXPECT_EQ(server_host.descriptors_open(), 1);
  return result;
}

TEST(SimWorld, CarriesBytesUnchangedThroughShortReadsAndFewBuffers) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    EXPECT_EQ(exchange(seed).wrong, 0) << "seed " << seed;
  }
}

TEST(SimWorld, TheSameSeedGivesTheSameRunAndAnotherAnother) {
  const Exchange once = exchange(7);
  const Exchange again = exchange(7);
  const Exchange other = exchange(8);
  EXPECT_GT(once.events, 1000U);
  EXPECT_EQ(once.trace, again.trace);
  EXPECT_EQ(once.events, again.events);
  EXPECT_NE(once.trace, other.trace);
}

// One host that connects to what the network makes of the service's endpoint.
class Connecting : public ::testing::Test {
 protected:
  int result_of_connect(Duration* took = nullptr) {
    int error = 0;
    std::string answer;
    const Instant before = world_.clock().now();
    EXPECT_TRUE(client_.run(ask(client_.reactor, "x", answer, error)));
    if (took != nullptr) {
      *took = world_.clock().now() - before;
    }
    EXPECT_EQ(client_host_.descriptors_open(), 1);
    return error;
  }

  SimWorld world_{1};
  SimHost& server_host_ = world_.add_host("server", {server_address});
  SimHost& client_host_ = world_.add_host("client", {client_address});
  SimProcess server_{server_host_};
  SimProcess client_{client_host_};
};

TEST_F(Connecting, IsRefusedWhereNobodyListens) {
  Duration took{};
  EXPECT_EQ(result_of_connect(&took), -ECONNREFUSED);
  EXPECT_LT(took, 100ms);
}

TEST_F(Connecting, TimesOutInABlackHole) {
  world_.network().set_fate({server_address, 0}, SimNetwork::Fate::lost);
  Duration took{};
  EXPECT_EQ(result_of_connect(&took), -ETIMEDOUT);
  EXPECT_GE(took, 30s);
  EXPECT_LT(took, 31s);
}

TEST_F(Connecting, ASilencedPeerIsNoticedByTheDeadlineOnly) {
  server_.spawn(serve(server_.reactor, server_.gate, 1));
  world_.run_for(1s);
  std::string answer;
  int error = 0;
  client_.spawn(ask(client_.reactor, std::string(100'000, 'x'), answer, error));
  world_.run_until([&] { return !answer.empty(); }, 10s);
  world_.network().silence(server_address);
  EXPECT_TRUE(client_.finish());
  EXPECT_EQ(error, -ETIMEDOUT);
  server_host_.crash(Crash::power_cut);
}

TEST_F(Connecting, AKilledPeerEndsItsConnections) {
  server_.spawn(serve(server_.reactor, server_.gate, 2));
  world_.run_for(1s);
  std::string answer;
  int error = -1;
  client_.spawn(ask(client_.reactor, std::string(1'000'000, 'x'), answer, error));
  world_.run_until([&] { return !answer.empty(); }, 10s);
  server_host_.crash(Crash::killed);
  const Instant before = world_.clock().now();
  EXPECT_TRUE(client_.finish());
  EXPECT_LT(world_.clock().now() - before, 1s);
  EXPECT_EQ(server_host_.descriptors_open(), 0);
}

Task<void> cancel_at(ring::Reactor& reactor, ring::Operation& operation, Duration after) {
  co_await reactor.sleep(after);
  operation.cancel();
}

Task<void> receive_and_cancel(ring::Reactor& reactor, Duration after, std::set<int>& results) {
  const int fd = co_await net::connect_to(reactor, service, std::nullopt, never);
  net::Stream stream(reactor, fd);
  stream.write("hello");
  ring::Gate gate(reactor.ready());
  ring::ReceiveOperation receiving = reactor.receive(fd);
  gate.spawn(cancel_at(reactor, receiving, after));
  const ring::Received received = co_await receiving;
  results.insert(received.result());
  co_await gate.close();
  co_await stream.close();
}

TEST(SimKernel, ACancelComesInTimeOrTooLate) {
  std::set<int> results;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SimWorld world(seed);
    SimProcess server(world.add_host("server", {server_address}));
    SimProcess client(world.add_host("client", {client_address}));
    server.spawn(serve(server.reactor, server.gate, 1));
    world.run_for(1s);
    const Duration after = between(world.random(), 0us, 5ms);
    EXPECT_TRUE(client.run(receive_and_cancel(client.reactor, after, results)));
    EXPECT_EQ(client.reactor.operations_in_flight(), 0U);
    EXPECT_TRUE(server.finish());
  }
  EXPECT_TRUE(results.contains(-ECANCELED));
  EXPECT_TRUE(results.contains(5));
}

TEST(SimKernel, TellsACancelWhetherItFoundItsAim) {
  SimWorld world(3);
  SimKernel kernel(world.add_host("host", {}));
  std::set<int> results;
  const auto reap = [&](std::uint64_t name) {
    for (int turns = 0; turns < 100; ++turns) {
      kernel.enter(1, 1s);
      io_uring_cqe* cqe = nullptr;
      unsigned head = 0;
      unsigned count = 0;
      std::optional<int> result;
      io_uring_for_each_cqe(&kernel.queues(), head, cqe) {
        ++count;
        if (cqe->user_data == name) {
          result = cqe->res;
        }
      }
      io_uring_cq_advance(&kernel.queues(), count);
      if (result) {
        return *result;
      }
    }
    return 0;
  };
  const auto cancel = [&](std::uint64_t aim) {
    io_uring_sqe* const sqe = io_uring_get_sqe(&kernel.queues());
    io_uring_prep_cancel64(sqe, aim, 0);
    sqe->user_data = 99;
    return reap(99);
  };
  EXPECT_EQ(cancel(1), -ENOENT);
  const int fd = kernel.lock_file("/file");
  io_uring_sqe* const sync = io_uring_get_sqe(&kernel.queues());
  io_uring_prep_fsync(sync, fd, 0);
  sync->user_data = 2;
  EXPECT_EQ(cancel(2), -EALREADY);
  EXPECT_EQ(reap(2), 0);
  std::uint64_t count = 0;
  io_uring_sqe* const read = io_uring_get_sqe(&kernel.queues());
  io_uring_prep_read(read, kernel.wake_descriptor(), &count, sizeof(count), 0);
  read->user_data = 3;
  EXPECT_EQ(cancel(3), 0);
  EXPECT_EQ(cancel(3), -ENOENT);
}

TEST(SimKernel, ALockedFileCannotBeLockedAgainUntilItsHolderDies) {
  SimWorld world(1);
  SimHost& host = world.add_host("host", {});
  SimKernel kernel(host);
  const int fd = kernel.lock_file("/lock");
  EXPECT_GE(fd, 0);
  EXPECT_EQ(kernel.lock_file("/lock"), -EWOULDBLOCK);
  EXPECT_EQ(kernel.lock_file("/no/such/lock"), -ENOENT);
  host.crash(Crash::killed);
  SimKernel restarted(host);
  EXPECT_GE(restarted.lock_file("/lock"), 0);
}

TEST(SimKernel, RunsOutOfDescriptors) {
  SimWorld world(1);
  SimHost& host = world.add_host("host", {});
  SimKernel kernel(host);
  host.most_descriptors = 5;
  EXPECT_EQ(kernel.socket(AF_INET, SOCK_STREAM), 4);
  EXPECT_EQ(kernel.socket(AF_INET, SOCK_STREAM), -EMFILE);
  EXPECT_EQ(kernel.close(4), 0);
  EXPECT_EQ(kernel.socket(AF_INET, SOCK_STREAM), 4);
  EXPECT_EQ(kernel.close(7), -EBADF);
}

}  // namespace
}  // namespace ringpost::sim
