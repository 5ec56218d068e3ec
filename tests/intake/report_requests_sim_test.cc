// What senders ask of reports (RFC 3461) in a simulated world: it goes along with each recipient
// through hand-overs, crashes and restarts, on to servers that offer DSN and to no others, and
// decides who is told what. A failure names its seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "sim/mail_world.h"

namespace ringpost::intake {
namespace {

using sim::MailWorld;
using sim::SentMessage;
using sim::TakenMessage;

constexpr int sites = 6;  // the even ones offer DSN

std::string site(std::uint64_t number) {
  return "site" + std::to_string(number) + ".example";
}

bool offers_dsn(const std::string& recipient) {
  return (recipient[recipient.find('@') + 5] - '0') % 2 == 0;
}

void add_sites(MailWorld& world) {
  const auto refuse = [](std::string_view command, std::string_view address) {
    return command == "RCPT" && address.starts_with("no") ? std::string("550 5.1.1 no such user")
                                                          : std::string();
  };
  world.senders_site().personality.dsn = true;
  for (std::uint64_t number = 0; number < sites; ++number) {
    world.add_site(site(number), {.dsn = number % 2 == 0, .reply_delay = 1ms, .policy = refuse});
  }
}

void write_some(MailWorld& world, int count) {
  static const std::vector<std::string> notify = {
      "", " NOTIFY=NEVER", " NOTIFY=SUCCESS", " NOTIFY=FAILURE", " NOTIFY=SUCCESS,FAILURE,DELAY"};
  static const std::vector<std::string> mail = {"", " RET=FULL", " RET=HDRS", " ENVID=a+2Bb",
                                                " RET=FULL ENVID=c"};
  Random& random = world.world.random();
  for (int number = 0; number < count; ++number) {
    SentMessage& message = world.write({}, 200 + random.below(3'000));
    message.mail_parameters = mail[random.below(mail.size())];
    const std::uint64_t recipients = 1 + random.below(6);
    for (std::uint64_t recipient = 0; recipient < recipients; ++recipient) {
      const std::string name = std::string(random.below(3) == 0 ? "no" : "yes") +
                               std::to_string(recipient) + "@" + site(random.below(sites));
      message.recipients.push_back(name);
      std::string parameters = notify[random.below(notify.size())];
      parameters += random.below(2) == 0 ? " ORCPT=rfc822;was-" + name : "";
      message.rcpt_parameters.push_back(std::move(parameters));
    }
  }
}

// What the report says of the recipient: "failed", "relayed", or nothing if it names it not.
std::string action_in(const std::string& report, const std::string& recipient) {
  const std::size_t at = report.find("Final-Recipient: rfc822; " + recipient + "\r\n");
  if (at == std::string::npos) {
    return {};
  }
  const std::size_t action = report.find("Action: ", at) + 8;
  return report.substr(action, report.find('\r', action) - action);
}

std::string wanted_action(const std::string& recipient, const std::string& parameters) {
  const auto says = [&](const char* word) { return parameters.find(word) != std::string::npos; };
  if (recipient.starts_with("no")) {
    return !says("NOTIFY") || says("FAILURE") ? "failed" : "";
  }
  return says("SUCCESS") && !offers_dsn(recipient) ? "relayed" : "";
}

void check_reports(MailWorld& world, const SentMessage& message, std::size_t number) {
  const std::string& recipient = message.recipients[number];
  const std::string& parameters = message.rcpt_parameters[number];
  const std::string wanted = wanted_action(recipient, parameters);
  const bool renamed = parameters.find("ORCPT") != std::string::npos;
  bool told = false;
  for (const TakenMessage& report : world.senders_site().taken) {
    if (report.recipient != message.sender) {
      continue;
    }
    EXPECT_EQ(report.sender, "");
    EXPECT_EQ(report.mail_parameters, "");
    EXPECT_EQ(report.rcpt_parameters, " NOTIFY=NEVER");
    const std::string action = action_in(report.content, recipient);
    if (action.empty()) {
      continue;
    }
    told = true;
    EXPECT_EQ(action, wanted) << recipient << parameters;
    const std::string original = "Original-Recipient: rfc822; was-" + recipient + "\r\n";
    EXPECT_EQ(report.content.find(original) != std::string::npos, renamed) << report.content;
    const bool named = message.mail_parameters.find("ENVID=a+2Bb") != std::string::npos;
    EXPECT_EQ(report.content.find("Original-Envelope-Id: a+b\r\n") != std::string::npos, named);
    const bool whole = message.mail_parameters.find("RET=FULL") != std::string::npos &&
                       report.content.find("Action: failed") != std::string::npos;
    EXPECT_EQ(report.content.find(message.content) != std::string::npos, whole) << report.content;
  }
  EXPECT_EQ(told, !wanted.empty()) << message.sender << " to " << recipient << parameters;
}

void check_all(MailWorld& world) {
  for (const std::vector<SentMessage>& share : world.sent()) {
    for (const SentMessage& message : share) {
      for (std::size_t number = 0; message.answered() && number < message.recipients.size();
           ++number) {
        check_reports(world, message, number);
      }
    }
  }
}

void check_relayed(sim::MailServer& server, const SentMessage& message) {
  for (const TakenMessage& copy : server.taken) {
    if (copy.sender != message.sender) {
      continue;
    }
    const auto at = std::ranges::find(message.recipients, copy.recipient);
    ASSERT_NE(at, message.recipients.end());
    EXPECT_EQ(copy.mail_parameters, message.mail_parameters);
    EXPECT_EQ(copy.rcpt_parameters,
              message.rcpt_parameters[static_cast<std::size_t>(at - message.recipients.begin())]);
  }
}

class ReportRequestsOnSim : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(ReportRequestsOnSim, TravelWithEachRecipientThroughAnyCrash) {
  MailWorld world(GetParam(), 1 + static_cast<std::uint32_t>(GetParam() % 3));
  add_sites(world);
  sim::MailServer& with_dsn = world.add_site("site8.example", {.dsn = true, .reply_delay = 1ms});
  Random& random = world.world.random();
  const int crashes = static_cast<int>(random.below(4));
  for (int crash = 0; crash < crashes; ++crash) {
    ASSERT_TRUE(world.relay.start_and_wait());
    write_some(world, 40);
    SentMessage& all_at_one = world.write({"yes1@site8.example", "yes2@site8.example"});
    all_at_one.mail_parameters = " RET=HDRS ENVID=q";
    all_at_one.rcpt_parameters = {"", " NOTIFY=DELAY ORCPT=x;y"};
    world.begin_inject(4);
    world.world.run_for(sim::between(random, 5ms, 400ms));
    world.relay.crash(random.below(2) == 0 ? sim::Crash::killed : sim::Crash::power_cut);
    world.world.run_for(1s);
    if (random.below(3) == 0) {
      world.relay.set_shards(world.relay.shards() + 1);
    }
  }
  ASSERT_TRUE(world.relay.start_and_wait());
  write_some(world, 40);
  ASSERT_TRUE(world.inject(3));
  ASSERT_TRUE(world.settle(1h)) << world.queued() << " messages do not move";
  EXPECT_EQ(world.complaints(), "");
  check_all(world);
  for (const std::vector<SentMessage>& share : world.sent()) {
    for (const SentMessage& message : share) {
      check_relayed(with_dsn, message);
    }
  }
  for (std::uint32_t number = 0; number < world.relay.shards(); ++number) {
    EXPECT_EQ(world.relay.shard(number).view().spool.counters().live_messages, 0U);
  }
  EXPECT_TRUE(world.relay.drain());
}

TEST_P(ReportRequestsOnSim, GoOnToWhomTheyWereSaidOf) {
  MailWorld world(GetParam(), 3);
  sim::MailServer& server =
      world.add_site("many.example", {.dsn = true, .mail_max = 50, .rcpt_max = 2});
  ASSERT_TRUE(world.relay.start_and_wait());
  SentMessage& message = world.write({});
  message.mail_parameters = " RET=FULL ENVID=x";
  for (int number = 0; number < 9; ++number) {
    const std::string name = "r" + std::to_string(number) + "@many.example";
    message.recipients.push_back(name);
    message.rcpt_parameters.push_back(number % 3 == 0 ? std::string()
                                                      : " NOTIFY=SUCCESS ORCPT=rfc822;" + name);
  }
  const SentMessage sent = message;
  ASSERT_TRUE(world.inject());
  ASSERT_TRUE(world.settle(10min));
  EXPECT_EQ(world.what_is_wrong(), "");
  EXPECT_EQ(world.complaints(), "");
  EXPECT_EQ(server.taken.size(), 9U);
  check_relayed(server, sent);
  EXPECT_TRUE(world.senders_site().taken.empty()) << "a server with DSN reports itself";
}

TEST_P(ReportRequestsOnSim, Smtputf8GoesOnOnlyWhereItIsOffered) {
  MailWorld world(GetParam(), 2);
  sim::MailServer& modern = world.add_site("modern.example", {.dsn = true, .utf8 = true});
  sim::MailServer& old = world.add_site("old.example", {});
  world.senders_site().personality.utf8 = true;
  ASSERT_TRUE(world.relay.start_and_wait());
  SentMessage& message = world.write({"j\xc3\xb6rg@modern.example", "plain@old.example"});
  message.mail_parameters = " SMTPUTF8";
  message.sender = "l\xc3\xa4st@sender.example";
  ASSERT_TRUE(world.inject());
  ASSERT_TRUE(world.settle(10min));
  EXPECT_EQ(world.complaints(), "");
  ASSERT_EQ(modern.taken.size(), 1U);
  EXPECT_EQ(modern.taken[0].mail_parameters, " SMTPUTF8");
  EXPECT_TRUE(old.taken.empty());
  ASSERT_EQ(world.senders_site().taken.size(), 1U);
  const TakenMessage& report = world.senders_site().taken[0];
  EXPECT_NE(report.mail_parameters.find(" SMTPUTF8"), std::string::npos);
  EXPECT_EQ(report.recipient, "l\xc3\xa4st@sender.example");
  EXPECT_NE(report.content.find("message/global-delivery-status"), std::string::npos);
  EXPECT_NE(report.content.find("Status: 5.6.7"), std::string::npos);
  EXPECT_NE(report.content.find("rfc822; plain@old.example"), std::string::npos);
}

TEST_P(ReportRequestsOnSim, ULabelsGoWhereTheirALabelsGo) {
  MailWorld world(GetParam(), 3);
  sim::MailServer& server = world.add_site("xn--bcher-kva.example", {.utf8 = true});
  ASSERT_TRUE(world.relay.start_and_wait());
  for (const char* domain : {"b\xc3\xbc"
                             "cher.example",
                             "B\xc3\x9c"
                             "CHER.example",
                             "xn--bcher-kva.example"}) {
    SentMessage& message = world.write({std::string("a@") + domain});
    message.mail_parameters = " SMTPUTF8";
  }
  ASSERT_TRUE(world.inject());
  ASSERT_TRUE(world.settle(10min));
  EXPECT_EQ(world.complaints(), "");
  ASSERT_EQ(server.taken.size(), 3U);
  EXPECT_EQ(server.taken[0].recipient,
            "a@b\xc3\xbc"
            "cher.example")
      << "they go on as they came";
  EXPECT_EQ(server.connections_total(), 1U) << "one destination, one connection";
}

INSTANTIATE_TEST_SUITE_P(Seeds, ReportRequestsOnSim, ::testing::Range<std::uint64_t>(0, 20));

}  // namespace
}  // namespace ringpost::intake
