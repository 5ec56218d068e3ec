// Going down while servers are silent: at whatever stage they are, nobody waits for them, nobody is
// blamed, and after the next start mail goes out as if nothing had been.
#include <gtest/gtest.h>

#include <string>

#include "sim/mail_world.h"

namespace ringpost::delivery {
namespace {

using sim::MailWorld;

class EndingOnSim : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  // Goes down a while after the mail came in; then starts again with everything mended.
  void end_and_start_again() {
    const Instant before = world_.world.clock().now();
    ASSERT_TRUE(world_.relay.drain());
    EXPECT_LT(world_.world.clock().now() - before, 3s);
    EXPECT_EQ(world_.relay.host().descriptors_open(), 0);
    EXPECT_EQ(world_.relay.events().find("\"deferred\""), std::string::npos)
        << world_.relay.events();
    world_.world.run_for(1s);
    mend();
    ASSERT_TRUE(world_.relay.start_and_wait());
    EXPECT_TRUE(world_.settle(30s));
    EXPECT_EQ(world_.what_is_wrong(), "");
    EXPECT_TRUE(world_.relay.drain());
  }
  void take_mail() {
    ASSERT_TRUE(world_.relay.start_and_wait());
    world_.write({"a@one.example"});
    world_.write({"b@two.example"});
    ASSERT_TRUE(world_.inject(2));
    world_.world.run_for(2s);
    EXPECT_EQ(world_.queued(), 2U);
  }
  void mend() {
    for (const char* const domain : {"one.example", "two.example"}) {
      world_.world.network().set_fate({world_.site_address(domain), 25},
                                      sim::SimNetwork::Fate::reached);
      site(domain).personality.greets = true;
    }
  }
  sim::MailServer& site(const std::string& domain) { return domain == "one.example" ? one_ : two_; }

  MailWorld world_{GetParam(), 2};
  sim::MailServer& one_ = world_.add_site("one.example");
  sim::MailServer& two_ = world_.add_site("two.example");
};

TEST_P(EndingOnSim, ConnectsThatNobodyAnswersAreCancelled) {
  for (const char* const domain : {"one.example", "two.example"}) {
    world_.world.network().set_fate({world_.site_address(domain), 25}, sim::SimNetwork::Fate::lost);
  }
  take_mail();
  end_and_start_again();
}

TEST_P(EndingOnSim, WhoDoesNotGreetIsLeft) {
  one_.personality.greets = false;
  two_.personality.greets = false;
  take_mail();
  end_and_start_again();
}

INSTANTIATE_TEST_SUITE_P(Seeds, EndingOnSim, ::testing::Range<std::uint64_t>(0, 5));

}  // namespace
}  // namespace ringpost::delivery
