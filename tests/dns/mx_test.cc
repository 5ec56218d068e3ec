#include "ringpost/dns/mx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace ringpost::dns {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view server = "127.0.0.1:53";

Answer records(std::vector<MxRecord> mx) {
  return {.status = AnswerStatus::ok, .mx = std::move(mx)};
}
Answer failed(AnswerStatus status, int rcode = 0) {
  return {.status = status, .rcode = rcode};
}
Answer addresses(std::vector<std::string_view> texts) {
  Answer answer{.status = AnswerStatus::ok};
  for (const std::string_view text : texts) {
    answer.addresses.push_back(IpAddress::parse(text).value());
  }
  return answer;
}
MxAnswer ask(const Answer& answer, const OwnHost& own = {}) {
  return mx_answer("example.org", answer, own, server);
}
std::vector<std::string> names(const std::vector<MxHost>& hosts) {
  std::vector<std::string> result;
  for (const MxHost& host : hosts) {
    result.push_back(host.name);
  }
  return result;
}
std::vector<std::string> texts(const AddressAnswer& answer) {
  std::vector<std::string> result;
  for (const IpAddress& address : answer.addresses) {
    result.push_back(address.to_string());
  }
  return result;
}

TEST(Mx, OrdersByPreferenceThenName) {
  const MxAnswer answer =
      ask(records({{20, "c.example"}, {10, "b.example"}, {20, "a.example"}, {0, "z.example"}}));
  EXPECT_EQ(answer.status, LookupStatus::found);
  EXPECT_FALSE(answer.implicit);
  EXPECT_THAT(answer.hosts, ElementsAre(MxHost{0, "z.example"}, MxHost{10, "b.example"},
                                        MxHost{20, "a.example"}, MxHost{20, "c.example"}));
}

TEST(Mx, TakesARepeatedHostAtItsBestPreference) {
  EXPECT_THAT(ask(records({{20, "a.example"}, {5, "b.example"}, {1, "a.example"}})).hosts,
              ElementsAre(MxHost{1, "a.example"}, MxHost{5, "b.example"}));
}

TEST(Mx, BoundsTheHosts) {
  std::vector<MxRecord> many;
  for (int i = 0; i < 500; ++i) {
    many.push_back({static_cast<std::uint16_t>(500 - i), "h" + std::to_string(i) + ".example"});
  }
  const MxAnswer answer = ask(records(many));
  ASSERT_EQ(answer.hosts.size(), max_mx_hosts);
  EXPECT_EQ(answer.hosts.front().name, "h499.example");
}

TEST(Mx, WithoutRecordsTheDomainIsItsOwnHost) {
  const MxAnswer answer = ask(failed(AnswerStatus::no_data));
  EXPECT_EQ(answer.status, LookupStatus::found);
  EXPECT_TRUE(answer.implicit);
  EXPECT_THAT(answer.hosts, ElementsAre(MxHost{0, "example.org"}));
}

TEST(Mx, NullMxIsPermanent) {
  const MxAnswer answer = ask(records({{0, ""}}));
  EXPECT_EQ(answer.status, LookupStatus::permanent);
  EXPECT_EQ(answer.problem.reply_code, 556);
  EXPECT_EQ(answer.problem.status.to_string(), "5.1.10");
  EXPECT_THAT(answer.problem.reason, HasSubstr("example.org"));
  EXPECT_THAT(answer.hosts, IsEmpty());
}

TEST(Mx, TheRootBesideRealHostsIsPassedOver) {
  EXPECT_THAT(names(ask(records({{0, ""}, {10, "a.example"}})).hosts), ElementsAre("a.example"));
}

TEST(Mx, NoSuchDomainIsPermanent) {
  const MxAnswer answer = ask(failed(AnswerStatus::name_error, 3));
  EXPECT_EQ(answer.status, LookupStatus::permanent);
  EXPECT_EQ(answer.problem.reply_code, 550);
  EXPECT_EQ(answer.problem.status.to_string(), "5.1.2");
  EXPECT_EQ(answer.problem.reason, "DNS: NXDOMAIN for example.org MX from 127.0.0.1:53");
}

