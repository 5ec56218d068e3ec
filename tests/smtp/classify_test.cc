#include "ringpost/smtp/classify.h"

#include <gtest/gtest.h>

#include <array>

namespace ringpost::smtp {
namespace {

using mail::EnhancedStatus;

constexpr std::array all_stages = {Stage::connect,  Stage::greeting, Stage::ehlo,      Stage::helo,
                                   Stage::starttls, Stage::rset,     Stage::mail,      Stage::rcpt,
                                   Stage::data,     Stage::content,  Stage::final_dot, Stage::quit};
constexpr std::array transaction_stages = {Stage::mail, Stage::rcpt, Stage::data, Stage::content,
                                           Stage::final_dot};

TEST(Classify, Table) {
  struct Row {
    Stage stage;
    Reply reply;
    Classification expected;
  };
  const Row rows[] = {
      {Stage::greeting, {220, {}, "hi"}, {Scope::recipient, Action::proceed, {2, 0, 0}}},
      {Stage::greeting, {250, {}, "?"}, {Scope::address, Action::next_address, {4, 3, 2}}},
      {Stage::greeting, {554, {}, "no"}, {Scope::address, Action::next_address, {4, 3, 2}}},
      {Stage::greeting, {554, {5, 7, 1}, "x"}, {Scope::address, Action::next_address, {4, 7, 1}}},
      {Stage::greeting, {450, {}, "x"}, {Scope::address, Action::next_address, {4, 3, 2}}},
      {Stage::ehlo, {250, {}, "x"}, {Scope::recipient, Action::proceed, {2, 0, 0}}},
      {Stage::ehlo, {502, {}, "x"}, {Scope::address, Action::say_helo, {5, 5, 1}}},
      {Stage::ehlo, {450, {}, "x"}, {Scope::address, Action::next_address, {4, 3, 2}}},
      {Stage::helo, {550, {}, "x"}, {Scope::address, Action::next_address, {4, 3, 2}}},
      {Stage::starttls, {454, {}, "x"}, {Scope::lane, Action::defer, {4, 7, 0}}},
      {Stage::starttls, {501, {}, "x"}, {Scope::lane, Action::defer, {4, 7, 0}}},
      {Stage::mail, {250, {2, 1, 0}, ""}, {Scope::recipient, Action::proceed, {2, 1, 0}}},
      {Stage::mail, {550, {}, "x"}, {Scope::recipient, Action::bounce, {5, 7, 1}}},
      {Stage::mail, {451, {4, 7, 1}, ""}, {Scope::recipient, Action::defer, {4, 7, 1}}},
      {Stage::rcpt, {550, {}, "x"}, {Scope::recipient, Action::bounce, {5, 1, 1}}},
      {Stage::rcpt, {450, {}, "x"}, {Scope::recipient, Action::defer, {4, 2, 0}}},
      {Stage::rcpt, {552, {}, "x"}, {Scope::recipient, Action::bounce, {5, 2, 2}}},
      {Stage::rcpt, {552, {5, 5, 3}, ""}, {Scope::recipient, Action::defer, {4, 5, 3}}},
      {Stage::data, {354, {}, ""}, {Scope::recipient, Action::proceed, {2, 0, 0}}},
      {Stage::data, {250, {}, ""}, {Scope::recipient, Action::defer, {4, 5, 0}}},
      {Stage::data, {554, {}, ""}, {Scope::recipient, Action::bounce, {5, 0, 0}}},
      {Stage::final_dot, {452, {}, ""}, {Scope::recipient, Action::defer, {4, 3, 1}}},
      {Stage::final_dot, {552, {}, ""}, {Scope::recipient, Action::bounce, {5, 3, 4}}},
      {Stage::final_dot, {354, {}, ""}, {Scope::recipient, Action::defer, {4, 5, 0}}},
      {Stage::rset, {500, {}, ""}, {Scope::recipient, Action::go_on, {4, 5, 2}}},
      {Stage::quit, {500, {}, ""}, {Scope::recipient, Action::proceed, {5, 5, 2}}},
  };
  for (const Row& row : rows) {
    const Classification found = classify(row.stage, row.reply);
    EXPECT_EQ(found, row.expected)
        << name_of(row.stage) << " " << one_line(row.reply) << ": scope "
        << static_cast<int>(found.scope) << " action " << static_cast<int>(found.action) << " "
        << found.status.to_string();
  }
}

TEST(Classify, ServiceClosingAlwaysMarksTheAddress) {
  for (const Stage stage : all_stages) {
    EXPECT_EQ(classify(stage, {421, {4, 7, 0}, ""}),
              (Classification{Scope::address, Action::next_address, {4, 7, 0}}))
        << name_of(stage);
  }
}

TEST(Classify, OverAllCodes) {
  for (const Stage stage : all_stages) {
    for (int code = 200; code < 600; ++code) {
      const Reply reply{code, {}, ""};
      const Classification found = classify(stage, reply);
      SCOPED_TRACE(testing::Message() << name_of(stage) << " " << code);
      EXPECT_TRUE(found.action == Action::bounce || found.action == Action::proceed ||
                  found.action == Action::say_helo || found.status.status_class == 4);
      if (found.action == Action::bounce) {
        EXPECT_EQ(found.status.status_class, 5);
        EXPECT_EQ(reply.severity(), 5);
        EXPECT_EQ(found.scope, Scope::recipient) << "one reply bounces nobody else";
      }
      const int expected = code / 100 == 3 ? 2 : code / 100;
      EXPECT_EQ(status_of(stage, reply).status_class, expected);
    }
  }
}

TEST(Classify, TransactionsNeverMarkAHostDown) {
  for (const Stage stage : transaction_stages) {
    for (int code = 200; code < 600; ++code) {
      if (code != 421) {
        EXPECT_EQ(classify(stage, {code, {}, ""}).scope, Scope::recipient)
            << name_of(stage) << " " << code;
      }
    }
    EXPECT_EQ(classify_silence(stage).scope, Scope::recipient);
  }
}

TEST(Classify, NothingBeforeMailIsPermanent) {
  for (const Stage stage :
       {Stage::connect, Stage::greeting, Stage::ehlo, Stage::helo, Stage::starttls}) {
    for (int code = 200; code < 600; ++code) {
      EXPECT_NE(classify(stage, {code, {}, ""}).action, Action::bounce);
    }
  }
}

TEST(Classify, Silence) {
  EXPECT_EQ(classify_silence(Stage::connect),
            (Classification{Scope::address, Action::next_address, {4, 4, 1}}));
  EXPECT_EQ(classify_silence(Stage::ehlo),
            (Classification{Scope::address, Action::next_address, {4, 4, 2}}));
  EXPECT_EQ(classify_silence(Stage::final_dot),
            (Classification{Scope::recipient, Action::defer, {4, 4, 2}}));
}

TEST(Classify, AStatusOfTheWrongClassIsNotBelieved) {
  EXPECT_EQ(status_of(Stage::rcpt, {550, {2, 1, 5}, ""}), (EnhancedStatus{5, 1, 1}));
  EXPECT_EQ(status_of(Stage::rcpt, {550, {5, 7, 26}, ""}), (EnhancedStatus{5, 7, 26}));
}

}  // namespace
}  // namespace ringpost::smtp
