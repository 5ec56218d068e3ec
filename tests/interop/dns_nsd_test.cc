// The resolver against NSD, a name server we did not write, run on loopback with zones of our own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>

#include "ringpost/dns/resolver.h"
#include "ringpost/ring/linux_kernel.h"

extern char** environ;

namespace ringpost::dns {
namespace {

using ::testing::ElementsAre;
using ::testing::StartsWith;

constexpr std::string_view zone_head = R"($TTL 300
@ IN SOA ns.zone.test. hostmaster.zone.test. 1 3600 600 86400 60
@ IN NS ns.zone.test.
)";
constexpr std::string_view zone_body = R"(ns IN A 127.0.0.1
two IN MX 20 b.zone.test.
two IN MX 10 A.Zone.Test.
null IN MX 0 .
mixed IN MX 0 .
mixed IN MX 5 a.zone.test.
plain IN A 192.0.2.7
alias IN CNAME two
chain IN CNAME alias
dangling IN CNAME missing
here IN TXT "no host"
a IN A 192.0.2.1
a IN AAAA 2001:db8::1
b IN A 192.0.2.2
*.wild IN MX 10 a.zone.test.
)";

Endpoint free_endpoint() {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_storage address{};
  socklen_t length = Endpoint{IpAddress::loopback(IpAddress::Family::v4), 0}.to_sockaddr(address);
  check(::bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0, "no free port");
  length = sizeof(address);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  ::close(fd);
  return Endpoint::from_sockaddr(address).value();
}

// One NSD in a directory of its own, ended with the object.
class Nsd {
 public:
  explicit Nsd(const Endpoint& at) : directory_(make_directory()) {
    write("zone.test", std::string(zone_head) + std::string(zone_body));
    write("many.test", many_hosts());
    // broken.test gets no zone file: NSD answers SERVFAIL.
    write("nsd.conf", configuration(at));
    const std::string file = directory_ + "/nsd.conf";
    // It ends with the test program, also where that one ends in a failed check.
    const char* const arguments[] = {"setpriv", "--pdeathsig", "TERM",       "/usr/sbin/nsd",
                                     "-d",      "-c",          file.c_str(), nullptr};
    check(::posix_spawn(&pid_, "/usr/bin/setpriv", nullptr, nullptr,
                        const_cast<char* const*>(arguments), environ) == 0,
          "nsd did not start");
  }
  ~Nsd() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
    std::filesystem::remove_all(directory_);
  }

 private:
  static std::string make_directory() {
    std::string path = std::filesystem::temp_directory_path() / "ringpost-nsd-XXXXXX";
    check(::mkdtemp(path.data()) != nullptr, "no temporary directory");
    return path;
  }
  static std::string many_hosts() {
    std::string zone(zone_head);
    for (int i = 0; i < 120; ++i) {
      zone += "@ IN MX " + std::to_string(i) + " a-rather-long-name-of-host-number-" +
              std::to_string(i) + ".zone.test.\n";
    }
    return zone;
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(directory_ + "/" + name) << text;
  }
  [[nodiscard]] std::string configuration(const Endpoint& at) const {
    const auto path = [&](const std::string& name) { return '"' + directory_ + "/" + name + '"'; };
    std::string text = "server:\n  ip-address: " + at.address.to_string() + "@" +
                       std::to_string(at.port) +
                       "\n  server-count: 1\n  username: \"\"\n  chroot: \"\"\n  database: \"\"\n";
    for (const char* file : {"pidfile", "zonelistfile", "xfrdfile", "logfile"}) {
      text += std::string("  ") + file + ": " + path(file) + "\n";
    }
    text += "  zonesdir: " + path("") + "\n  xfrdir: " + path("") +
            "\nremote-control:\n  control-enable: no\n";
    for (const char* zone : {"zone.test", "many.test", "broken.test"}) {
      text += std::string("zone:\n  name: ") + zone + "\n  zonefile: " + path(zone) + "\n";
    }
    return text;
  }

  std::string directory_;
  pid_t pid_ = -1;
};

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

class NsdTest : public ::testing::Test {
 protected:
  NsdTest()
      : at_(free_endpoint()),
        nsd_(at_),
        kernel_(ring::LinuxKernel::create({.submission_entries = 256, .completion_entries = 1024})
                    .value()),
        reactor_(*kernel_, {.receive_buffers = 64, .receive_buffer_size = 4096}) {
    check(reactor_.start().has_value(), "the reactor did not start");
    settings_.servers.push_back(at_);
    // The server is up as soon as it answers. Until then the port refuses, every 50 ms anew.
    ResolverSettings patient = settings_;
    patient.retransmit_after = 50ms;
    patient.transmissions = 400;
    Resolver first(reactor_, patient);
    std::optional<MxAnswer> answer;
    reactor_.run(ask_mx(first, "two.zone.test", answer));
    reactor_.run(close_resolver(first));
    check(answer->status == LookupStatus::found, "nsd does not answer");
    resolver_.emplace(reactor_, settings_);
  }
  ~NsdTest() override { reactor_.run(close_resolver(*resolver_)); }

