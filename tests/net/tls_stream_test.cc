// A stream under TLS, on a real ring.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>

#include "harness/self_signed.h"
#include "ringpost/net/stream.h"
#include "ringpost/net/tls_context.h"
#include "ringpost/ring/linux_kernel.h"

namespace ringpost::net {
namespace {

using ring::Task;

std::string text_of(std::size_t length) {
  std::string text;
  for (std::size_t at = 0; at < length; ++at) {
    text += static_cast<char>('a' + static_cast<char>(at * 7 % 26));
  }
  return text;
}

// Two ends of a socket pair on one reactor that receives so many bytes at a time.
class TlsStreamTest : public ::testing::TestWithParam<std::size_t> {
 protected:
  TlsStreamTest()
      : kernel_(ring::LinuxKernel::create({.submission_entries = 64, .completion_entries = 256})),
        reactor_(**kernel_, {.receive_buffers = 4, .receive_buffer_size = GetParam()}) {
    EXPECT_TRUE(reactor_.start());
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    peer_fd_ = ends[1];
    here_ = std::make_unique<Stream>(reactor_, ends[0]);
    const bench::SelfSigned identity = bench::make_self_signed("mx.test");
    server_ = TlsContext::server(identity.certificate, identity.key).value();
    client_ = TlsContext::client({}).value();
  }
  ~TlsStreamTest() override {
    reactor_.run(here_->close());
    if (there_) {
      reactor_.run(there_->close());
    } else if (peer_fd_ >= 0) {
      ::close(peer_fd_);
    }
    EXPECT_EQ(reactor_.operations_in_flight(), 0U);
    EXPECT_EQ(reactor_.buffers().outstanding(), 0U);
  }

