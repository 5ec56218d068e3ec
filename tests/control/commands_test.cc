#include "ringpost/control/commands.h"

#include <gtest/gtest.h>

#include <string>

namespace ringpost::control {
namespace {

constexpr const char* message_id = "0001o3g2s0000";

TEST(Command, SurvivesItsUrl) {
  const Command commands[] = {
      StatusCommand{},
      GroupListCommand{},
      GroupListCommand{"default-1"},
      QueueCommand{},
      QueueCommand{"bulk", "google", 20},
      QueueCommand{"a&b=c?d#e/f%41", "mx.example", 10'000},
      ExplainCommand{"first+tag@example.com"},
      ExplainCommand{"\"a b%\"@example.com"},
      ExplainCommand{"b\xc3\xbc\x63her@example.com"},
      ExplainCommand{"example.com"},
      ShowCommand{message_id},
      HoldsCommand{},
      ChangeCommand{ChangeCommand::What::flush, {}, false},
      ChangeCommand{ChangeCommand::What::flush, {.group = "bulk", .destination = "mx"}, false},
      ChangeCommand{ChangeCommand::What::hold, {.job = "spring & summer"}, false},
      ChangeCommand{ChangeCommand::What::release, {.destination = "mx.example"}, false},
      ChangeCommand{ChangeCommand::What::erase, {.id = message_id, .sender = "<>"}, true},
      ChangeCommand{ChangeCommand::What::requeue, {.id = message_id}, false},
  };
  for (const Command& command : commands) {
    const std::string target = target_of(command);
    EXPECT_EQ(target.find_first_of(" \r\n#"), std::string::npos) << target;
    const auto parsed = parse_command(method_of(command), target);
    ASSERT_TRUE(parsed) << target << ": " << parsed.error().message;
    EXPECT_EQ(*parsed, command) << target;
  }
}

TEST(Command, TakesWhatPeopleTypeIntoCurl) {
  EXPECT_EQ(*parse_command("GET", "/queue"), Command(QueueCommand{}));
  EXPECT_EQ(*parse_command("GET", "/queue?group=&limit="), Command(QueueCommand{}));
  EXPECT_EQ(*parse_command("GET", "/queue?destination=Google&"),
            Command(QueueCommand{"", "google", 100}));
  EXPECT_EQ(*parse_command("GET", "/explain?address=a+b@example.com"),
            Command(ExplainCommand{"a+b@example.com"}));
  EXPECT_EQ(*parse_command("GET", "/explain?address=a%2bb%40example.com"),
            Command(ExplainCommand{"a+b@example.com"}));
}

struct Refused {
  const char* method;
  const char* target;
  int status;
};

TEST(Command, IsRefusedWithARemedy) {
  const Refused cases[] = {
      {"GET", "/", 404},
      {"GET", "/statu", 404},
      {"GET", "/status/", 404},
      {"POST", "/status", 405},
      {"GET", "/delete?job=x", 405},
      {"POST", "/holds", 405},
      {"POST", "/delete", 400},
      {"POST", "/delete?dry_run=true", 400},
      {"POST", "/delete?job=x&dry_run=maybe", 400},
      {"POST", "/delete?id=nonsense", 400},
      {"POST", "/delete?jop=x", 400},
      {"POST", "/delete?job=%0a", 400},
      {"POST", "/hold", 400},
      {"POST", "/hold?group=a&job=b", 400},
      {"POST", "/hold?sender=a", 400},
      {"POST", "/requeue", 400},
      {"POST", "/flush?job=x", 400},
      {"GET", "/status?x=1", 400},
      {"GET", "/queue?limti=5", 400},
      {"GET", "/queue?limit=0", 400},
      {"GET", "/queue?limit=10001", 400},
      {"GET", "/queue?limit=-1", 400},
      {"GET", "/queue?limit=5%0d%0a", 400},
      {"GET", "/queue?group=a%0Ab", 400},
      {"GET", "/queue?group=a%00", 400},
      {"GET", "/queue?group=%7f", 400},
      {"GET", "/queue?group=%4", 400},
      {"GET", "/queue?group=%zz", 400},
      {"GET", "/explain", 400},
      {"GET", "/explain?address=", 400},
      {"GET", "/explain?address=a@", 400},
      {"GET", "/messages/", 400},
      {"GET", "/messages/0", 400},
      {"GET", "/messages/..%2f..%2fetc", 400},
  };
  for (const Refused& test : cases) {
    const auto command = parse_command(test.method, test.target);
    ASSERT_FALSE(command) << test.target;
    EXPECT_EQ(command.error().http_status, test.status) << test.target;
    EXPECT_FALSE(command.error().code.empty());
    EXPECT_FALSE(command.error().message.empty());
    EXPECT_FALSE(command.error().remedy.empty()) << test.target;
  }
  EXPECT_FALSE(parse_command("GET", "/queue?limit=5&limit=6"));
  EXPECT_FALSE(parse_command("GET", std::string("/messages/") + message_id + "?x=1"));
}

}  // namespace
}  // namespace ringpost::control
