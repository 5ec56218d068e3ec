// The resolver in a simulated world: datagrams that are lost, forged answers, servers that are
// silent or not there, and an end in the middle of it all.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ringpost/dns/resolver.h"
#include "sim/mail_name_service.h"
#include "sim/sim_process.h"

namespace ringpost::dns {
namespace {

using ring::Task;
using sim::SimWorld;

const Endpoint first_server{SimWorld::address("10.0.0.53"), 53};
const Endpoint second_server{SimWorld::address("10.0.0.54"), 53};
constexpr int domains = 40;

std::string domain(int number) {
  return "d" + std::to_string(number) + ".example";
}

class ResolverOnSim : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  ResolverOnSim() {
    for (int number = 0; number < domains; ++number) {
      names_.add_mx(domain(number), 10, "mx." + domain(number));
      names_.add_address("mx." + domain(number), SimWorld::address("10.1.0.1"));
    }
  }

  static ResolverSettings settings(const std::vector<Endpoint>& servers) {
    ResolverSettings settings;
    settings.servers = servers;
    return settings;
  }
  static Task<void> ask(Resolver& resolver, std::string name, MxAnswer& answer) {
    answer = co_await resolver.mx(std::move(name));
  }
  static Task<void> ask_address(Resolver& resolver, std::string name, AddressAnswer& answer) {
    answer = co_await resolver.addresses(std::move(name));
  }
  void close(Resolver& resolver) {
    EXPECT_TRUE(process_.run(resolver.close(), 1min));
    EXPECT_EQ(host_.descriptors_open(), 1) << "a socket was left open";
    EXPECT_EQ(process_.reactor.operations_in_flight(), 0U);
    EXPECT_EQ(process_.reactor.buffers().outstanding(), 0U);
  }

  SimWorld world_{GetParam()};
  sim::NameService names_{world_, first_server};
  sim::SimHost& host_ = world_.add_host("relay", {SimWorld::address("10.0.0.1")});
  sim::SimHost& server_host_ = world_.add_host("servers", {second_server.address});
  sim::SimProcess process_{host_};
};

TEST_P(ResolverOnSim, FindsWhatItIsAskedForAlthoughDatagramsAreLost) {
  world_.network().faults.lost_datagram = 0.2;
  names_.lying = 0.2;
  Resolver resolver(process_.reactor, settings({first_server}));
  std::vector<MxAnswer> answers(domains);
  std::vector<AddressAnswer> addresses(domains);
  for (int number = 0; number < domains; ++number) {
    const auto at = static_cast<std::size_t>(number);
    process_.spawn(ask(resolver, domain(number), answers[at]));
    process_.spawn(ask_address(resolver, "mx." + domain(number), addresses[at]));
  }
  EXPECT_TRUE(process_.finish(1min));
  int temporary = 0;
  for (int number = 0; number < domains; ++number) {
    const auto at = static_cast<std::size_t>(number);
    EXPECT_NE(answers[at].status, LookupStatus::permanent);
    temporary += answers[at].status == LookupStatus::temporary ? 1 : 0;
    if (answers[at].status == LookupStatus::found) {
      EXPECT_EQ(answers[at].hosts, std::vector<MxHost>(1, MxHost(10, "mx." + domain(number))));
    }
    EXPECT_TRUE(addresses[at].status != LookupStatus::found || addresses[at].addresses.size() == 1);
  }
  EXPECT_LE(temporary, domains / 4) << "four transmissions get through nearly always";
  close(resolver);
}

TEST_P(ResolverOnSim, AsksTheNextServerWhereTheFirstIsNotThere) {
  Resolver resolver(process_.reactor, settings({second_server, first_server}));
  MxAnswer answer;
  const Instant before = world_.clock().now();
  EXPECT_TRUE(process_.run(ask(resolver, domain(1), answer), 1min));
  EXPECT_EQ(answer.status, LookupStatus::found);
  EXPECT_LT(world_.clock().now() - before, 1s) << "a refused port is known at once";
  close(resolver);
}

TEST_P(ResolverOnSim, GivesUpOnSilenceAndRemembersItForSeconds) {
  names_.silent.insert(domain(3));
  Resolver resolver(process_.reactor, settings({first_server}));
  MxAnswer answer;
  const Instant before = world_.clock().now();
  EXPECT_TRUE(process_.run(ask(resolver, domain(3), answer), 2min));
  EXPECT_EQ(answer.status, LookupStatus::temporary);
  EXPECT_GE(world_.clock().now() - before, 20s - 100ms) << "four times five seconds";
  const std::uint64_t asked = names_.questions();
  EXPECT_TRUE(process_.run(ask(resolver, domain(3), answer), 1s));
  EXPECT_EQ(answer.status, LookupStatus::temporary);
  EXPECT_EQ(names_.questions(), asked);
  names_.silent.clear();
  world_.run_for(10min);
  EXPECT_TRUE(process_.run(ask(resolver, domain(3), answer), 1min));
  EXPECT_EQ(answer.status, LookupStatus::found);
  close(resolver);
}

TEST_P(ResolverOnSim, ManyWhoAskTheSameCostOneQuestion) {
  Resolver resolver(process_.reactor, settings({first_server}));
  std::vector<MxAnswer> answers(100);
  for (MxAnswer& answer : answers) {
    process_.spawn(ask(resolver, domain(5), answer));
  }
  EXPECT_TRUE(process_.finish(1min));
  for (const MxAnswer& answer : answers) {
    EXPECT_EQ(answer.status, LookupStatus::found);
  }
  EXPECT_EQ(names_.questions(), 1U);
  close(resolver);
}

TEST_P(ResolverOnSim, EndsInTheMiddleOfEverything) {
  world_.network().faults.lost_datagram = 0.5;
  Resolver resolver(process_.reactor, settings({first_server, second_server}));
  std::vector<MxAnswer> answers(domains);
  for (int number = 0; number < domains; ++number) {
    process_.spawn(ask(resolver, domain(number), answers[static_cast<std::size_t>(number)]));
  }
  world_.run_for(sim::between(world_.random(), 0us, 6s));
  close(resolver);
  EXPECT_EQ(process_.gate.running(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ResolverOnSim, ::testing::Range<std::uint64_t>(0, 10));

}  // namespace
}  // namespace ringpost::dns
