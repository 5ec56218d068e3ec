#include "ringpost/dns/resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <set>

#include "name_server.h"
#include "ringpost/ring/linux_kernel.h"

namespace ringpost::dns {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::NameServer;
using testing::Query;
using testing::reply_to;
using ::testing::StartsWith;
using Messages = std::vector<std::string>;

Messages one_mx(const Query& query) {
  return {reply_to(query, {testing::mx(query.question.name, 10, "mx.example")}).wire()};
}
Messages silence(const Query&) {
  return {};
}

ring::Task<void> ask_mx(Resolver& resolver, std::string domain, std::optional<MxAnswer>& answer) {
  MxAnswer got = co_await resolver.mx(std::move(domain));
  answer = std::move(got);
}
ring::Task<void> ask_addresses(Resolver& resolver, std::string host,
                               std::optional<AddressAnswer>& answer) {
  AddressAnswer got = co_await resolver.addresses(std::move(host));
  answer = std::move(got);
}
ring::Task<void> close_resolver(Resolver& resolver) {
  co_await resolver.close();
}

// A reactor on the real kernel, with as many name servers as the test wants.
class ResolverTest : public ::testing::Test {
 protected:
  ResolverTest()
      : kernel_(ring::LinuxKernel::create({.submission_entries = 256, .completion_entries = 1024})
                    .value()),
        reactor_(*kernel_, {.receive_buffers = 64, .receive_buffer_size = 4096}),
        gate_(reactor_.ready()) {
    check(reactor_.start().has_value(), "the reactor did not start");
  }
  ~ResolverTest() override {
    if (resolver_) {
      close();
    }
    EXPECT_EQ(reactor_.operations_in_flight(), 0U);
  }

  NameServer& serve(NameServer::Script script) {
    servers_.emplace_back(std::make_unique<NameServer>(std::move(script)));
    settings_.servers.push_back(servers_.back()->endpoint());
    return *servers_.back();
  }
  Resolver& resolver() {
    if (!resolver_) {
      resolver_.emplace(reactor_, settings_);
    }
    return *resolver_;
  }
  void turn() {
    reactor_.turn(1ms);
    for (const auto& server : servers_) {
      server->pump();
    }
  }
  void finish() {
    const Instant limit = reactor_.now() + 20s;
    while (gate_.running() > 0) {
      turn();
      check(reactor_.now() < limit, "a look-up does not end");
    }
  }
  void close() {
    gate_.spawn(close_resolver(*resolver_));
    finish();
  }
  MxAnswer mx(std::string domain) {
    std::optional<MxAnswer> answer;
    gate_.spawn(ask_mx(resolver(), std::move(domain), answer));
    finish();
    return answer.value();
  }
  AddressAnswer addresses(std::string host) {
    std::optional<AddressAnswer> answer;
    gate_.spawn(ask_addresses(resolver(), std::move(host), answer));
    finish();
    return answer.value();
  }