TEST(Mx, AFailureNeverFallsBackToTheDomain) {
  for (const AnswerStatus status :
       {AnswerStatus::server_failure, AnswerStatus::refused, AnswerStatus::malformed,
        AnswerStatus::truncated, AnswerStatus::mismatched}) {
    const MxAnswer answer = ask(failed(status, 2));
    EXPECT_EQ(answer.status, LookupStatus::temporary);
    EXPECT_THAT(answer.hosts, IsEmpty());
    EXPECT_EQ(answer.problem.reply_code, 451);
    EXPECT_EQ(answer.problem.status.to_string(), "4.4.3");
  }
  EXPECT_EQ(ask(failed(AnswerStatus::server_failure, 2)).problem.reason,
            "DNS: SERVFAIL for example.org MX from 127.0.0.1:53");
  EXPECT_EQ(ask(failed(AnswerStatus::mismatched)).problem.reason,
            "DNS: no answer for example.org MX from 127.0.0.1:53");
}

TEST(Mx, OnlyUnusableHostsIsPermanent) {
  const MxAnswer answer = ask(records({{10, "a\\032b.example"}, {20, "\\042.example"}}));
  EXPECT_EQ(answer.status, LookupStatus::permanent);
  EXPECT_EQ(answer.problem.status.to_string(), "5.4.4");
  EXPECT_THAT(names(ask(records({{10, "a\\032b"}, {20, "b.example"}})).hosts),
              ElementsAre("b.example"));
}

TEST(Mx, HostsAtOrBeyondOurselvesAreDropped) {
  const OwnHost own{.names = {"relay.example"}};
  EXPECT_THAT(
      names(
          ask(records(
                  {{10, "a.example"}, {20, "relay.example"}, {20, "b.example"}, {30, "c.example"}}),
              own)
              .hosts),
      ElementsAre("a.example"));
}

TEST(Mx, ALoopIsPermanent) {
  const OwnHost own{.names = {"relay.example", "example.org"},
                    .addresses = {IpAddress::parse("192.0.2.1").value()}};
  const MxAnswer best = ask(records({{10, "relay.example"}, {20, "b.example"}}), own);
  EXPECT_EQ(best.status, LookupStatus::permanent);
  EXPECT_EQ(best.problem.status.to_string(), "5.4.6");
  EXPECT_EQ(ask(failed(AnswerStatus::no_data), own).status, LookupStatus::permanent);
  EXPECT_EQ(ask(records({{10, "192.0.2.1"}}), own).status, LookupStatus::permanent);
  EXPECT_EQ(ask(records({{10, "192.0.2.2"}}), own).status, LookupStatus::found);
}

TEST(Mx, ReasonsHoldNoControlCharacters) {
  const std::string reason = no_such_domain("a\r\nb\xff").reason;
  EXPECT_EQ(reason, "a??b? is not a domain name");
}

TEST(MxWalk, DropsFromAPreferenceOn) {
  std::vector<MxHost> hosts = {{5, "a"}, {10, "b"}, {10, "c"}, {20, "d"}};
  drop_from_preference(hosts, 10);
  EXPECT_THAT(names(hosts), ElementsAre("a"));
}

TEST(MxWalk, ShufflesEqualPreferencesEvenly) {
  Random random(Random::seed_from(7));
  std::map<std::string, int> seen;
  constexpr int rounds = 6000;
  for (int i = 0; i < rounds; ++i) {
    std::vector<MxHost> hosts = {{0, "first"}, {10, "a"}, {10, "b"}, {10, "c"}, {20, "last"}};
    shuffle_equal_preferences(hosts, random);
    ASSERT_EQ(hosts.front().name, "first");
    ASSERT_EQ(hosts.back().name, "last");
    ++seen[hosts[1].name + hosts[2].name + hosts[3].name];
  }
  ASSERT_EQ(seen.size(), 6U);
  for (const auto& [order, count] : seen) {
    EXPECT_NEAR(count, rounds / 6, 150) << order;
  }
}

TEST(MxWalk, ShufflesNothing) {
  Random random(Random::seed_from(7));
  shuffle_equal_preferences({}, random);
}

