// What a good configuration becomes.
#include <gmock/gmock.h>

#include <cstdio>
#include <fstream>

#include "loading.h"

namespace ringpost::config {
namespace {

using testing::ElementsAre;

TEST(Load, NothingIsACompleteConfiguration) {
  const Config config = loaded("").config;
  EXPECT_EQ(config.identity.hostname, "relay.example.net");
  EXPECT_EQ(config.shards.count, 2U);
  EXPECT_EQ(config.control.socket, "/var/spool/ringpost/control.socket");
  EXPECT_EQ(config.log.events, "/var/spool/ringpost/events.log");
  EXPECT_EQ(config.listener.smtp.at(0).to_string(), "127.0.0.1:2525");
  EXPECT_EQ(config.timeouts.connect, 30s);
  EXPECT_EQ(config.timeouts.datafinal, 10min);
  EXPECT_EQ(config.timeouts.queuereturn, std::chrono::days(5));
  EXPECT_EQ(config.retry.first, 10min);
  EXPECT_TRUE(config.queue_groups.empty());
  ASSERT_EQ(config.default_groups.size(), 4U);
  EXPECT_EQ(config.default_groups[0].name, "default-0");
  EXPECT_EQ(config.default_groups[3].name, "default-3");
  EXPECT_EQ(config.default_groups[3].connection_cache_size, 1000U);
  EXPECT_EQ(config.default_groups[3].connection_cache_timeout, 30s);
}

TEST(Load, PathsFollowTheSpoolDirectoryUnlessGiven) {
  const Config config =
      loaded("spool.directory = '/srv/mail'\nlog.events = '/var/log/ringpost.log'\n").config;
  EXPECT_EQ(config.control.socket, "/srv/mail/control.socket");
  EXPECT_EQ(config.log.events, "/var/log/ringpost.log");
}

TEST(Load, BareNumbersTakeTheUnitOfTheirOption) {
  const Config config = loaded(R"(
[timeouts]
connect = 1
helo = "90"
mail = "1h30"
resolver_retrans = 3
queuereturn = 2
)")
                            .config;
  EXPECT_EQ(config.timeouts.connect, 1min);
  EXPECT_EQ(config.timeouts.helo, 90min);
  EXPECT_EQ(config.timeouts.mail, 90min);
  EXPECT_EQ(config.timeouts.resolver_retrans, 3s);
  EXPECT_EQ(config.timeouts.queuereturn, std::chrono::days(2));
}

TEST(Load, GroupsKeepTheirOrderAndInheritTheCache) {
  const Config config = loaded(R"(
[[queue_group]]
name = "zeta"
domains = ["Gmail.com", "*.googlemail.com"]
shard = 1
runners = 7
rate = "60/m"
connection_cache_size = 5
streaming_depth = 2

[[queue_group]]
name = "alpha"
domains = "example.com"

[delivery]
streaming_depth = 16

[connection_cache]
size = 12
timeout = "1m"
)")
                            .config;
  ASSERT_EQ(config.queue_groups.size(), 2U);
  const QueueGroup& zeta = config.queue_groups[0];
  EXPECT_EQ(zeta.name, "zeta");
  EXPECT_THAT(zeta.domains, ElementsAre("gmail.com", "*.googlemail.com"));
  EXPECT_EQ(zeta.shard, 1U);
  EXPECT_EQ(zeta.runners, 7U);
  EXPECT_DOUBLE_EQ(zeta.rate_per_second, 1.0);
  EXPECT_EQ(zeta.connection_cache_size, 5U);
  EXPECT_EQ(zeta.connection_cache_timeout, 1min);
  const QueueGroup& alpha = config.queue_groups[1];
  EXPECT_EQ(alpha.name, "alpha");
  EXPECT_FALSE(alpha.shard.has_value());
  EXPECT_EQ(alpha.runners, 100U);
  EXPECT_EQ(alpha.connection_cache_size, 12U);
  EXPECT_EQ(zeta.streaming_depth, 2U);
  EXPECT_EQ(alpha.streaming_depth, 16U);
  EXPECT_EQ(config.default_groups[0].streaming_depth, 16U);
}

TEST(Load, TheGroupDefaultSetsAllDefaultGroups) {
  const Loaded result = loaded(R"(
queue.default_groups = 3
[[queue_group]]
name = "default"
max_messages_per_connection = 0
)",
                               {"queue_group.default.runners=9"});
  EXPECT_TRUE(result.config.queue_groups.empty());
  ASSERT_EQ(result.config.default_groups.size(), 3U);
  for (const QueueGroup& group : result.config.default_groups) {
    EXPECT_EQ(group.max_messages_per_connection, 0U);
    EXPECT_EQ(group.runners, 9U);
  }
  EXPECT_EQ(result.origins.at("queue_group.default.runners"), "command line");
  EXPECT_EQ(result.origins.at("queue_group.default.max_messages_per_connection"),
            "ringpost.toml:5");
}

TEST(Load, EgressSourcesAndDestinationsAreComplete) {
  const Config config =
      loaded(
          "[identity]\nhostname='relay.test'\n"
          "[[egress]]\nname='a'\nipv4='192.0.2.1'\n"
          "[[egress]]\nname='b'\nipv6='2001:db8::1'\nehlo='B.relay.test'\n"
          "[[destination]]\nname='big'\nmx=['*.big.example', 'mx.huge.example']\n"
          "[[queue_group]]\nname='g'\ndomains=['g.example']\negress=['a', 'b']\nweight=7\n",
          {"queue_group.default.egress=b"})
          .config;
  ASSERT_EQ(config.egress.size(), 2U);
  EXPECT_EQ(config.egress[0], (Egress{"a", IpAddress::parse("192.0.2.1"), {}, "relay.test"}));
  EXPECT_EQ(config.egress[1], (Egress{"b", {}, IpAddress::parse("2001:db8::1"), "b.relay.test"}));
  ASSERT_EQ(config.destinations.size(), 1U);
  EXPECT_EQ(config.destinations[0].mx,
            (std::vector<std::string>{"*.big.example", "mx.huge.example"}));
  EXPECT_EQ(config.queue_groups[0].egress, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(config.queue_groups[0].weight, 7U);
  EXPECT_EQ(config.default_groups[0].egress, std::vector<std::string>{"b"});
  EXPECT_EQ(config.default_groups[0].weight, 1U);
  EXPECT_EQ(loaded("", {"egress=[{name='c', ipv4='192.0.2.3'}]"}).config.egress.size(), 1U);
}

TEST(Load, HostsWithoutPortTakeTheDeliveryPort) {
  const Config config = loaded(R"(
[delivery]
port = 2526
smarthost = "relay.example:587"
[[route]]
domain = "*.Example"
hosts = ["mx1.example", "192.0.2.1:25", "[2001:db8::1]"]
)")
                            .config;
  EXPECT_EQ(config.delivery.smarthost->to_string(), "relay.example:587");
  ASSERT_EQ(config.routes.size(), 1U);
  EXPECT_EQ(config.routes[0].domain, "*.example");
  std::vector<std::string> hosts;
  for (const Host& host : config.routes[0].hosts) {
    hosts.push_back(host.to_string());
  }
  EXPECT_THAT(hosts, ElementsAre("mx1.example:2526", "192.0.2.1:25", "[2001:db8::1]:2526"));
}

TEST(Origins, KnowTheLineOfEachSetting) {
  const Origins origins = loaded(R"([timeouts]
connect = "10s"

[[queue_group]]
name = "bulk"
domains = [
  "one.example",
  "two.example",
]
[[route]]
domain = "three.example"
hosts = ["192.0.2.1"]
)",
                                 {"timeouts.helo=1m", "queue_group.bulk.runners=3"})
                              .origins;
  EXPECT_EQ(origins.at("timeouts.connect"), "ringpost.toml:2");
  EXPECT_EQ(origins.at("timeouts.helo"), "command line");
  EXPECT_EQ(origins.at("timeouts.mail"), "default");
  EXPECT_EQ(origins.at("queue_group.bulk"), "ringpost.toml:4");
  EXPECT_EQ(origins.at("queue_group.bulk.runners"), "command line");
  EXPECT_EQ(origins.at("queue_group.bulk.rate"), "default");
  EXPECT_EQ(origins.at("queue_group.bulk.domains.one.example"), "ringpost.toml:7");
  EXPECT_EQ(origins.at("queue_group.bulk.domains.two.example"), "ringpost.toml:8");
  EXPECT_EQ(origins.at("route.three.example"), "ringpost.toml:10");
}

TEST(Overrides, WinOverTheFileAndOverEarlierOnes) {
  const Loaded result =
      loaded("spool.directory = '/a'\n", {"spool.directory=/b", "spool.directory = /c"});
  EXPECT_EQ(result.config.spool.directory, "/c");
  EXPECT_EQ(result.origins.at("spool.directory"), "command line");
}

TEST(Overrides, TakeTomlElseAPlainString) {
  EXPECT_EQ(
      loaded("", {"listener.smtp=[\"127.0.0.1:1\", \"[::1]:2\"]"}).config.listener.smtp.size(), 2U);
  EXPECT_EQ(loaded("", {"listener.smtp=[::1]:2"}).config.listener.smtp.at(0).to_string(),
            "[::1]:2");
  EXPECT_TRUE(
      loaded("", {"delivery.prohibited_networks=[]"}).config.delivery.prohibited_networks.empty());
  EXPECT_EQ(loaded("", {"timeouts.connect=5"}).config.timeouts.connect, 5min);
  EXPECT_EQ(loaded("", {"timeouts.connect=5s"}).config.timeouts.connect, 5s);
  EXPECT_EQ(loaded("", {"timeouts.connect=\"5s\""}).config.timeouts.connect, 5s);
  // TOML would have it a number, or more than one setting; the key wants a string.
  EXPECT_EQ(loaded("", {"spool.directory=1234"}).config.spool.directory, "1234");
  EXPECT_EQ(loaded("", {"spool.directory=1\nx=2"}).config.spool.directory, "1\nx=2");
}

TEST(Overrides, ReplaceRoutesAndGroupsAsAWhole) {
  const char* file =
      "[[route]]\ndomain='a.example'\nhosts=['192.0.2.1']\n"
      "[[queue_group]]\nname='a'\ndomains=['a.example']\n";
  const Loaded result =
      loaded(file, {"route=[{domain='*.b.example', hosts=['127.0.0.1:2525']}]",
                    "queue_group.b.runners=5", "queue_group=[{name='b', domains=['b.example']}]"});
  ASSERT_EQ(result.config.routes.size(), 1U);
  EXPECT_EQ(result.config.routes[0].domain, "*.b.example");
  EXPECT_EQ(result.origins.at("route.*.b.example"), "command line");
  ASSERT_EQ(result.config.queue_groups.size(), 1U);
  EXPECT_EQ(result.config.queue_groups[0].name, "b");
  EXPECT_EQ(result.config.queue_groups[0].runners, 5U);
  EXPECT_EQ(result.origins.at("queue_group.b.domains.b.example"), "command line");
}

TEST(LoadFile, ReadsTheFileAndSaysWhyItCannot) {
  const std::string path = testing::TempDir() + "ringpost-config-test.toml";
  std::ofstream(path) << "shards.count = 5\n";
  const LoadResult result = load_file(path, {}, machine);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->config.shards.count, 5U);
  EXPECT_EQ(result->origins.at("shards.count"), path + ":1");
  std::remove(path.c_str());
  EXPECT_EQ(check_text(load_file(path, {}, machine)),
            "cannot read " + path + ": No such file or directory (errno 2)\n");
  EXPECT_TRUE(load_file("", {}, machine));
}

