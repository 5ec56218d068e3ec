#include "ringpost/control/hold_file.h"

#include <gtest/gtest.h>

namespace ringpost::control {
namespace {

using What = ChangeCommand::What;

TEST(HoldFile, SaysWhatWasHeld) {
  const queue::Holds holds{
      .groups = {"bulk"}, .destinations = {"a.example", "mx"}, .jobs = {"spring sale", "end"}};
  const Result<queue::Holds> read = parse_holds(to_text(holds), "operator.state");
  ASSERT_TRUE(read) << read.error().describe();
  EXPECT_EQ(*read, holds);
  EXPECT_EQ(*parse_holds(to_text({}), "operator.state"), queue::Holds());
}

TEST(HoldFile, IsRefusedWithItsLineWhenItIsNotWhole) {
  const std::string whole = to_text({.groups = {"a"}, .destinations = {}, .jobs = {"b"}});
  for (std::size_t length = 0; length + 1 < whole.size(); ++length) {
    EXPECT_FALSE(parse_holds(whole.substr(0, length), "f")) << length;
  }
  const auto what = [](const std::string& text) {
    return parse_holds("ringpost operator's state 1\n" + text, "f").error().message;
  };
  EXPECT_TRUE(what("hold group a\nhold group a\nend\n").starts_with("f:3: "));
  EXPECT_TRUE(what("hold group \nend\n").starts_with("f:2: "));
  EXPECT_TRUE(what("hodl group a\nend\n").starts_with("f:2: "));
}

TEST(HoldFile, FollowsOrders) {
  queue::Holds holds;
  holds = holds_after(holds, {What::hold, {.group = "bulk"}, false});
  holds = holds_after(holds, {What::hold, {.job = "x"}, false});
  holds = holds_after(holds, {What::hold, {.job = "x"}, false});
  EXPECT_EQ(holds, (queue::Holds{.groups = {"bulk"}, .destinations = {}, .jobs = {"x"}}));
  holds = holds_after(holds, {What::release, {.group = "bulk"}, false});
  holds = holds_after(holds, {What::release, {.destination = "mx"}, false});
  EXPECT_EQ(holds, (queue::Holds{.groups = {}, .destinations = {}, .jobs = {"x"}}));
}

}  // namespace
}  // namespace ringpost::control
