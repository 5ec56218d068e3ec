// Streams and connecting, on a simulated network.
#include "ringpost/net/stream.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <string>

#include "ringpost/net/socket.h"
#include "sim/sim_process.h"

namespace ringpost::net {
namespace {

using ring::Task;
using sim::SimWorld;

const Endpoint service{SimWorld::address("10.0.0.1"), 25};

std::string text_of(std::size_t length, char first) {
  std::string text;
  for (std::size_t at = 0; at < length; ++at) {
    text += static_cast<char>(first + static_cast<char>(at * 5 % 26));
  }
  return text;
}

// Two hosts with a stream between them.
class StreamTest : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  StreamTest() {
    world_.network().faults.least_window = 1024;
    world_.network().faults.most_window = 8192;
  }

  void connect() {
    near_.spawn(accept_one());
    far_.spawn(connect_one());
    ASSERT_TRUE(world_.run_until([this] { return here_ && there_; }, 1s));
  }
  void close_both() {
    if (here_) {
      EXPECT_TRUE(near_.run(here_->close()));
    }
    if (there_) {
      EXPECT_TRUE(far_.run(there_->close()));
    }
    EXPECT_TRUE(near_.finish());
    EXPECT_EQ(near_.reactor.operations_in_flight(), 0U);
    EXPECT_EQ(far_.reactor.operations_in_flight(), 0U);
    EXPECT_EQ(near_.reactor.buffers().outstanding(), 0U);
  }

  Task<void> accept_one() {
    const Result<int> listener = listen_on(near_.kernel, service);
    EXPECT_TRUE(listener.has_value());
    const int fd = co_await near_.reactor.accept(*listener);
    near_.kernel.close(*listener);
    here_.emplace(near_.reactor, fd);
  }
  Task<void> connect_one() {
    co_await far_.reactor.sleep(10ms);
    const int fd = co_await connect_to(far_.reactor, service, std::nullopt, never);
    there_.emplace(far_.reactor, fd);
  }
  static Task<void> read(Stream& stream, std::size_t length, std::string& into, int& result) {
    while (into.size() < length) {
      const net::Received received = co_await stream.receive();
      result = received.result();
      if (result <= 0) {
        break;
      }
      into += received.bytes();
    }
  }
  static Task<void> drain(Stream& stream, std::uint64_t most, Instant deadline, int& answer) {
    const bool drained = co_await stream.sent_down_to(most, deadline);
    answer = drained ? 1 : 0;
  }

