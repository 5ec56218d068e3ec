// Which source a domain's mail leaves from, which destination it counts for, and what is remembered
// of a server for each source.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "ringpost/delivery/host_table.h"
#include "ringpost/delivery/routes.h"

namespace ringpost::delivery {
namespace {

TEST(Egress, DomainsAreSpreadEvenlyAndKeepTheirSource) {
  const std::vector<std::string> three{"a", "b", "c"};
  const std::vector<std::string> turned{"c", "a", "b"};
  const std::vector<std::string> four{"a", "b", "c", "d"};
  std::map<std::string, int> domains;
  int moved = 0;
  for (int number = 0; number < 3000; ++number) {
    const std::string domain = "d" + std::to_string(number) + ".example";
    const std::string source = egress_for(three, domain);
    ++domains[source];
    EXPECT_EQ(egress_for(turned, domain), source) << "the order of the list says nothing";
    const std::string with_four = egress_for(four, domain);
    EXPECT_TRUE(with_four == source || with_four == "d");
    moved += with_four == "d" ? 1 : 0;
  }
  for (const std::string& source : three) {
    EXPECT_GT(domains[source], 800) << source;
  }
  EXPECT_GT(moved, 600);
  EXPECT_LT(moved, 900);
  EXPECT_EQ(egress_for({}, "d.example"), "");
}

TEST(Destinations, ThoseOfTheConfigurationWinOverThoseThatShip) {
  config::Config config;
  config.delivery.port = 2525;
  const std::vector<dns::MxHost> google{{1, "aspmx.l.google.com"}};
  const std::vector<dns::MxHost> yahoo{{1, "mta5.am0.yahoodns.net"}};
  EXPECT_EQ(lane_by_mx(config, "shop.example", google).destination, "google");
  EXPECT_EQ(lane_by_mx(config, "shop.example", yahoo).destination, "yahoo");
  EXPECT_EQ(lane_by_mx(config, "shop.example", yahoo).hosts.front().port, 2525);
  config.destinations = {{"mine", {"*.l.google.com"}, {}}, {"yahoo", {}, {}}};
  EXPECT_EQ(lane_by_mx(config, "shop.example", google).destination, "mine");
  EXPECT_EQ(lane_by_mx(config, "shop.example", yahoo).destination, "mta5.am0.yahoodns.net");
}

TEST(HostTable, RemembersAServerForEachSourceAndForgetsTheOldest) {
  HostTable hosts(2);
  const Endpoint server = *Endpoint::parse("192.0.2.1:25");
  hosts.of(server, "a").overlap_proven = true;
  EXPECT_FALSE(hosts.of(server, "b").overlap_proven);
  EXPECT_TRUE(hosts.of(server, "a").overlap_proven);
  hosts.of(server, "");
  EXPECT_EQ(hosts.find(server, "b"), nullptr);
  ASSERT_NE(hosts.find(server, "a"), nullptr);
  EXPECT_TRUE(hosts.find(server, "a")->overlap_proven);
}

}  // namespace
}  // namespace ringpost::delivery