  MxAnswer mx(std::string domain) {
    std::optional<MxAnswer> answer;
    reactor_.run(ask_mx(*resolver_, std::move(domain), answer));
    return answer.value();
  }
  AddressAnswer addresses(std::string host) {
    std::optional<AddressAnswer> answer;
    reactor_.run(ask_addresses(*resolver_, std::move(host), answer));
    return answer.value();
  }

  Endpoint at_;
  Nsd nsd_;
  std::unique_ptr<ring::LinuxKernel> kernel_;
  ring::Reactor reactor_;
  ResolverSettings settings_{.cache_entries = 64};
  std::optional<Resolver> resolver_;
};

TEST_F(NsdTest, AnswersEveryKindOfDomain) {
  const auto both = ElementsAre(MxHost{10, "a.zone.test"}, MxHost{20, "b.zone.test"});
  const MxAnswer two = mx("Two.Zone.TEST.");
  EXPECT_THAT(two.hosts, both);
  EXPECT_GT(two.expires - reactor_.now(), 200s);
  EXPECT_THAT(mx("alias.zone.test").hosts, both);
  EXPECT_THAT(mx("chain.zone.test").hosts, both);
  EXPECT_THAT(mx("mixed.zone.test").hosts, ElementsAre(MxHost{5, "a.zone.test"}));
  EXPECT_THAT(mx("anything.wild.zone.test").hosts, ElementsAre(MxHost{10, "a.zone.test"}));

  const MxAnswer null_mx = mx("null.zone.test");
  EXPECT_EQ(null_mx.status, LookupStatus::permanent);
  EXPECT_EQ(null_mx.problem.status.to_string(), "5.1.10");

  const MxAnswer plain = mx("plain.zone.test");
  EXPECT_TRUE(plain.implicit);
  EXPECT_THAT(plain.hosts, ElementsAre(MxHost{0, "plain.zone.test"}));
  EXPECT_LE(plain.expires - reactor_.now(), 60s);

  for (const char* missing : {"missing.zone.test", "dangling.zone.test"}) {
    const MxAnswer answer = mx(missing);
    EXPECT_EQ(answer.status, LookupStatus::permanent);
    EXPECT_EQ(answer.problem.status.to_string(), "5.1.2");
    EXPECT_THAT(answer.problem.reason, StartsWith("DNS: NXDOMAIN for "));
  }
  EXPECT_EQ(resolver_->transport_counters().ignored, 0U);
  EXPECT_EQ(resolver_->transport_counters().unanswered, 0U);
}

TEST_F(NsdTest, FailuresAreTemporary) {
  const MxAnswer broken = mx("broken.test");
  EXPECT_EQ(broken.status, LookupStatus::temporary);
  EXPECT_EQ(broken.problem.reason, "DNS: SERVFAIL for broken.test MX from " + at_.to_string());
  const MxAnswer foreign = mx("elsewhere.example");
  EXPECT_EQ(foreign.status, LookupStatus::temporary);
  EXPECT_EQ(foreign.problem.reason,
            "DNS: REFUSED for elsewhere.example MX from " + at_.to_string());
}

TEST_F(NsdTest, GivesAddresses) {
  EXPECT_THAT(addresses("a.zone.test").addresses,
              ElementsAre(IpAddress::parse("2001:db8::1"), IpAddress::parse("192.0.2.1")));
  EXPECT_THAT(addresses("b.zone.test").addresses, ElementsAre(IpAddress::parse("192.0.2.2")));
  EXPECT_EQ(addresses("here.zone.test").problem.reason, "DNS: host here.zone.test has no address");
  EXPECT_EQ(addresses("missing.zone.test").status, LookupStatus::permanent);
}

TEST_F(NsdTest, FetchesLongAnswersOverTcp) {
  const MxAnswer answer = mx("many.test");
  ASSERT_EQ(answer.hosts.size(), max_mx_hosts);
  EXPECT_EQ(answer.hosts.back().name, "a-rather-long-name-of-host-number-31.zone.test");
  EXPECT_EQ(resolver_->transport_counters().tcp_queries, 1U);
}

}  // namespace
}  // namespace ringpost::dns