  SimWorld world_{GetParam()};
  sim::SimProcess near_{world_.add_host("near", {service.address})};
  sim::SimProcess far_{world_.add_host("far", {SimWorld::address("10.0.0.2")})};
  std::optional<Stream> here_;
  std::optional<Stream> there_;
};

TEST_P(StreamTest, ReadingNeverWaitsForWriting) {
  connect();
  const std::string mine = text_of(300'000, 'a');
  const std::string theirs = text_of(200'000, 'A');
  std::string got_here;
  std::string got_there;
  int result = 0;
  // Both have more to say than fits on the way before either reads.
  here_->write(mine);
  there_->write(theirs);
  world_.run_for(1s);
  EXPECT_GT(here_->bytes_unsent(), 0U);
  near_.spawn(read(*here_, theirs.size(), got_here, result));
  EXPECT_TRUE(near_.finish(1min));
  EXPECT_EQ(got_here, theirs);
  EXPECT_GT(here_->bytes_unsent(), 0U) << "nobody has read the other way yet";
  far_.spawn(read(*there_, mine.size(), got_there, result));
  EXPECT_TRUE(far_.finish(1min));
  EXPECT_EQ(got_there, mine);
  EXPECT_EQ(here_->bytes_unsent(), 0U);
  EXPECT_EQ(here_->bytes_sent(), mine.size());
  close_both();
}

TEST_P(StreamTest, WritesLeaveInTheirOrder) {
  connect();
  std::string all;
  for (int number = 0; number < 200; ++number) {
    const std::string piece = "piece " + std::to_string(number) + "\r\n";
    all += piece;
    here_->write(piece);
    if (number % 7 == 0) {
      world_.run_for(50us);
    }
  }
  std::string got;
  int result = 0;
  EXPECT_TRUE(far_.run(read(*there_, all.size(), got, result)));
  EXPECT_EQ(got, all);
  close_both();
}

TEST_P(StreamTest, TellsWhenItHasSentDownToSoMuchOrThatTimeIsUp) {
  connect();
  here_->write(std::string(100'000, 'x'));
  int answer = -1;
  const Instant before = world_.clock().now();
  EXPECT_TRUE(near_.run(drain(*here_, 1'000, near_.reactor.now() + 2s, answer)));
  EXPECT_EQ(answer, 0);
  EXPECT_GE(world_.clock().now() - before, 2s - 10ms);
  std::string got;
  int result = 0;
  far_.spawn(read(*there_, 100'000, got, result));
  EXPECT_TRUE(near_.run(drain(*here_, 1'000, never, answer)));
  EXPECT_EQ(answer, 1);
  EXPECT_LE(here_->bytes_unsent(), 1'000U);
  EXPECT_TRUE(far_.finish());
  close_both();
}

TEST_P(StreamTest, AbortEndsAPendingReceiveAndDropsWhatIsUnsent) {
  connect();
  here_->write(std::string(100'000, 'x'));
  std::string got;
  int result = 1;
  near_.spawn(read(*here_, 1, got, result));
  world_.run_for(1s);
  EXPECT_EQ(near_.gate.running(), 1U);
  here_->abort();
  EXPECT_TRUE(near_.finish(1s));
  EXPECT_LE(result, 0);
  EXPECT_EQ(here_->error(), -ECONNABORTED);
  int answer = -1;
  EXPECT_TRUE(near_.run(drain(*here_, 0, never, answer), 1s)) << "who waits must learn of it";
  EXPECT_EQ(answer, 0);
  here_->write("after the end");
  close_both();
}

TEST_P(StreamTest, ClosingWhileSendingEnds) {
  connect();
  here_->write(std::string(100'000, 'x'));
  world_.run_for(1s);
  EXPECT_TRUE(near_.run(here_->close(), 1s));
  std::string got;
  int result = 1;
  EXPECT_TRUE(far_.run(read(*there_, 100'000, got, result), 1min));
  EXPECT_LE(result, 0);
  EXPECT_LT(got.size(), 100'000U);
  here_.reset();
  close_both();
}

TEST_P(StreamTest, AResetIsToldToTheReaderAndToTheWriter) {
  connect();
  here_->write(std::string(100'000, 'x'));
  std::string got;
  int result = 1;
  int answer = -1;
  near_.spawn(read(*here_, 1, got, result));
  near_.spawn(drain(*here_, 0, never, answer));
  world_.run_for(100ms);
  // Closing with unread data resets the connection.
  EXPECT_TRUE(far_.run(there_->close()));
  there_.reset();
  EXPECT_TRUE(near_.finish(1s));
  EXPECT_LE(result, 0);
  EXPECT_EQ(answer, 0);
  EXPECT_LT(here_->error(), 0);
  close_both();
}

TEST_P(StreamTest, APeerThatOnlyStoppedSendingIsStillReadFrom) {
  connect();
  here_->write("last words");
  EXPECT_TRUE(near_.finish());
  world_.run_for(1s);
  EXPECT_TRUE(near_.run(here_->close()));
  here_.reset();
  std::string got;
  int result = 1;
  EXPECT_TRUE(far_.run(read(*there_, 100, got, result)));
  EXPECT_EQ(got, "last words");
  EXPECT_EQ(result, 0);
  close_both();
}

INSTANTIATE_TEST_SUITE_P(Seeds, StreamTest, ::testing::Range<std::uint64_t>(0, 25));

Task<void> try_to_connect(ring::Reactor& reactor, std::optional<IpAddress> source, int& result) {
  result = co_await connect_to(reactor, service, source, reactor.now() + 5s);
  if (result >= 0) {
    reactor.kernel().close(result);
  }
}

TEST(ConnectTo, ClosesItsSocketWhateverGoesWrong) {
  SimWorld world(1);
  sim::SimHost& host = world.add_host("host", {SimWorld::address("10.0.0.2")});
  world.add_host("nobody listens", {service.address});
  sim::SimProcess process(host);
  int result = 0;
  EXPECT_TRUE(process.run(try_to_connect(process.reactor, std::nullopt, result)));
  EXPECT_EQ(result, -ECONNREFUSED);
  EXPECT_TRUE(process.run(try_to_connect(process.reactor, SimWorld::address("10.9.9.9"), result)));
  EXPECT_EQ(result, -EADDRNOTAVAIL);
  world.network().set_fate(service, sim::SimNetwork::Fate::lost);
  EXPECT_TRUE(process.run(try_to_connect(process.reactor, std::nullopt, result)));
  EXPECT_EQ(result, -ETIMEDOUT);
  host.most_descriptors = 4;
  EXPECT_TRUE(process.run(try_to_connect(process.reactor, std::nullopt, result)));
  EXPECT_EQ(result, -EMFILE);
  EXPECT_EQ(host.descriptors_open(), 1);
}

TEST(ListenOn, SharesAPortAndSaysWhereItListens) {
  SimWorld world(1);
  sim::SimProcess process(world.add_host("host", {service.address}));
  const Result<int> first = listen_on(process.kernel, service);
  const Result<int> second = listen_on(process.kernel, service);
  ASSERT_TRUE(first && second) << "shards share one port";
  EXPECT_EQ(local_endpoint(process.kernel, *first).value(), service);
  const Result<int> elsewhere =
      listen_on(process.kernel, Endpoint(SimWorld::address("10.7.7.7"), 25));
  ASSERT_FALSE(elsewhere);
  EXPECT_EQ(elsewhere.error().system_errno, EADDRNOTAVAIL);
  EXPECT_FALSE(elsewhere.error().remedy.empty());
}

}  // namespace
}  // namespace ringpost::net
