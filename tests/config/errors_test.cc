// What is wrong, where, and what to write instead: to the letter, since operators read it.
#include <gtest/gtest.h>

#include <span>
#include <string>

#include "loading.h"
#include "ringpost/config/keys.h"

namespace ringpost::config {
namespace {

TEST(Errors, NotToml) {
  EXPECT_TRUE(errors("[spool\n").starts_with("ringpost.toml:1:7: not TOML: "));
  EXPECT_TRUE(errors("a = 1\na = 2\n").starts_with("ringpost.toml:2:"));
  EXPECT_TRUE(errors(std::string("a = '\0'", 7)).starts_with("ringpost.toml:1:"));
  EXPECT_TRUE(errors("a = '\xff'").starts_with("ringpost.toml:1:"));
}

TEST(Errors, UnknownKeys) {
  EXPECT_EQ(errors("[spool]\n\n  directry = '/x'\n"),
            "ringpost.toml:3:3: unknown key 'spool.directry' (did you mean 'spool.directory'?)\n");
  EXPECT_EQ(errors("[[queue_group]]\nname = 'a'\ndomains = ['a.example']\nruners = 3\n"),
            "ringpost.toml:4:1: unknown key 'queue_group.a.runers' "
            "(did you mean 'queue_group.runners'?)\n");
  EXPECT_EQ(errors("[listener]\nhostname = 'a'\n"),
            "ringpost.toml:2:1: unknown key 'listener.hostname' "
            "(did you mean 'identity.hostname'?)\n");
  EXPECT_EQ(errors("[lisener]\nsmtp = 1\n"),
            "ringpost.toml:1:2: unknown table 'lisener' (did you mean 'listener'?)\n");
  EXPECT_EQ(errors("hostname = 'a'\n"),
            "ringpost.toml:1:1: unknown key 'hostname' (did you mean 'identity.hostname'?)\n");
  EXPECT_EQ(errors("[dns]\nzebra = 1\n"), "ringpost.toml:2:1: unknown key 'dns.zebra'\n");
  EXPECT_EQ(errors("[[route]]\ndomain='a.example'\nhosts=['192.0.2.1']\nhost='x'\n"),
            "ringpost.toml:4:1: unknown key 'route.host' (did you mean 'route.hosts'?)\n");
}

TEST(Errors, KeysOfLaterVersionsAreRefusedByName) {
  for (const std::string_view key : unsupported_keys()) {
    const std::string name(key.ends_with(".*") ? key.substr(0, key.size() - 2) : key);
    std::string text;
    std::string shown = name;
    if (key.starts_with("queue_group.")) {
      text = "queue_group = [{name = 'a', domains = ['a.example'], " + name.substr(12) + " = 1}]\n";
      shown = "queue_group.a." + name.substr(12);
    } else if (key.ends_with(".*")) {
      text = "[" + name + "]\nx = 1\n";
    } else {
      text = name + " = 1\n";
    }
    EXPECT_TRUE(errors(text).find(shown + " is not supported in this version (remove it)\n") !=
                std::string::npos)
        << errors(text);
  }
  EXPECT_EQ(errors("", {"timeouts.ident=4s", "timeouts.lhlo=9s"}),
            "command line: timeouts.ident is not supported in this version (remove it)\n"
            "command line: timeouts.lhlo is not supported in this version (remove it)\n");
}

TEST(Errors, EgressSourcesAndDestinations) {
  EXPECT_EQ(errors("[[egress]]\nname = 'a'\n"),
            "ringpost.toml:1:1: egress.a: has no address (add ipv4 or ipv6)\n");
  EXPECT_EQ(errors("[[egress]]\nipv4 = '192.0.2.1'\n"),
            "ringpost.toml:1:1: egress: needs a name (add name = \"…\")\n");
  EXPECT_EQ(errors("[[egress]]\nname = 'a'\nipv4 = '2001:db8::1'\n"),
            "ringpost.toml:3:8: egress.ipv4: expects an IPv4 address such as \"192.0.2.1\"\n");
  EXPECT_EQ(errors("egress = [{name='a', ipv4='192.0.2.1'}, {name='a', ipv4='192.0.2.2'}]\n"),
            "ringpost.toml:1:41: egress: there is already 'a' at ringpost.toml:1 (give this one "
            "another name)\n");
  const std::string two = "egress = [{name='pool-a', ipv4='192.0.2.1'}]\n";
  EXPECT_EQ(errors(two + "[[queue_group]]\nname='b'\ndomains=['b.example']\negress='pool-b'\n"),
            "ringpost.toml:5:8: queue_group.b.egress: there is no egress source 'pool-b' (did you "
            "mean 'pool-a'?)\n");
  EXPECT_EQ(errors(two, {"queue_group.default.egress=elsewhere"}),
            "command line: queue_group.default.egress: there is no egress source 'elsewhere' (add "
            "it as an [[egress]])\n");
  EXPECT_EQ(errors("[[destination]]\nname = 'Big One'\n"),
            "ringpost.toml:2:8: destination.name: expects a name of 1 to 64 lower case letters, "
            "digits, '-' and '_'\n");
}

TEST(Errors, ValuesOfLaterVersions) {
  EXPECT_EQ(errors("spool.durability = 'comit'\n"),
            "ringpost.toml:1:20: spool.durability: 'comit' is not a value of this key "
            "(did you mean 'commit'?)\n");
  EXPECT_EQ(errors("log.format = 7\n"),
            "ringpost.toml:1:14: log.format: expects a string (write 'json')\n");
  EXPECT_EQ(errors("queue_group = [{name = 'a', domains = [], delivery = 'now'}]\n"),
            "ringpost.toml:1:54: queue_group.a.delivery: 'now' is not a value of this key "
            "(write 'queue' or 'hold')\n");
}

struct Case {
  const char* text;
  const char* error;
};

void expect_each(std::span<const Case> cases) {
  for (const Case& test : cases) {
    EXPECT_EQ(errors(test.text), std::string("ringpost.toml:") + test.error + "\n");
  }
}

TEST(Errors, BadValues) {
  const Case cases[] = {
      {"timeouts.connect = '5x'",
       "1:20: timeouts.connect: '5x' is not a duration: unknown unit 'x' (write numbers with the "
       "units w, d, h, m, s, for example 2h30m)"},
      {"timeouts.connect = 0", "1:20: timeouts.connect: expects at least 1s"},
      {"timeouts.connect = -1", "1:20: timeouts.connect: expects a duration such as \"2h30m\""},
      {"timeouts.connect = 1.5", "1:20: timeouts.connect: expects a duration such as \"2h30m\""},
      {"timeouts.resolver_retry = 0",
       "1:27: timeouts.resolver_retry: expects a whole number from 1 to 100"},
      {"spool.segment_size = '64X'",
       "1:22: spool.segment_size: '64X' is not a size (write a number of bytes, or one with K, M "
       "or G, for example 64M)"},
      {"spool.segment_size = 4096",
       "1:22: spool.segment_size: expects a size from 1048576 to 1073741824 bytes"},
      {"spool.segment_size = 67108865",
       "1:22: spool.segment_size: expects a multiple of 4 KiB (67112960 is the next one)"},
      {"spool.directory = ''", "1:19: spool.directory: expects a string that is not empty"},
      {"spool.directory = 7", "1:19: spool.directory: expects a string that is not empty"},
      {"spool = 7", "1:9: spool: expects a table (write [spool])"},
      {"shards.count = 129", "1:16: shards.count: expects a whole number from 0 to 128"},
      {"delivery.port = 65536", "1:17: delivery.port: expects a whole number from 1 to 65535"},
      {"delivery.port = '25'", "1:17: delivery.port: expects a whole number from 1 to 65535"},
      {"listener.smtp = ['127.0.0.1']",
       "1:18: listener.smtp: '127.0.0.1' is not an address and port (write 192.0.2.1:25 or "
       "[2001:db8::1]:25)"},
      {"listener.smtp = []", "1:17: listener.smtp: expects at least one address and port"},
      {"listener.smtp = [25]", "1:17: listener.smtp: expects an array of strings"},
      {"listener.smtp = ['[::1]:25',\n '[0::1]:25']",
       "2:2: listener.smtp: '[0::1]:25' is listed twice"},
      {"listener.relay_from = ['10.0.0.0/8', '10.1.0.0/8']",
       "1:38: listener.relay_from: '10.1.0.0/8' is not a network (write 192.0.2.0/24 or "
       "2001:db8::/32, without bits set behind the prefix)"},
      {"identity.hostname = 'my host'",
       "1:21: identity.hostname: 'my host' is not a domain: only letters, digits, '-', '_' and '.' "
       "may occur (write a name such as mail.example.com)"},
      {"delivery.smarthost = '2001:db8::1'",
       "1:22: delivery.smarthost: '2001:db8::1' is not a host: an IPv6 address needs brackets "
       "(write mx.example:25, 192.0.2.1:25 or [2001:db8::1]:25; the port may be left out)"},
  };
  expect_each(cases);
}

TEST(Errors, BadRoutesAndGroups) {
  const Case cases[] = {
      {"route = 'a'", "1:9: route: expects an array of tables (write [[route]])"},
      {"route = ['a']", "1:10: route: expects tables"},
      {"[[route]]\ndomain = 'a.example'",
       "1:1: route: needs a domain and at least one host (add domain = \"…\" and hosts = [\"…\"])"},
      {"[[route]]\ndomain = 'a.example'\nhosts = []",
       "1:1: route: needs a domain and at least one host (add domain = \"…\" and hosts = [\"…\"])"},
      {"[[queue_group]]\nname = 'a'\ndomains = ['a.example']\nrate = 5",
       "4:8: queue_group.a.rate: expects a rate such as \"100/s\""},
      {"[[queue_group]]\nname = 'a'\ndomains = ['a.example', 'b c']",
       "3:25: queue_group.a.domains: 'b c' is not a domain or domain pattern: only letters, "
       "digits, "
       "'-', '_' and '.' may occur (write example.com, or *.example.com for all names below it)"},
      {"[[queue_group]]\nname = 'a'\ndomains = ['a.example', 'A.example']",
       "3:25: queue_group.a.domains: 'A.example' is listed twice"},
      {"[[queue_group]]\nname = 'a'\ndomains = ['a.example']\nrunners = 0",
       "4:11: queue_group.a.runners: expects a whole number from 1 to 1000000"},
      {"[[queue_group]]\ndomains = ['a.example']",
       "1:1: queue_group: needs a name (add name = \"…\")"},
      {"[[queue_group]]\nname = 'A.b'\ndomains = ['a.example']",
       "2:8: queue_group.name: 'A.b' cannot be a name (write 1 to 64 lower case letters, digits, "
       "'-' and '_')"},
      {"[[queue_group]]\nname = 'default-1'\ndomains = ['a.example']",
       "2:8: queue_group.name: 'default-1' is kept for the default groups (the group 'default' "
       "holds the settings of all of them)"},
      {"[[queue_group]]\nname = 'a'",
       "1:1: queue_group.a: names no domains, so that it would get no mail (add domains, "
       "or MX hosts by mx)"},
      {"[[queue_group]]\nname = 'default'\nshard = 1",
       "3:9: queue_group.default.shard: the default groups take what no other group names, on all "
       "shards (remove it, or give the group another name)"},
  };
  expect_each(cases);
}

TEST(Errors, AcrossSettings) {
  EXPECT_EQ(errors("retry.first = '5h'\n"),
            "ringpost.toml:1:15: retry.first: is longer than retry.max (at most 4h)\n");
  EXPECT_EQ(errors("retry.max = '5m'\n"), "retry.first: is longer than retry.max (at most 5m)\n");
  EXPECT_EQ(errors("[spool]\nsegment_size = '1M'\n[listener]\nmax_message_size = '1M'\n"),
            "ringpost.toml:4:20: listener.max_message_size: a message must fit into half a spool "
            "segment (at most 524288 with this spool.segment_size)\n");
  EXPECT_EQ(errors("[[queue_group]]\nname = 'a'\ndomains = ['a.example']\nshard = 2\n"),
            "ringpost.toml:4:9: queue_group.a.shard: there is no shard 2 "
            "(with 2 shards the last one is 1)\n");
  EXPECT_TRUE(errors("spool.directory = '/" + std::string(100, 'x') + "'\n")
                  .ends_with("(set a shorter control.socket)\n"));
}

TEST(Errors, TwinsNameBothLines) {
  EXPECT_EQ(errors("[[queue_group]]\nname = 'a'\ndomains = ['x.example', '*.y.example']\n"
                   "[[queue_group]]\nname = 'b'\ndomains = ['z.example',\n  '*.Y.example']\n"),
            "ringpost.toml:7:3: queue_group.b.domains: '*.y.example' is already in queue group 'a' "
            "at ringpost.toml:3 (remove it from one of them)\n");
  EXPECT_EQ(errors("[[queue_group]]\nname = 'a'\ndomains = ['x.example']\n"
                   "[[queue_group]]\nname = 'a'\ndomains = ['y.example']\n"),
            "ringpost.toml:4:1: queue_group: there is already a group 'a' at ringpost.toml:1 "
            "(give this one another name)\n");
  EXPECT_EQ(errors("[[route]]\ndomain = 'x.example'\nhosts = ['192.0.2.1']\n"
                   "[[route]]\ndomain = 'X.example'\nhosts = ['192.0.2.2']\n"),
            "ringpost.toml:4:1: route: 'x.example' already has a route at ringpost.toml:1 "
            "(remove one of them)\n");
}

TEST(Errors, OfTheCommandLine) {
  EXPECT_EQ(errors("", {"spool.directory"}),
            "command line: -O spool.directory: expects key=value\n");
  EXPECT_EQ(errors("", {"=x"}), "command line: -O =x: expects key=value\n");
  EXPECT_EQ(errors("", {"spool.dirctory=/x"}),
            "command line: unknown key 'spool.dirctory' (did you mean 'spool.directory'?)\n");
  EXPECT_EQ(errors("", {"shards.count=many"}),
            "command line: shards.count: expects a whole number from 0 to 128\n");
  EXPECT_EQ(errors("", {"queue_group.bulk.runners=5"}),
            "command line: queue_group.bulk.runners: there is no queue group 'bulk'\n");
  EXPECT_EQ(errors("", {"queue_group.defualt.runners=5"}),
            "command line: queue_group.defualt.runners: there is no queue group 'defualt' "
            "(did you mean 'default'?)\n");
  EXPECT_EQ(errors("", {"queue_group.runners=5"}),
            "command line: queue_group.runners: names no group "
            "(write queue_group.NAME.key=value)\n");
  EXPECT_EQ(errors("", {"queue_group.default.name=x"}),
            "command line: queue_group.default.name: a group keeps its name (remove it)\n");
  EXPECT_EQ(errors("", {"route=[{domain='x.example', hosts=['y z']}]"}),
            "command line: route.hosts: 'y z' is not a domain: only letters, digits, '-', '_' and "
            "'.' may occur (write a name such as mail.example.com)\n");
}

TEST(Errors, AMachineWithoutAUsableNameNeedsOneSet) {
  const std::vector<std::string> hostname{"identity.hostname=mail.example"};
  EXPECT_FALSE(load("", "", {}, {"bad name", 1}));
  EXPECT_TRUE(load("", "", hostname, {"bad name", 1}));
}

TEST(Errors, AllAreReportedInOrderUpToABound) {
  EXPECT_EQ(errors("[timeouts]\nquit = 'x'\n[shards]\ncount = 'y'\n[spool]\nz = 1\n",
                   {"shards.count=many"}),
            "command line: shards.count: expects a whole number from 0 to 128\n"
            "ringpost.toml:2:8: timeouts.quit: 'x' is not a duration: a number is missing at "
            "character 1 (write numbers with the units w, d, h, m, s, for example 2h30m)\n"
            "ringpost.toml:4:9: shards.count: expects a whole number from 0 to 128\n"
            "ringpost.toml:6:1: unknown key 'spool.z'\n");
  std::string many = "[spool]\n";
  for (int i = 0; i < 25; ++i) {
    many += "zebra" + std::to_string(i) + " = 1\n";
  }
  const LoadResult result = load_text(many);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().size(), max_problems + 1);
  EXPECT_EQ(result.error().back().describe(), "5 more problems are not shown");
}

TEST(Errors, AreOneLineEachWhateverTheTextHolds) {
  EXPECT_EQ(errors("[spool]\n\"a\\nready {}\\u001b[2J\" = 1\n"),
            "ringpost.toml:2:1: unknown key 'spool.a\\x0aready {}\\x1b[2J'\n");
  EXPECT_EQ(errors("", {"spool.a\nb=1"}), "command line: unknown key 'spool.a\\x0ab'\n");
}

TEST(Errors, AKeyOfTooManyPartsIsNotGivenToTheParser) {
  // The parser's stack would not bear it.
  std::string parts;
  for (int i = 0; i < 400'000; ++i) {
    parts += "a.";
  }
  const std::string refused = ":1: not TOML: a key has too many parts (quote what is text)\n";
  EXPECT_EQ(errors(parts + "a = 1\n"), "ringpost.toml:1" + refused);
  EXPECT_EQ(errors("[" + parts + "a]\n"), "ringpost.toml:1" + refused);
  EXPECT_EQ(errors("x = '''\n\"'''' # \"\n" + parts + "a = 1\n"), "ringpost.toml:3" + refused);
  EXPECT_EQ(errors("x = {y = \"\"\"\"a\\\"\"\"\"\"\", " + parts + "a = 1}\n"),
            "ringpost.toml:1" + refused);
  EXPECT_EQ(errors("", {"suppression.file={" + parts + "a=1}"}), "ok\n");  // text, then
  // In strings and comments dots are no parts.
  EXPECT_EQ(errors("suppression.file = '" + parts + "' # " + parts), "ok\n");
  EXPECT_EQ(errors("suppression.file = \"\\\"" + parts + "\"\n"), "ok\n");
}

TEST(Errors, AFileWithoutEndIsNotReadToItsEnd) {
  EXPECT_EQ(check_text(load_file("/dev/zero", {}, machine)),
            "cannot read /dev/zero: File too large (errno 27)\n");
}

}  // namespace
}  // namespace ringpost::config
