#include "ringpost/base/ip_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "ringpost/base/check.h"
#include "ringpost/base/text.h"

namespace ringpost {

namespace {

// Whether the first `count` bits of both are equal.
bool same_bits(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b, int count) {
  const auto whole = static_cast<std::size_t>(count / 8);
  if (!std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(whole), b.begin())) {
    return false;
  }
  const int rest = count % 8;
  return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

}  // namespace

IpAddress IpAddress::v4(std::span<const std::uint8_t, 4> bytes) {
  IpAddress address;
  std::ranges::copy(bytes, address.bytes_.begin());
  return address;
}

IpAddress IpAddress::v6(std::span<const std::uint8_t, 16> bytes) {
  IpAddress address;
  address.family_ = Family::v6;
  std::ranges::copy(bytes, address.bytes_.begin());
  return address;
}

IpAddress IpAddress::any(Family family) {
  IpAddress address;
  address.family_ = family;
  return address;
}

IpAddress IpAddress::loopback(Family family) {
  IpAddress address = any(family);
  if (family == Family::v4) {
    address.bytes_[0] = 127;
    address.bytes_[3] = 1;
  } else {
    address.bytes_[15] = 1;
  }
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  char copy[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof(copy) || text.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  text.copy(copy, text.size());
  copy[text.size()] = '\0';
  std::array<std::uint8_t, 16> bytes{};
  if (text.find(':') != std::string_view::npos) {
    if (inet_pton(AF_INET6, copy, bytes.data()) != 1) {
      return std::nullopt;
    }
    return v6(bytes);
  }
  if (inet_pton(AF_INET, copy, bytes.data()) != 1) {
    return std::nullopt;
  }
  const IpAddress address = v4(std::span(bytes).first<4>());
  // Some versions of inet_pton let leading zeros pass; the canonical text has none.
  return address.to_string() == text ? std::optional(address) : std::nullopt;
}

std::string IpAddress::to_string() const {
  char text[INET6_ADDRSTRLEN];
  const char* written = inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes_.data(), text, sizeof(text));
  check(written != nullptr, "an address has a text form");
  return written;
}

bool IpAddress::is_unspecified() const {
  return std::ranges::all_of(bytes(), [](std::uint8_t byte) { return byte == 0; });
}

bool IpAddress::is_loopback() const {
  return is_v4() ? bytes_[0] == 127 : *this == loopback(Family::v6);
}

bool IpAddress::is_multicast() const {
  return is_v4() ? bytes_[0] >> 4 == 0xe : bytes_[0] == 0xff;
}

bool IpAddress::is_link_local() const {
  return is_v4() ? bytes_[0] == 169 && bytes_[1] == 254
                 : bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}

IpAddress IpAddress::unmapped() const {
  static constexpr std::array<std::uint8_t, 12> mapped_prefix = {0, 0, 0, 0, 0,    0,
                                                                 0, 0, 0, 0, 0xff, 0xff};
  if (is_v4() || !std::equal(mapped_prefix.begin(), mapped_prefix.end(), bytes_.begin())) {
    return *this;
  }
  return v4(std::span(bytes_).subspan<12, 4>());
}

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return std::nullopt;
  }
  const auto port = parse_number(text.substr(colon + 1));
  if (!port || *port > 65535) {
    return std::nullopt;
  }
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) {
    host = host.substr(1, host.size() - 2);
  }
  const auto address = IpAddress::parse(host);
  if (!address || address->is_v6() != bracketed) {
    return std::nullopt;
  }
  return Endpoint{*address, static_cast<std::uint16_t>(*port)};
}

std::string Endpoint::to_string() const {
  return address.is_v4() ? fmt::format("{}:{}", address.to_string(), port)
                         : fmt::format("[{}]:{}", address.to_string(), port);
}

socklen_t Endpoint::to_sockaddr(sockaddr_storage& out) const {
  std::memset(&out, 0, sizeof(out));
  const auto bytes = address.bytes();
  if (address.is_v4()) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, bytes.data(), bytes.size());
    std::memcpy(&out, &in, sizeof(in));
    return sizeof(in);
  }
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port);
  std::memcpy(&in.sin6_addr, bytes.data(), bytes.size());
  std::memcpy(&out, &in, sizeof(in));
  return sizeof(in);
}

std::optional<Endpoint> Endpoint::from_sockaddr(const sockaddr_storage& from) {
  if (from.ss_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &from, sizeof(in));
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &in.sin_addr, bytes.size());
    return Endpoint{IpAddress::v4(bytes), ntohs(in.sin_port)};
  }
  if (from.ss_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &from, sizeof(in));
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
    return Endpoint{IpAddress::v6(bytes), ntohs(in.sin6_port)};
  }
  return std::nullopt;
}

std::optional<Network> Network::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) {
    return std::nullopt;
  }
  const int whole = address->is_v4() ? 32 : 128;
  if (slash == std::string_view::npos) {
    return Network(*address, whole);
  }
  const auto prefix = parse_number(text.substr(slash + 1));
  if (!prefix || *prefix > static_cast<std::uint64_t>(whole)) {
    return std::nullopt;
  }
  const Network network(*address, static_cast<int>(*prefix));
  const auto bytes = address->bytes();
  for (int bit = network.prefix_length_; bit < whole; ++bit) {
    if ((bytes[static_cast<std::size_t>(bit / 8)] >> (7 - bit % 8) & 1) != 0) {
      return std::nullopt;
    }
  }
  return network;
}

std::string Network::to_string() const {
  return fmt::format("{}/{}", address_.to_string(), prefix_length_);
}

bool Network::contains(const IpAddress& address) const {
  if (address.family() == address_.family()) {
    return same_bits(address.bytes(), address_.bytes(), prefix_length_);
  }
  const IpAddress plain = address.unmapped();
  return plain.family() == address_.family() &&
         same_bits(plain.bytes(), address_.bytes(), prefix_length_);
}

}  // namespace ringpost
