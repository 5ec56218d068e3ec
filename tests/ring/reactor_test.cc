// The reactor on the real kernel: operations, deadlines, cancellation, buffers, wake-ups.
#include "ringpost/ring/reactor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "ringpost/ring/linux_kernel.h"

namespace ringpost::ring {
namespace {

struct Pair {
  Pair() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0); }
  ~Pair() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  int ends[2];
};

class ReactorTest : public ::testing::Test {
 protected:
  ReactorTest()
      : kernel_(LinuxKernel::create({.submission_entries = 64, .completion_entries = 256})),
        reactor_(**kernel_, {.receive_buffers = 4, .receive_buffer_size = 16}) {
    EXPECT_TRUE(reactor_.start());
  }

  Result<std::unique_ptr<LinuxKernel>> kernel_;
  Reactor reactor_;
};

Task<int> add(int a, int b) {
  co_return a + b;
}

Task<void> add_many(int& sum) {
  for (int i = 0; i < 100'000; ++i) {
    const int next = co_await add(sum, 1);
    sum = next;
  }
}

TEST_F(ReactorTest, AwaitingInALoopNeitherRecursesNorMixesValues) {
  int sum = 0;
  reactor_.run(add_many(sum));
  EXPECT_EQ(sum, 100'000);
}

Task<void> echo(Reactor& reactor, int fd) {
  while (true) {
    Received received = co_await reactor.receive(fd);
    if (received.result() <= 0) {
      co_return;
    }
    std::string bytes(received.bytes());
    received.release();
    const int sent = co_await reactor.send(fd, std::move(bytes));
    EXPECT_GT(sent, 0);
  }
}

Task<void> ask(Reactor& reactor, int fd, std::string text, std::string& answer) {
  const std::size_t expected = text.size();
  const int sent = co_await reactor.send(fd, std::move(text));
  EXPECT_EQ(sent, static_cast<int>(expected));
  while (answer.size() < expected) {
    const Received received = co_await reactor.receive(fd);
    EXPECT_GT(received.result(), 0);
    answer += received.bytes();
  }
  ::shutdown(fd, SHUT_WR);
}

Task<void> echo_and_ask(Reactor& reactor, const Pair& pair, std::string text, std::string& answer) {
  Gate gate(reactor.ready());
  gate.spawn(echo(reactor, pair.ends[0]));
  gate.spawn(ask(reactor, pair.ends[1], std::move(text), answer));
  co_await gate.close();
}

TEST_F(ReactorTest, MoreDataThanReceiveBuffersPassesThroughUnchanged) {
  Pair pair;
  std::string text;
  for (int i = 0; i < 5'000; ++i) {
    text += static_cast<char>('a' + i % 26);
  }
  std::string answer;
  reactor_.run(echo_and_ask(reactor_, pair, text, answer));
  EXPECT_EQ(answer, text);
  EXPECT_EQ(reactor_.buffers().outstanding(), 0U);
  EXPECT_EQ(reactor_.operations_in_flight(), 0U);
}

Task<void> receive_until(Reactor& reactor, int fd, Instant deadline, int& result) {
  const Received received = co_await reactor.receive(fd, deadline);
  result = received.result();
}

TEST_F(ReactorTest, ADeadlineEndsAReceiveWithTimeOut) {
  Pair pair;
  int result = 0;
  reactor_.run(receive_until(reactor_, pair.ends[0], reactor_.now() + 5ms, result));
  EXPECT_EQ(result, -ETIMEDOUT);
}

Task<void> hold_all_buffers(Reactor& reactor, const Pair& pair, int& late) {
  std::vector<Received> held;
  const int sent = co_await reactor.send(pair.ends[1], std::string(80, 'x'));
  EXPECT_EQ(sent, 80);
  for (int i = 0; i < 4; ++i) {
    Received received = co_await reactor.receive(pair.ends[0]);
    held.push_back(std::move(received));
  }
  ReceiveOperation parked = reactor.receive(pair.ends[0]);
  co_await reactor.sleep(2ms);
  held.pop_back();
  const Received received = co_await parked;
  late = received.result();
}

TEST_F(ReactorTest, AReceiveWithoutABufferWaitsUntilOneComesBack) {
  Pair pair;
  int late = 0;
  reactor_.run(hold_all_buffers(reactor_, pair, late));
  EXPECT_EQ(late, 16);
  EXPECT_EQ(reactor_.buffers().outstanding(), 0U);
}

Task<void> drop_unawaited(Reactor& reactor, int fd) {
  {
    const ReceiveOperation dropped = reactor.receive(fd);
  }
  while (reactor.operations_in_flight() > 0) {
    co_await reactor.sleep(1ms);
  }
}

TEST_F(ReactorTest, ADroppedOperationIsCancelledAndItsSlotComesBack) {
  Pair pair;
  reactor_.run(drop_unawaited(reactor_, pair.ends[0]));
  EXPECT_EQ(reactor_.operations_in_flight(), 0U);
}

// Raises the flag from another thread and lets a coroutine know through the inbox.
class FlagInbox final : public Inbox {
 public:
  FlagInbox(std::atomic<bool>& flag, Event& event) : flag_(flag), event_(event) {}
  bool poll() override {
    if (!flag_.load() || !event_.has_waiters()) {
      return false;
    }
    event_.notify_all();
    return true;
  }

 private:
  std::atomic<bool>& flag_;
  Event& event_;
};

Task<void> wait_for_event(Event& event, std::atomic<bool>& flag) {
  while (!flag.load()) {
    co_await event.wait();
  }
}

TEST_F(ReactorTest, AnotherThreadWakesASleepingReactor) {
  std::atomic<bool> flag = false;
  Event event;
  FlagInbox inbox(flag, event);
  reactor_.set_inbox(&inbox);
  std::thread other([&] {
    flag.store(true, std::memory_order_seq_cst);
    reactor_.wake();
  });
  reactor_.run(wait_for_event(event, flag));
  other.join();
  reactor_.set_inbox(nullptr);
}

Task<void> write_and_read(Reactor& reactor, std::string path, std::string& read_back) {
  const int fd = co_await reactor.open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
  EXPECT_GE(fd, 0);
  const int written = co_await reactor.write(fd, "durable", 0, RWF_DSYNC);
  EXPECT_EQ(written, 7);
  char buffer[16];
  const std::span<char> into(buffer);
  const int got = co_await reactor.read(fd, into, 0);
  read_back.assign(buffer, static_cast<std::size_t>(got));
  const std::string renamed = path + ".renamed";
  const int moved = co_await reactor.rename(path, renamed);
  EXPECT_EQ(moved, 0);
  const int removed = co_await reactor.unlink(renamed);
  EXPECT_EQ(removed, 0);
  const int closed = co_await reactor.close_file(fd);
  EXPECT_EQ(closed, 0);
}

TEST_F(ReactorTest, FilesAreWrittenReadRenamedAndRemoved) {
  std::string read_back;
  const std::string path = ::testing::TempDir() + "/reactor-" + std::to_string(::getpid());
  reactor_.run(write_and_read(reactor_, path, read_back));
  EXPECT_EQ(read_back, "durable");
}

}  // namespace
}  // namespace ringpost::ring