  void serve() { gate_.spawn(shake(*here_, server_->accept(), answer_here_)); }
  // The other end speaks TLS too.
  void connect() {
    there_ = std::make_unique<Stream>(reactor_, std::exchange(peer_fd_, -1));
    gate_.spawn(shake(*there_, client_->connect({"mx.test"}), answer_there_));
  }
  void finish() { reactor_.run(gate_.close()); }
  void connect_both() {
    serve();
    connect();
    finish();
    ASSERT_EQ(answer_here_ + answer_there_, "okok");
  }
  // The other end says what it likes.
  void say(std::string_view bytes) {
    EXPECT_EQ(::send(peer_fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }

  Task<void> shake(Stream& stream, std::unique_ptr<TlsChannel> channel, std::string& answer) {
    const Result<> shaken =
        co_await stream.start_tls(std::move(channel), reactor_.now() + patience_);
    answer = shaken ? "ok" : shaken.error().message;
  }
  static Task<void> read(Stream& stream, std::size_t length, std::string& into, int& result) {
    while (into.size() < length) {
      const Received received = co_await stream.receive();
      result = received.result();
      if (result <= 0) {
        break;
      }
      into += received.bytes();
    }
  }

  Result<std::unique_ptr<ring::LinuxKernel>> kernel_;
  ring::Reactor reactor_;
  ring::Gate gate_{reactor_.ready()};
  std::unique_ptr<TlsContext> server_;
  std::unique_ptr<TlsContext> client_;
  std::unique_ptr<Stream> here_;
  std::unique_ptr<Stream> there_;
  int peer_fd_ = -1;
  Duration patience_ = 20s;
  std::string answer_here_;
  std::string answer_there_;
};

TEST_P(TlsStreamTest, CarriesMuchBothWaysAtOnce) {
  connect_both();
  const std::string mine = text_of(70'000);
  const std::string theirs = text_of(40'001);
  std::string got_here;
  std::string got_there;
  int result = 0;
  here_->write(mine.substr(0, 5));
  here_->write(mine.substr(5));
  there_->write(theirs);
  gate_.spawn(read(*here_, theirs.size(), got_here, result));
  gate_.spawn(read(*there_, mine.size(), got_there, result));
  finish();
  EXPECT_EQ(got_here, theirs);
  EXPECT_EQ(got_there, mine);
  EXPECT_EQ(here_->bytes_sent(), mine.size());
  EXPECT_EQ(here_->bytes_written(), mine.size());
  EXPECT_EQ(here_->bytes_unsent(), 0U);
  EXPECT_EQ(here_->tls()->version(), "TLSv1.3");
}

TEST_P(TlsStreamTest, PlainTextWrittenBeforeLeavesBeforeTheHandshake) {
  here_->write("220 go ahead\r\n");
  serve();
  std::string line;
  while (line.size() < 14) {
    reactor_.turn(10ms);
    char byte = 0;
    while (line.size() < 14 && ::recv(peer_fd_, &byte, 1, MSG_DONTWAIT) == 1) {
      line += byte;
    }
  }
  EXPECT_EQ(line, "220 go ahead\r\n");
  connect();
  finish();
  EXPECT_EQ(answer_here_, "ok");
  EXPECT_EQ(here_->bytes_sent(), 14U);
}

TEST_P(TlsStreamTest, PlainTextInsteadOfAHandshakeIsNotAnswered) {
  serve();
  say("EHLO injected.test\r\nMAIL FROM:<a@b>\r\n");
  finish();
  EXPECT_NE(answer_here_, "ok");
  EXPECT_NE(answer_here_, "");
  here_->write("250 secret\r\n");
  EXPECT_EQ(here_->error(), -EPROTO);
  char answer[64];
  EXPECT_EQ(::recv(peer_fd_, answer, sizeof(answer), MSG_DONTWAIT), -1);
}

TEST_P(TlsStreamTest, GarbageInAHandshakeIsRefusedWithAnAlert) {
  serve();
  say(std::string_view("\x16\x03\x01\x00\x05xxxxx", 10));
  finish();
  EXPECT_NE(answer_here_, "ok");
  EXPECT_NE(answer_here_, "");
  char alert[64];
  const ssize_t length = ::recv(peer_fd_, alert, sizeof(alert), MSG_DONTWAIT);
  ASSERT_GT(length, 0);
  EXPECT_EQ(alert[0], 21);
}

TEST_P(TlsStreamTest, APeerThatVanishesInTheHandshakeIsNoticed) {
  serve();
  say("\x16\x03\x01");
  ::close(std::exchange(peer_fd_, -1));
  finish();
  EXPECT_EQ(answer_here_, "the peer closed the connection");
}

TEST_P(TlsStreamTest, AHandshakeHasADeadline) {
  patience_ = 30ms;
  serve();
  say("\x16");
  finish();
  EXPECT_EQ(answer_here_, "timed out");
}

TEST_P(TlsStreamTest, AHandshakeCanBeCancelled) {
  serve();
  while (gate_.running() > 0) {
    reactor_.turn(1ms);
    here_->cancel_receive();
  }
  EXPECT_NE(answer_here_, "ok");
}

TEST_P(TlsStreamTest, CloseNotifyEndsItAlthoughTheSocketStaysOpen) {
  connect_both();
  there_->write("half a line");
  there_->finish();
  std::string got;
  int result = 1;
  reactor_.run(read(*here_, 1'000, got, result));
  EXPECT_EQ(got, "half a line");
  EXPECT_EQ(result, 0);
  EXPECT_TRUE(here_->disturbed());
  result = 1;
  reactor_.run(read(*here_, 1'000, got, result));
  EXPECT_EQ(result, 0) << "and it stays ended";
}

TEST_P(TlsStreamTest, APeerThatOnlyClosesItsSocketEndsItToo) {
  connect_both();
  there_->write("last words");
  std::string got;
  int result = 1;
  gate_.spawn(read(*here_, 10, got, result));
  finish();
  there_->abort();
  reactor_.run(read(*here_, 1'000, got, result));
  EXPECT_EQ(got, "last words");
  EXPECT_EQ(result, 0);
}

TEST_P(TlsStreamTest, AnIdleStreamIsWatched) {
  connect_both();
  here_->watch();
  reactor_.turn(1ms);
  EXPECT_FALSE(here_->disturbed());
  there_->write("421 bye\r\n");
  while (!here_->disturbed()) {
    reactor_.turn(10ms);
  }
  std::string got;
  int result = 1;
  reactor_.run(read(*here_, 9, got, result));
  EXPECT_EQ(got, "421 bye\r\n");
}

// What stands in a record that did not leave whole cannot have been read.
TEST_P(TlsStreamTest, CountsAsSentWhatIsInWholeRecordsOnly) {
  connect_both();
  const std::size_t before = here_->bytes_sent();
  here_->write(text_of(900'000));
  for (int turn = 0; turn < 20; ++turn) {
    reactor_.turn(1ms);
  }
  EXPECT_GT(here_->bytes_unsent(), 0U);
  here_->abort();
  for (int turn = 0; turn < 20 && here_->bytes_unsent() > 0; ++turn) {
    reactor_.turn(1ms);
  }
  const std::size_t sent = here_->bytes_sent() - before;
  EXPECT_GT(sent, 0U);
  EXPECT_LT(sent, 900'000U);
  EXPECT_EQ(sent % TlsChannel::record_bytes, 0U);
}

INSTANTIATE_TEST_SUITE_P(Pieces, TlsStreamTest,
                         ::testing::Values(1, 2, 3, 5, 6, 7, 17, 64, 511, 4096, 16'384));

}  // namespace
}  // namespace ringpost::net
