// Internet addresses as values: an address, an address with its port, a network in CIDR notation.
// Used by the configuration, by every room that speaks to the network, and in what is shown to
// operators. Parses and formats; never resolves a name, never opens a socket.
#pragma once

#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ringpost {

class IpAddress {
 public:
  enum class Family : std::uint8_t { v4, v6 };

  // 0.0.0.0
  constexpr IpAddress() = default;
  [[nodiscard]] static IpAddress v4(std::span<const std::uint8_t, 4> bytes);
  [[nodiscard]] static IpAddress v6(std::span<const std::uint8_t, 16> bytes);
  [[nodiscard]] static IpAddress any(Family family);
  [[nodiscard]] static IpAddress loopback(Family family);

  // "192.0.2.1" or "2001:db8::1": no brackets, no zone, no leading zeros in IPv4 (which some
  // programs read as octal). Nothing on anything else.
  [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);
  // The same in the canonical form of RFC 5952.
  [[nodiscard]] std::string to_string() const;

  [[nodiscard]] Family family() const { return family_; }
  [[nodiscard]] bool is_v4() const { return family_ == Family::v4; }
  [[nodiscard]] bool is_v6() const { return family_ == Family::v6; }
  // 4 or 16 bytes in network order.
  [[nodiscard]] std::span<const std::uint8_t> bytes() const {
    return std::span(bytes_).first(is_v4() ? 4 : 16);
  }

  [[nodiscard]] bool is_unspecified() const;
  [[nodiscard]] bool is_loopback() const;
  [[nodiscard]] bool is_multicast() const;
  [[nodiscard]] bool is_link_local() const;
  // ::ffff:192.0.2.1 reaches the same host as 192.0.2.1 and must be judged as it is: this gives
  // the IPv4 address inside a mapped one, and any other address as it stands.
  [[nodiscard]] IpAddress unmapped() const;

  friend bool operator==(const IpAddress&, const IpAddress&) = default;
  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  Family family_ = Family::v4;
  std::array<std::uint8_t, 16> bytes_{};  // IPv4 uses the first four, the rest stay zero
};

struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  // "192.0.2.1:25" or "[2001:db8::1]:25"; the port, 0 to 65535, is required.
  [[nodiscard]] static std::optional<Endpoint> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;

  // Returns the length to hand to the kernel.
  socklen_t to_sockaddr(sockaddr_storage& out) const;
  // Nothing for families other than IPv4 and IPv6.
  [[nodiscard]] static std::optional<Endpoint> from_sockaddr(const sockaddr_storage& from);

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

class Network {
 public:
  // "127.0.0.0/8", "::1/128", or a lone address, which is a network of one. Bits set behind the
  // prefix are refused: 10.1.0.0/8 is a slip of the pen that would let in far too many.
  [[nodiscard]] static std::optional<Network> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;

  // An IPv4-mapped IPv6 address is looked up as the IPv4 address it stands for.
  [[nodiscard]] bool contains(const IpAddress& address) const;
  [[nodiscard]] const IpAddress& address() const { return address_; }
  [[nodiscard]] int prefix_length() const { return prefix_length_; }

  friend bool operator==(const Network&, const Network&) = default;

 private:
  Network(const IpAddress& address, int prefix_length)
      : address_(address), prefix_length_(prefix_length) {}

  IpAddress address_;
  int prefix_length_ = 0;
};

}  // namespace ringpost

template <>
struct std::hash<ringpost::IpAddress> {
  std::size_t operator()(const ringpost::IpAddress& address) const noexcept {
    const auto bytes = address.bytes();
    return std::hash<std::string_view>{}(
        {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
};

template <>
struct std::hash<ringpost::Endpoint> {
  std::size_t operator()(const ringpost::Endpoint& endpoint) const noexcept {
    return std::hash<ringpost::IpAddress>{}(endpoint.address) * 31 + endpoint.port;
  }
};
