// Mailboxes between real threads: nothing is lost, nothing is read before it was written, and who
// sleeps is woken. Meant to be run under ThreadSanitizer as well.
#include "ringpost/ring/mailbox.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>

#include "ringpost/ring/linux_kernel.h"
#include "ringpost/ring/reactor.h"

namespace ringpost::ring {
namespace {

TEST(Mailbox, IsFullWhenItIsFullAndThenLeavesTheItemAlone) {
  Mailbox<std::unique_ptr<int>> box(2);
  EXPECT_TRUE(box.try_push(std::make_unique<int>(1)));
  EXPECT_TRUE(box.try_push(std::make_unique<int>(2)));
  auto third = std::make_unique<int>(3);
  EXPECT_FALSE(box.try_push(std::move(third)));
  ASSERT_NE(third, nullptr);
  std::unique_ptr<int> got;
  EXPECT_TRUE(box.try_pop(got));
  EXPECT_EQ(*got, 1);
  EXPECT_TRUE(box.try_push(std::move(third)));
  EXPECT_TRUE(box.try_pop(got));
  EXPECT_TRUE(box.try_pop(got));
  EXPECT_EQ(*got, 3);
  EXPECT_FALSE(box.try_pop(got));
}

// One of two shards that send each other every number once and answer each with its text.
class Player final : public Inbox {
 public:
  using Box = Mailbox<std::unique_ptr<std::string>>;
  static constexpr int rounds = 20'000;

  Player(Box& in, Box& out)
      : kernel_(LinuxKernel::create({.submission_entries = 64, .completion_entries = 256})),
        reactor_(**kernel_, {.receive_buffers = 4}),
        in_(in),
        out_(out) {}

  void meet(Player& other) { other_ = &other; }

  void play() {
    EXPECT_TRUE(reactor_.start());
    reactor_.set_inbox(this);
    reactor_.run(converse());
    reactor_.set_inbox(nullptr);
  }
  bool poll() override {
    std::unique_ptr<std::string> letter;
    bool any = false;
    while (in_.try_pop(letter)) {
      EXPECT_EQ(*letter, std::to_string(received_));
      ++received_;
      any = true;
    }
    if (any) {
      arrived_.notify_all();
    }
    return any;
  }

 private:
  // Never more than a few ahead of the other, so that both sleep and wake all the time.
  Task<void> converse() {
    int sent = 0;
    while (sent < rounds || received_ < rounds) {
      if (sent < rounds && sent < received_ + 3) {
        const bool pushed = out_.try_push(std::make_unique<std::string>(std::to_string(sent)));
        EXPECT_TRUE(pushed);
        ++sent;
        other_->reactor_.wake();
        continue;
      }
      co_await arrived_.wait();
    }
  }

  Result<std::unique_ptr<LinuxKernel>> kernel_;
  Reactor reactor_;
  Box& in_;
  Box& out_;
  Player* other_ = nullptr;
  int received_ = 0;
  Event arrived_;
};

TEST(Mailbox, TwoReactorsThatSleepAndWakeLoseNothing) {
  Player::Box one_way(8);
  Player::Box other_way(8);
  Player first(one_way, other_way);
  Player second(other_way, one_way);
  first.meet(second);
  second.meet(first);
  std::thread thread([&] { second.play(); });
  first.play();
  thread.join();
}

}  // namespace
}  // namespace ringpost::ring