TEST(Addresses, PutThePreferredFamilyFirst) {
  const Answer v4 = addresses({"192.0.2.1", "192.0.2.2"});
  const Answer v6 = addresses({"2001:db8::1"});
  const auto ordered = [&](AddressOrder order) {
    return texts(address_answer("mx.example", v4, v6, order, server));
  };
  EXPECT_THAT(ordered(AddressOrder::v6_first),
              ElementsAre("2001:db8::1", "192.0.2.1", "192.0.2.2"));
  EXPECT_THAT(ordered(AddressOrder::v4_first),
              ElementsAre("192.0.2.1", "192.0.2.2", "2001:db8::1"));
  EXPECT_THAT(ordered(AddressOrder::v4_only), ElementsAre("192.0.2.1", "192.0.2.2"));
  EXPECT_THAT(ordered(AddressOrder::v6_only), ElementsAre("2001:db8::1"));
}

TEST(Addresses, OneFamilysFailureDoesNotHideTheOther) {
  const AddressAnswer answer =
      address_answer("mx.example", addresses({"192.0.2.1"}),
                     failed(AnswerStatus::server_failure, 2), AddressOrder::v6_first, server);
  EXPECT_EQ(answer.status, LookupStatus::found);
  EXPECT_THAT(texts(answer), ElementsAre("192.0.2.1"));
}

TEST(Addresses, AFailureLeavesTheQuestionOpen) {
  const AddressAnswer answer =
      address_answer("mx.example", failed(AnswerStatus::no_data),
                     failed(AnswerStatus::server_failure, 2), AddressOrder::v4_first, server);
  EXPECT_EQ(answer.status, LookupStatus::temporary);
  EXPECT_EQ(answer.problem.reason, "DNS: SERVFAIL for mx.example AAAA from 127.0.0.1:53");
  // The family that is not used does not matter.
  EXPECT_EQ(address_answer("mx.example", failed(AnswerStatus::no_data),
                           failed(AnswerStatus::server_failure, 2), AddressOrder::v4_only, server)
                .status,
            LookupStatus::permanent);
}

TEST(Addresses, NoneIsPermanent) {
  const auto reason = [](AnswerStatus v4, AnswerStatus v6) {
    const AddressAnswer answer =
        address_answer("mx.example", failed(v4), failed(v6), AddressOrder::v6_first, server);
    EXPECT_EQ(answer.status, LookupStatus::permanent);
    EXPECT_EQ(answer.problem.status.to_string(), "5.4.4");
    return answer.problem.reason;
  };
  EXPECT_EQ(reason(AnswerStatus::no_data, AnswerStatus::no_data),
            "DNS: host mx.example has no address");
  EXPECT_EQ(reason(AnswerStatus::name_error, AnswerStatus::name_error),
            "DNS: host mx.example does not exist");
}

TEST(Addresses, AreBoundedPerFamily) {
  Answer v4{.status = AnswerStatus::ok};
  v4.addresses.resize(100);
  const AddressAnswer answer =
      address_answer("mx.example", v4, addresses({"2001:db8::1"}), AddressOrder::v4_first, server);
  EXPECT_EQ(answer.addresses.size(), max_addresses_per_family + 1);
  EXPECT_TRUE(answer.addresses.back().is_v6());
}

TEST(AddressLiteral, IsReadWithAndWithoutBrackets) {
  EXPECT_EQ(parse_address_literal("[192.0.2.1]"), IpAddress::parse("192.0.2.1"));
  EXPECT_EQ(parse_address_literal("[ipv6:2001:db8::1]"), IpAddress::parse("2001:db8::1"));
  EXPECT_EQ(parse_address_literal("192.0.2.1"), IpAddress::parse("192.0.2.1"));
  EXPECT_EQ(parse_address_literal("2001:db8::1"), IpAddress::parse("2001:db8::1"));
  for (const char* bad : {"[2001:db8::1]", "[IPv6:192.0.2.1]", "[192.0.2.1", "192.0.2.1]", "[]", "",
                          "mx.example", "[mx.example]", "[[192.0.2.1]]"}) {
    EXPECT_EQ(parse_address_literal(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace ringpost::dns