  std::unique_ptr<ring::LinuxKernel> kernel_;
  ring::Reactor reactor_;
  ring::Gate gate_;
  std::vector<std::unique_ptr<NameServer>> servers_;
  ResolverSettings settings_{.cache_entries = 64};
  std::optional<Resolver> resolver_;
};

TEST_F(ResolverTest, AsksOnceAndRemembers) {
  NameServer& server = serve(one_mx);
  EXPECT_THAT(mx("Example.ORG.").hosts, ElementsAre(MxHost{10, "mx.example"}));
  ASSERT_EQ(server.queries().size(), 1U);
  EXPECT_EQ(server.queries()[0].question, (Question{"example.org", RecordType::mx}));
  EXPECT_TRUE(server.queries()[0].recursion_desired);
  EXPECT_TRUE(server.queries()[0].edns);
  ASSERT_NE(resolver().cached_mx("example.org"), nullptr);
  EXPECT_EQ(resolver().cached_mx("example.org")->expires - reactor_.now() > 290s, true);
  EXPECT_EQ(mx("example.org").status, LookupStatus::found);
  EXPECT_EQ(server.queries().size(), 1U);
  EXPECT_EQ(resolver().counters().cache_hits, 1U);
}

TEST_F(ResolverTest, AsksForBothFamilies) {
  NameServer& server = serve([](const Query& query) {
    const bool v4 = query.question.type == RecordType::a;
    return Messages{
        reply_to(query, {testing::address(query.question.name, v4 ? "192.0.2.1" : "2001:db8::1")})
            .wire()};
  });
  EXPECT_THAT(addresses("mx.example").addresses,
              ElementsAre(IpAddress::parse("2001:db8::1"), IpAddress::parse("192.0.2.1")));
  EXPECT_EQ(server.count(RecordType::a), 1U);
  EXPECT_EQ(server.count(RecordType::aaaa), 1U);
  EXPECT_NE(resolver().cached_addresses("mx.example"), nullptr);
}

TEST_F(ResolverTest, AsksForOneFamilyOnly) {
  NameServer& server = serve([](const Query& query) {
    return Messages{reply_to(query, {testing::address("mx.example", "2001:db8::1")}).wire()};
  });
  settings_.address_order = AddressOrder::v6_only;
  EXPECT_THAT(addresses("mx.example").addresses, ElementsAre(IpAddress::parse("2001:db8::1")));
  EXPECT_EQ(server.queries().size(), 1U);
}

TEST_F(ResolverTest, AFailingFamilyDoesNotHideTheOther) {
  serve([](const Query& query) {
    return query.question.type == RecordType::a
               ? Messages{reply_to(query, {testing::address("mx.example", "192.0.2.1")}).wire()}
               : Messages{reply_to(query, {}, 2).wire()};
  });
  const AddressAnswer answer = addresses("mx.example");
  EXPECT_THAT(answer.addresses, ElementsAre(IpAddress::parse("192.0.2.1")));
  EXPECT_LE(answer.expires - reactor_.now(), 60s);
}

TEST_F(ResolverTest, AnswersLiteralsAndNonsenseItself) {
  NameServer& server = serve(one_mx);
  EXPECT_THAT(mx("[192.0.2.1]").hosts, ElementsAre(MxHost{0, "192.0.2.1"}));
  EXPECT_THAT(mx("[IPv6:2001:db8::1]").hosts, ElementsAre(MxHost{0, "2001:db8::1"}));
  EXPECT_THAT(addresses("192.0.2.1").addresses, ElementsAre(IpAddress::parse("192.0.2.1")));
  EXPECT_EQ(mx("a..b").problem.status.to_string(), "5.1.2");
  EXPECT_EQ(mx(".").status, LookupStatus::permanent);
  EXPECT_EQ(mx("[192.0.2.1").status, LookupStatus::permanent);
  EXPECT_EQ(addresses("no host").problem.status.to_string(), "5.4.4");
  EXPECT_EQ(server.queries().size(), 0U);
}

TEST_F(ResolverTest, PassesOverForgeries) {
  serve([](const Query& query) {
    testing::Message other_id = reply_to(query, {testing::mx("example.org", 1, "evil.example")});
    other_id.id ^= 1;
    testing::Message other_name = reply_to(query, {testing::mx("example.net", 1, "evil.example")});
    other_name.question.name = "example.net";
    return Messages{other_id.wire(), other_name.wire(), "", "garbage", one_mx(query)[0]};
  });
  EXPECT_THAT(mx("example.org").hosts, ElementsAre(MxHost{10, "mx.example"}));
  EXPECT_EQ(resolver().transport_counters().ignored, 4U);
  EXPECT_EQ(resolver().transport_counters().udp_queries, 1U);
}

TEST_F(ResolverTest, HearsOnlyTheServerAsked) {
  const NameServer stranger(silence);
  NameServer& server = serve([&](const Query& query) {
    stranger.send(query, reply_to(query, {testing::mx("example.org", 1, "evil.example")}).wire());
    return one_mx(query);
  });
  EXPECT_THAT(mx("example.org").hosts, ElementsAre(MxHost{10, "mx.example"}));
  EXPECT_EQ(server.queries().size(), 1U);
}

TEST_F(ResolverTest, RetransmitsFromFreshPortsWithFreshIds) {
  settings_.retransmit_after = 25ms;
  NameServer& server = serve(silence);
  const MxAnswer answer = mx("example.org");
  EXPECT_EQ(answer.status, LookupStatus::temporary);
  EXPECT_EQ(answer.problem.status.to_string(), "4.4.3");
  EXPECT_EQ(answer.problem.reason,
            "DNS: no answer for example.org MX from " + server.endpoint().to_string());
  ASSERT_EQ(server.queries().size(), 4U);
  std::set<std::pair<std::uint16_t, std::uint16_t>> seen;
  for (const Query& query : server.queries()) {
    seen.emplace(query.id, query.from.port);
  }
  EXPECT_EQ(seen.size(), 4U);
  // Remembered for a moment.
  EXPECT_EQ(mx("example.org").status, LookupStatus::temporary);
  EXPECT_EQ(server.queries().size(), 4U);
}

TEST_F(ResolverTest, ALateAnswerReachesNobody) {
  settings_.retransmit_after = 150ms;
  std::optional<Query> first;
  NameServer* server = nullptr;
  server = &serve([&](const Query& query) {
    if (!first) {
      first = query;
      return Messages{};
    }
    server->send(*first, reply_to(*first, {testing::mx("example.org", 1, "late.example")}).wire());
    return one_mx(query);
  });
  EXPECT_THAT(mx("example.org").hosts, ElementsAre(MxHost{10, "mx.example"}));
  EXPECT_EQ(server->queries().size(), 2U);
}

TEST_F(ResolverTest, AsksTheServersInTurnAndStaysWithTheOneThatAnswers) {
  settings_.retransmit_after = 150ms;
  NameServer& silent = serve(silence);
  NameServer& good = serve(one_mx);
  EXPECT_EQ(mx("a.example").status, LookupStatus::found);
  EXPECT_EQ(mx("b.example").status, LookupStatus::found);
  EXPECT_EQ(silent.queries().size(), 1U);
  EXPECT_EQ(good.queries().size(), 2U);
}

TEST_F(ResolverTest, AsksEachFailingServerOnce) {
  const auto failing = [](unsigned rcode) {
    return [=](const Query& query) { return Messages{reply_to(query, {}, rcode).wire()}; };
  };
  NameServer& first = serve(failing(2));
  NameServer& second = serve(failing(5));
  const MxAnswer answer = mx("example.org");
  EXPECT_EQ(answer.status, LookupStatus::temporary);
  EXPECT_TRUE(answer.hosts.empty());
  EXPECT_EQ(answer.problem.reason,
            "DNS: REFUSED for example.org MX from " + second.endpoint().to_string());
  EXPECT_EQ(first.queries().size(), 1U);
  EXPECT_EQ(second.queries().size(), 1U);
  EXPECT_EQ(resolver().counters().failed_queries, 1U);
}

TEST_F(ResolverTest, OneServersFailureSaysMoreThanAnothersSilence) {
  settings_.retransmit_after = 150ms;
  serve([](const Query& query) { return Messages{reply_to(query, {}, 2).wire()}; });
  NameServer& silent = serve(silence);
  EXPECT_THAT(mx("example.org").problem.reason, StartsWith("DNS: SERVFAIL for example.org MX"));
  EXPECT_EQ(silent.queries().size(), 2U);
}

TEST_F(ResolverTest, AMalformedAnswerIsAFailure) {
  NameServer& server = serve([](const Query& query) {
    std::string wire = one_mx(query)[0];
    wire.pop_back();
    return Messages{wire};
  });
  EXPECT_THAT(mx("example.org").problem.reason, StartsWith("DNS: malformed answer"));
  EXPECT_EQ(server.queries().size(), 1U);
}

TEST_F(ResolverTest, AsksWithoutEdnsWhereItIsUnknown) {
  NameServer& server = serve([](const Query& query) {
    return query.edns ? Messages{reply_to(query, {}, 1).wire()} : one_mx(query);
  });
  EXPECT_EQ(mx("example.org").status, LookupStatus::found);
  EXPECT_EQ(server.queries().size(), 2U);
}

TEST_F(ResolverTest, RemembersThatThereIsNothing) {
  NameServer& server = serve([](const Query& query) {
    testing::Message message = reply_to(query, {}, query.question.name == "gone.example" ? 3 : 0);
    message.authorities = {testing::soa("example", 3600, 3600)};
    return Messages{message.wire()};
  });
  EXPECT_EQ(mx("gone.example").problem.status.to_string(), "5.1.2");
  const MxAnswer implicit = mx("plain.example");
  EXPECT_TRUE(implicit.implicit);
  EXPECT_LE(implicit.expires - reactor_.now(), 5min);
  EXPECT_EQ(mx("gone.example").status, LookupStatus::permanent);
  EXPECT_THAT(mx("plain.example").hosts, ElementsAre(MxHost{0, "plain.example"}));
  EXPECT_EQ(server.queries().size(), 2U);
  EXPECT_EQ(addresses("gone.example").problem.reason, "DNS: host gone.example does not exist");
}

Messages truncated_over_udp(const Query& query) {
  if (query.tcp) {
    Messages records;
    for (int i = 0; i < 200; ++i) {
      records.push_back(testing::address("mx.example", "192.0.2." + std::to_string(i)));
    }
    return {reply_to(query, records).wire()};
  }
  testing::Message message = reply_to(query);
  message.flags |= testing::flag_truncated;
  return {message.wire()};
}

TEST_F(ResolverTest, GoesOverToTcpWhenTruncated) {
  settings_.address_order = AddressOrder::v4_only;
  NameServer& server = serve(truncated_over_udp);
  EXPECT_EQ(addresses("mx.example").addresses.size(), max_addresses_per_family);
  ASSERT_EQ(server.queries().size(), 2U);
  EXPECT_TRUE(server.queries()[1].tcp);
}

TEST_F(ResolverTest, ReadsTcpAnswersByteByByte) {
  settings_.address_order = AddressOrder::v4_only;
  NameServer& server = serve([](const Query& query) {
    return query.tcp
               ? Messages{reply_to(query, {testing::address("mx.example", "192.0.2.1")}).wire()}
               : truncated_over_udp(query);
  });
  server.set_tcp_piece(1);
  EXPECT_EQ(addresses("mx.example").status, LookupStatus::found);
}

TEST_F(ResolverTest, BoundsTcpAnswers) {
  settings_.address_order = AddressOrder::v4_only;
  NameServer& server = serve(truncated_over_udp);
  server.set_tcp_raw(std::string(2, '\xff'));
  EXPECT_THAT(addresses("mx.example").problem.reason, HasSubstr("malformed answer"));
  server.set_tcp_raw(testing::u16(3) + "abc");
  EXPECT_THAT(addresses("mx2.example").problem.reason, HasSubstr("malformed answer"));
  server.set_tcp_raw("");
  server.set_tcp_piece(0);
  EXPECT_THAT(addresses("mx3.example").problem.reason, HasSubstr("truncated answer"));
}

TEST_F(ResolverTest, AStallingTcpServerEndsWithTheTransmission) {
  settings_.retransmit_after = 150ms;
  settings_.address_order = AddressOrder::v4_only;
  NameServer& server = serve(truncated_over_udp);
  server.set_tcp_raw("\x01");
  EXPECT_EQ(addresses("mx.example").status, LookupStatus::temporary);
  EXPECT_EQ(server.queries().size(), 2U);
}

TEST_F(ResolverTest, OneQueryForAllWhoAskAtOnce) {
  NameServer& server = serve(one_mx);
  std::deque<std::optional<MxAnswer>> answers(100);
  for (auto& answer : answers) {
    gate_.spawn(ask_mx(resolver(), "example.org", answer));
  }
  finish();
  for (const auto& answer : answers) {
    ASSERT_TRUE(answer);
    EXPECT_THAT(answer->hosts, ElementsAre(MxHost{10, "mx.example"}));
  }
  EXPECT_EQ(server.queries().size(), 1U);
  EXPECT_EQ(resolver().counters().joined, 99U);
}

TEST_F(ResolverTest, BoundsItsQueriesAndKeepsTheOrder) {
  settings_.max_queries = 2;
  NameServer& server = serve(one_mx);
  std::deque<std::optional<MxAnswer>> answers(20);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    gate_.spawn(ask_mx(resolver(), "d" + std::to_string(i) + ".example", answers[i]));
  }
  while (gate_.running() > 0) {
    turn();
    ASSERT_LE(resolver().queries_in_flight(), 2U);
  }
  ASSERT_EQ(server.queries().size(), answers.size());
  for (std::size_t i = 0; i < answers.size(); ++i) {
    EXPECT_EQ(answers[i]->status, LookupStatus::found);
    // Two may pass each other on their way.
    const auto name_at = [&](std::size_t at) { return server.queries()[at].question.name; };
    const std::string name = "d" + std::to_string(i) + ".example";
    EXPECT_TRUE(name_at(i) == name || (i > 0 && name_at(i - 1) == name) ||
                (i + 1 < answers.size() && name_at(i + 1) == name));
  }
  EXPECT_EQ(resolver().queries_in_flight(), 0U);
}

