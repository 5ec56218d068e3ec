#include "ringpost/dns/resolv_conf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace ringpost::dns {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> servers(std::string_view text) {
  std::vector<std::string> shown;
  for (const Endpoint& server : parse_resolv_conf(text)) {
    shown.push_back(server.to_string());
  }
  return shown;
}

TEST(ResolvConf, TakesNameserverLinesInOrder) {
  EXPECT_THAT(servers("# made by hand\nsearch example.org\nnameserver 192.0.2.1\n"
                      "nameserver\t2001:db8::1 \t# second\r\noptions edns0\n"),
              ElementsAre("192.0.2.1:53", "[2001:db8::1]:53"));
  EXPECT_THAT(servers("nameserver 192.0.2.1"), ElementsAre("192.0.2.1:53"));
}

TEST(ResolvConf, PassesOverWhatItCannotRead) {
  EXPECT_THAT(servers("nameserver\nnameserver \n nameserver 192.0.2.7\nnameserver192.0.2.8\n"
                      "nameservers 192.0.2.9\n#nameserver 192.0.2.6\nnameserver fe80::1%eth0\n"
                      "nameserver example.org\nnameserver 192.0.2.1\n"),
              ElementsAre("192.0.2.1:53"));
}

TEST(ResolvConf, BoundsAndDeduplicates) {
  EXPECT_THAT(servers("nameserver 192.0.2.1\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n"
                      "nameserver 192.0.2.3\nnameserver 192.0.2.4\n"),
              ElementsAre("192.0.2.1:53", "192.0.2.2:53", "192.0.2.3:53"));
}

TEST(ResolvConf, FallsBackToThisHost) {
  EXPECT_THAT(servers(""), ElementsAre("127.0.0.1:53"));
  EXPECT_THAT(servers("nameserver nowhere\n"), ElementsAre("127.0.0.1:53"));
}

}  // namespace
}  // namespace ringpost::dns
