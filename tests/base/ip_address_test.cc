#include "ringpost/base/ip_address.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>

namespace ringpost {
namespace {

IpAddress address(const char* text) {
  const auto parsed = IpAddress::parse(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(IpAddress());
}

TEST(IpAddress, SurvivesItsText) {
  for (const char* text : {"0.0.0.0", "127.0.0.1", "255.255.255.255", "::", "::1", "2001:db8::1",
                           "fe80::1:2:3:4", "::ffff:192.0.2.1"}) {
    EXPECT_EQ(address(text).to_string(), text);
  }
  EXPECT_EQ(address("2001:DB8:0:0:0:0:0:1").to_string(), "2001:db8::1");
  EXPECT_EQ(IpAddress().to_string(), "0.0.0.0");
}

TEST(IpAddress, RefusesWhatIsNone) {
  for (const std::string& text :
       {std::string(), std::string("1"), std::string("1.2.3"), std::string("1.2.3.4.5"),
        std::string("256.0.0.1"), std::string("010.0.0.1"), std::string("1.2.3.4 "),
        std::string(" ::1"), std::string(":::"), std::string("[::1]"), std::string("fe80::1%eth0"),
        std::string("1.2.3.4\0", 8), std::string(1000, ':'), std::string("localhost")}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
}

TEST(IpAddress, KnowsItsKind) {
  EXPECT_TRUE(address("127.255.0.1").is_loopback());
  EXPECT_TRUE(address("::1").is_loopback());
  EXPECT_FALSE(address("128.0.0.1").is_loopback());
  EXPECT_FALSE(address("::2").is_loopback());
  EXPECT_TRUE(address("0.0.0.0").is_unspecified());
  EXPECT_TRUE(address("::").is_unspecified());
  EXPECT_TRUE(address("224.0.0.1").is_multicast());
  EXPECT_TRUE(address("239.255.255.255").is_multicast());
  EXPECT_FALSE(address("240.0.0.1").is_multicast());
  EXPECT_TRUE(address("ff02::1").is_multicast());
  EXPECT_TRUE(address("169.254.1.1").is_link_local());
  EXPECT_TRUE(address("febf::1").is_link_local());
  EXPECT_FALSE(address("fec0::1").is_link_local());
}

TEST(IpAddress, AMappedOneStandsForAnotherFamily) {
  EXPECT_EQ(address("::ffff:127.0.0.1").unmapped(), address("127.0.0.1"));
  EXPECT_EQ(address("::127.0.0.1").unmapped(), address("::127.0.0.1"));
  EXPECT_EQ(address("192.0.2.1").unmapped(), address("192.0.2.1"));
  EXPECT_NE(address("::ffff:127.0.0.1"), address("127.0.0.1"));
}

TEST(Endpoint, SurvivesItsText) {
  for (const char* text : {"127.0.0.1:25", "0.0.0.0:0", "[::1]:65535", "[2001:db8::1]:25"}) {
    const auto endpoint = Endpoint::parse(text);
    ASSERT_TRUE(endpoint) << text;
    EXPECT_EQ(endpoint->to_string(), text);
  }
}

TEST(Endpoint, RefusesWhatIsNone) {
  for (const char* text : {"", ":", "25", ":25", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
                           "127.0.0.1:-1", "127.0.0.1: 25", "::1:25", "[127.0.0.1]:25", "[::1]",
                           "[::1]25", "[]:25", "::1]:25", "[::1:25", "localhost:25"}) {
    EXPECT_FALSE(Endpoint::parse(text)) << text;
  }
}

TEST(Endpoint, PassesThroughTheKernelsForm) {
  for (const char* text : {"192.0.2.1:2525", "[2001:db8::1]:25"}) {
    const Endpoint endpoint = *Endpoint::parse(text);
    sockaddr_storage raw;
    std::memset(&raw, 0xff, sizeof(raw));
    EXPECT_EQ(endpoint.to_sockaddr(raw), endpoint.address.is_v4() ? 16U : 28U);
    EXPECT_EQ(Endpoint::from_sockaddr(raw), endpoint);
  }
  sockaddr_storage local{};
  local.ss_family = AF_UNIX;
  EXPECT_FALSE(Endpoint::from_sockaddr(local));
}

struct Membership {
  const char* network;
  const char* inside;
  const char* outside;
};

TEST(Network, ContainsWhatItsPrefixSays) {
  const Membership cases[] = {
      {"127.0.0.0/8", "127.255.255.255", "128.0.0.0"},
      {"192.0.2.128/25", "192.0.2.128", "192.0.2.127"},
      {"10.16.0.0/12", "10.31.255.255", "10.32.0.0"},
      {"192.0.2.1/32", "192.0.2.1", "192.0.2.0"},
      {"192.0.2.1", "192.0.2.1", "192.0.2.2"},
      {"0.0.0.0/0", "255.255.255.255", "::1"},
      {"::1/128", "::1", "::2"},
      {"fe80::/10", "febf:ffff::1", "fec0::"},
      {"::/0", "2001:db8::1", "127.0.0.1"},
      {"127.0.0.0/8", "::ffff:127.0.0.1", "::127.0.0.1"},
  };
  for (const Membership& test : cases) {
    const auto network = Network::parse(test.network);
    ASSERT_TRUE(network) << test.network;
    EXPECT_TRUE(network->contains(address(test.inside))) << test.network;
    EXPECT_FALSE(network->contains(address(test.outside))) << test.network;
  }
  EXPECT_EQ(Network::parse("192.0.2.1")->to_string(), "192.0.2.1/32");
}

TEST(Network, RefusesWhatIsNone) {
  for (const char* text :
       {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "::/129", "10.1.0.0/8",
        "192.0.2.129/25", "2001:db8::1/32", "10.0.0.0/8/8", "example.com/8"}) {
    EXPECT_FALSE(Network::parse(text)) << text;
  }
}

}  // namespace
}  // namespace ringpost