TEST_F(ResolverTest, ClosingAnswersEverybody) {
  settings_.max_queries = 2;
  settings_.retransmit_after = 1h;
  NameServer& server = serve(silence);
  std::deque<std::optional<MxAnswer>> answers(5);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    gate_.spawn(ask_mx(resolver(), "d" + std::to_string(i) + ".example", answers[i]));
  }
  while (server.queries().size() < 2) {
    turn();
  }
  close();
  for (const auto& answer : answers) {
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, LookupStatus::temporary);
    EXPECT_EQ(answer->problem.reason, "DNS: the resolver is closing");
  }
  EXPECT_EQ(mx("later.example").status, LookupStatus::temporary);
  EXPECT_EQ(addresses("later.example").status, LookupStatus::temporary);
  EXPECT_EQ(server.queries().size(), 2U);
}

TEST_F(ResolverTest, KeepsItsTimeWhereNobodyListens) {
  settings_.retransmit_after = 25ms;
  {
    const NameServer gone(silence);
    settings_.servers.push_back(gone.endpoint());
  }
  settings_.transmissions = 2;
  const Instant before = kernel_->clocks().monotonic;
  EXPECT_EQ(mx("example.org").status, LookupStatus::temporary);
  EXPECT_GE(kernel_->clocks().monotonic - before, 50ms);
  EXPECT_EQ(resolver().transport_counters().udp_queries, 2U);
  EXPECT_EQ(resolver().transport_counters().unanswered, 2U);
}

TEST_F(ResolverTest, KnowsItself) {
  settings_.own.names = {"mx.example"};
  serve(one_mx);
  EXPECT_EQ(mx("example.org").problem.status.to_string(), "5.4.6");
}

}  // namespace
}  // namespace ringpost::dns