TEST(LoadFile, ADirectoryIsNoConfiguration) {
  EXPECT_EQ(check_text(load_file("/", {}, machine)), "cannot read /: Is a directory (errno 21)\n");
}

TEST(Load, GroupsByMxHosts) {
  const Loaded made = loaded(
      "[[queue_group]]\nname = 'microsoft'\n"
      "mx = ['*.Protection.Outlook.com', 'mx.example']\n");
  const QueueGroup& group = made.config.queue_groups.at(0);
  EXPECT_EQ(group.mx, (std::vector<std::string>{"*.protection.outlook.com", "mx.example"}));
  EXPECT_TRUE(group.domains.empty());
  EXPECT_EQ(made.origins.at("queue_group.microsoft.mx.mx.example"), "ringpost.toml:3");
  EXPECT_EQ(errors("[[queue_group]]\nname = 'a'\nmx = ['mx.example']\n"
                   "[[queue_group]]\nname = 'b'\ndomains = ['mx.example']\nmx = 'MX.example'\n"),
            "ringpost.toml:7:6: queue_group.b.mx: 'mx.example' is already in queue group 'a' at "
            "ringpost.toml:3 (remove it from one of them)\n");
  EXPECT_EQ(errors("[[queue_group]]\nname = 'default'\nmx = ['mx.example']\n"),
            "ringpost.toml:3:6: queue_group.default.mx: the default groups take what no other "
            "group names, on all shards (remove it, or give the group another name)\n");
}

TEST(Load, AProviderMayHaveATlsPolicyOfItsOwn) {
  const Config config = loaded(
                            "[[destination]]\nname = 'bank'\nmx = ['*.bank.example']\n"
                            "tls = 'verify'\n[[destination]]\nname = 'shop'\nmx = 'mx.shop'\n")
                            .config;
  EXPECT_EQ(config.destinations.at(0).tls, TlsPolicy::verify);
  EXPECT_EQ(config.destinations.at(1).tls, std::nullopt);
  EXPECT_EQ(errors("[[destination]]\nname = 'bank'\nmx = 'mx.bank'\ntls = 'yes'\n")
                .find("ringpost.toml:4:7: destination.tls: 'yes' is not a value of this key"),
            0U);
}

}  // namespace
}  // namespace ringpost::config
