#include <gmock/gmock.h>

#include <map>
#include <string>

#include "support.h"

namespace ringpost::queue {
namespace {

class Fairness : public QueueTest {
 protected:
  // Serves `entries` of one lane and counts them by job.
  std::map<std::string, int> serve(int entries) {
    std::map<std::string, int> by_job;
    Seat seat = group().next_lane(now_);
    for (int i = 0; i < entries; ++i) {
      Entry* entry = group().next_entry(seat, now_);
      if (entry == nullptr) {
        break;
      }
      ++by_job[std::string(entry->message().job_name())];
      finish(*entry);
    }
    group().release(seat, now_);
    return by_job;
  }
};

TEST_F(Fairness, AHugeCampaignHoldsNoOtherOneUp) {
  for (int i = 0; i < 5000; ++i) {
    file("a@x.example", "huge");
  }
  resolve_all();
  serve(100);
  for (int i = 0; i < 20; ++i) {
    file("a@x.example", "small");
  }
  const auto by_job = serve(60);
  EXPECT_EQ(by_job.at("small"), 20);
}

TEST_F(Fairness, JobsShareBytes) {
  for (int i = 0; i < 2000; ++i) {
    file("a@x.example", "short", 2000);
    file("a@x.example", "long", 40'000);
  }
  resolve_all();
  const auto by_job = serve(1000);
  const double ratio = by_job.at("short") / static_cast<double>(by_job.at("long"));
  EXPECT_NEAR(ratio, 40'512.0 / 2512.0, 3);
}

TEST_F(Fairness, AJobOverManyDomainsGetsNoMoreThanOneOverFew) {
  for (int i = 0; i < 500; ++i) {
    file(("a@wide" + std::to_string(i % 50) + ".example").c_str(), "wide");
    file("a@narrow.example", "narrow");
  }
  while (Domain* domain = group().next_unresolved()) {
    group().assign(*domain, lane_key("provider"), never, now_);
  }
  const auto by_job = serve(200);
  EXPECT_NEAR(by_job.at("wide"), 100, 8);
}

TEST_F(Fairness, DomainsOfAJobTakeTurns) {
  for (int i = 0; i < 500; ++i) {
    file("a@big.example", "job");
  }
  file("a@little.example", "job");
  while (Domain* domain = group().next_unresolved()) {
    group().assign(*domain, lane_key("provider"), never, now_);
  }
  Seat seat = group().next_lane(now_);
  int before = 0;
  while (group().next_entry(seat, now_)->domain().name() != "little.example") {
    ASSERT_LT(++before, 10);
  }
  group().release(seat, now_);
}

TEST_F(Fairness, TenantsWithTheSameJobNameAreTwo) {
  mail::Envelope envelope;
  envelope.sender = "s@example";
  envelope.recipients = {"a@x.example"};
  envelope.job = "news";
  for (int i = 0; i < 100; ++i) {
    envelope.tenant = i < 90 ? "one" : "two";
    group().file(messages_.add({++last_id_}, 0, now_.wall, envelope, 5000, {}), now_.wall, now_);
  }
  resolve_all();
  Seat seat = group().next_lane(now_);
  int two = 0;
  for (int i = 0; i < 30; ++i) {
    two += group().next_entry(seat, now_)->message().tenant() == "two" ? 1 : 0;
  }
  EXPECT_EQ(two, 10);
  group().release(seat, now_);
}

TEST_F(Fairness, WithinADomainOfAJobFirstInIsFirstOut) {
  std::vector<QueuedMessage*> messages;
  for (int i = 0; i < 20; ++i) {
    messages.push_back(&file("a@x.example"));
  }
  resolve_all();
  for (QueuedMessage* message : messages) {
    EXPECT_EQ(&next()->message(), message);
  }
}

TEST_F(Fairness, LanesTakeTurns) {
  for (int i = 0; i < 100; ++i) {
    file("a@big.example");
  }
  file("a@one.example");
  file("a@two.example");
  resolve_all();
  std::map<std::string, int> served;
  for (int i = 0; i < 4; ++i) {
    ++served[next()->domain().name()];
  }
  EXPECT_EQ(served["one.example"], 1);
  EXPECT_EQ(served["two.example"], 1);
}

}  // namespace
}  // namespace ringpost::queue
