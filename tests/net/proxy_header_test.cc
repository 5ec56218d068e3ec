#include "ringpost/net/proxy_header.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ringpost::net {
namespace {

using Status = ProxyHeader::Status;
using Kind = ProxyHeader::Kind;

const std::string signature("\r\n\r\n\0\r\nQUIT\n", 12);

std::string binary(unsigned char version_and_command, unsigned char family,
                   const std::string& rest) {
  std::string header = signature;
  header += static_cast<char>(version_and_command);
  header += static_cast<char>(family);
  header += static_cast<char>(rest.size() >> 8);
  header += static_cast<char>(rest.size() & 0xff);
  return header + rest;
}

std::string v4_addresses() {
  return {'\xc0', 0, 2, 1, 10, 0, 0, 1, '\xc0', 0, 0, 25};
}

std::string v6_addresses() {
  std::string bytes("\x20\x01\x0d\xb8", 4);
  bytes += std::string(11, '\0') + '\x07';
  bytes += std::string(16, '\1');
  return bytes + std::string("\x00\x01\x00\x19", 4);
}

// What is said of every beginning of it but the whole must be "more", and what follows must not
// matter.
void expect(const std::string& header, Kind kind, const std::string& client) {
  for (std::size_t length = 0; length < header.size(); ++length) {
    EXPECT_EQ(parse_proxy_header(header.substr(0, length)).status, Status::need_more) << length;
  }
  for (const std::string behind : {"", "E", "EHLO x\r\n", "\r\n", "PROXY "}) {
    const ProxyHeader parsed = parse_proxy_header(header + behind);
    ASSERT_EQ(parsed.status, Status::complete) << header;
    EXPECT_EQ(parsed.length, header.size());
    EXPECT_EQ(parsed.kind, kind);
    if (kind == Kind::client) {
      EXPECT_EQ(parsed.client.to_string(), client);
    }
  }
}

TEST(ProxyHeader, TextNamesTheClient) {
  expect("PROXY TCP4 192.0.2.1 10.0.0.1 49152 25\r\n", Kind::client, "192.0.2.1:49152");
  expect("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", Kind::client,
         "255.255.255.255:65535");
  expect("PROXY TCP6 2001:db8::7 ::1 1 25\r\n", Kind::client, "[2001:db8::7]:1");
}

TEST(ProxyHeader, TextMayNotKnowTheClient) {
  expect("PROXY UNKNOWN\r\n", Kind::unknown, "");
  expect(
      "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
      Kind::unknown, "");
}

TEST(ProxyHeader, BinaryNamesTheClient) {
  expect(binary(0x21, 0x11, v4_addresses()), Kind::client, "192.0.2.1:49152");
  expect(binary(0x21, 0x21, v6_addresses()), Kind::client, "[2001:db8::7]:1");
}

TEST(ProxyHeader, BinaryTypedValuesArePassedOver) {
  const std::string values = std::string("\x04\x00\x03xyz", 6) + std::string("\x01\x00\x01h", 4);
  expect(binary(0x21, 0x11, v4_addresses() + values), Kind::client, "192.0.2.1:49152");
  const std::string many(most_proxy_header - 16 - v4_addresses().size(), '\4');
  expect(binary(0x21, 0x11, v4_addresses() + many), Kind::client, "192.0.2.1:49152");
  EXPECT_EQ(parse_proxy_header(binary(0x21, 0x11, v4_addresses() + many + 'x')).status,
            Status::malformed);
}

TEST(ProxyHeader, BinaryWithoutAClientOfTheInternet) {
  expect(binary(0x20, 0x00, ""), Kind::proxy, "");
  expect(binary(0x20, 0x11, v4_addresses()), Kind::proxy, "");
  expect(binary(0x20, 0xff, "whatever"), Kind::proxy, "");
  expect(binary(0x21, 0x00, ""), Kind::unknown, "");
  expect(binary(0x21, 0x00, "whatever"), Kind::unknown, "");
  expect(binary(0x21, 0x31, std::string(216, 'u')), Kind::unknown, "");
}

TEST(ProxyHeader, WhatIsNoneIsSeenAtOnce) {
  for (const std::string begin :
       {"E", "EHLO x\r\n", "\n", "p", "PROXX", "PROXY\r", "\r\nQ", "\r\n\r\n\1", " PROXY "}) {
    EXPECT_EQ(parse_proxy_header(begin).status, Status::malformed) << begin;
  }
  EXPECT_EQ(parse_proxy_header(signature + '\x11').status, Status::malformed) << "version 1";
  EXPECT_EQ(parse_proxy_header(signature + '\x22').status, Status::malformed) << "command 2";
  EXPECT_EQ(parse_proxy_header(signature + std::string("\x21\x11\xff\xff", 4)).status,
            Status::malformed)
      << "too long";
}

TEST(ProxyHeader, TextThatIsNotExactIsMalformed) {
  for (const std::string& line :
       std::vector<std::string>{"PROXY \r\n",
                                "PROXY TCP4\r\n",
                                "PROXY TCP4 192.0.2.1 10.0.0.1 1\r\n",
                                "PROXY TCP4 192.0.2.1 10.0.0.1 1 25 \r\n",
                                "PROXY TCP4 192.0.2.1 10.0.0.1 1 25 3\r\n",
                                "PROXY TCP4  192.0.2.1 10.0.0.1 1 25\r\n",
                                "PROXY TCP4 192.0.2.1 10.0.0.1 1 25\n",
                                "PROXY TCP4 192.0.2.01 10.0.0.1 1 25\r\n",
                                "PROXY TCP4 192.0.2 10.0.0.1 1 25\r\n",
                                "PROXY TCP4 192.0.2.1 10.0.0.1 65536 25\r\n",
                                "PROXY TCP4 192.0.2.1 10.0.0.1 01 25\r\n",
                                "PROXY TCP4 192.0.2.1 10.0.0.1 -1 25\r\n",
                                "PROXY TCP4 192.0.2.1 10.0.0.1 1 x\r\n",
                                "PROXY TCP4 192.0.2.1 10.0.0.1 1 \r\n",
                                "PROXY TCP4 ::1 ::1 1 25\r\n",
                                "PROXY TCP6 192.0.2.1 10.0.0.1 1 25\r\n",
                                "PROXY TCP6 ::1 10.0.0.1 1 25\r\n",
                                "PROXY UDP4 192.0.2.1 10.0.0.1 1 25\r\n",
                                "PROXY tcp4 192.0.2.1 10.0.0.1 1 25\r\n",
                                "PROXY UNKNOWNX\r\n",
                                "PROXY UNKNOWN\n",
                                "PROXY UNKNOWN " + std::string(92, 'x') + "\r\n",
                                "PROXY UNKNOWN " + std::string(100, 'x')}) {
    EXPECT_EQ(parse_proxy_header(line).status, Status::malformed) << line;
  }
}

TEST(ProxyHeader, BinaryThatIsTooShortOrOfAnotherKindIsMalformed) {
  for (const std::string& header :
       {binary(0x21, 0x11, v4_addresses().substr(1)), binary(0x21, 0x21, v6_addresses().substr(1)),
        binary(0x21, 0x31, std::string(215, 'u')), binary(0x21, 0x11, ""),
        binary(0x21, 0x12, v4_addresses()), binary(0x21, 0x22, v6_addresses()),
        binary(0x21, 0x32, std::string(216, 'u')), binary(0x21, 0x10, v4_addresses()),
        binary(0x21, 0x41, v4_addresses()), binary(0x21, 0x01, v4_addresses())}) {
    EXPECT_EQ(parse_proxy_header(header).status, Status::malformed);
  }
}

}  // namespace
}  // namespace ringpost::net
