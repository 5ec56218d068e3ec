#include "ringpost/net/proxy_header.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <span>

#include "ringpost/base/text.h"

namespace ringpost::net {
namespace {

using Status = ProxyHeader::Status;
using Kind = ProxyHeader::Kind;

constexpr std::string_view text_begin = "PROXY ";
constexpr std::size_t longest_text = 107;  // its CRLF included
constexpr std::string_view signature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t fixed_length = 16;  // signature, version and command, family, length

ProxyHeader malformed() {
  ProxyHeader header;
  header.status = Status::malformed;
  return header;
}

ProxyHeader complete(Kind kind, std::size_t length, Endpoint client = {}) {
  return {Status::complete, kind, client, length};
}

// --- version 1 -------------------------------------------------------------------------------

// As decimal digits without leading zeros.
std::optional<std::uint16_t> port_of(std::string_view text) {
  const auto number = parse_number(text);
  const bool canonical = text == "0" || !text.starts_with('0');
  if (!number || !canonical || *number > 65'535) {
    return std::nullopt;
  }
  return static_cast<std::uint16_t>(*number);
}

// "TCP4 192.0.2.1 192.0.2.2 49152 25"
ProxyHeader parse_addresses(std::string_view text, std::size_t length) {
  std::array<std::string_view, 5> fields;
  for (std::size_t at = 0; at < fields.size(); ++at) {
    const std::size_t end = text.find(' ');
    if ((end == std::string_view::npos) != (at + 1 == fields.size())) {
      return malformed();
    }
    fields[at] = text.substr(0, end);
    text.remove_prefix(at + 1 == fields.size() ? text.size() : end + 1);
  }
  const auto family = fields[0] == "TCP4"   ? std::optional(IpAddress::Family::v4)
                      : fields[0] == "TCP6" ? std::optional(IpAddress::Family::v6)
                                            : std::nullopt;
  const auto client = IpAddress::parse(fields[1]);
  const auto server = IpAddress::parse(fields[2]);
  const auto client_port = port_of(fields[3]);
  if (!family || !client || !server || client->family() != family || server->family() != family ||
      !client_port || !port_of(fields[4])) {
    return malformed();
  }
  return complete(Kind::client, length, {*client, *client_port});
}

ProxyHeader parse_text(std::string_view bytes) {
  const std::string_view begin = bytes.substr(0, longest_text);
  const std::size_t end = begin.find('\n');
  if (end == std::string_view::npos) {
    return begin.size() == longest_text ? malformed() : ProxyHeader();
  }
  if (begin[end - 1] != '\r') {
    return malformed();
  }
  const std::string_view line = begin.substr(text_begin.size(), end - 1 - text_begin.size());
  if (line == "UNKNOWN" || line.starts_with("UNKNOWN ")) {
    return complete(Kind::unknown, end + 1);  // whatever else it says
  }
  return parse_addresses(line, end + 1);
}

// --- version 2 -------------------------------------------------------------------------------

std::uint16_t number_at(std::string_view bytes, std::size_t at) {
  const auto octet = [&](std::size_t where) { return static_cast<unsigned char>(bytes[where]); };
  return static_cast<std::uint16_t>(octet(at) << 8 | octet(at + 1));
}

template <std::size_t length>
std::array<std::uint8_t, length> octets_of(std::string_view bytes) {
  std::array<std::uint8_t, length> octets{};
  std::memcpy(octets.data(), bytes.data(), length);
  return octets;
}

// `rest` is what the header has behind its fixed part: addresses, then TLVs.
ProxyHeader parse_family(unsigned char family, std::string_view rest, std::size_t length) {
  constexpr std::size_t unix_addresses = 216;
  switch (family) {
    case 0x00:  // unspecified
      return complete(Kind::unknown, length);
    case 0x11:  // TCP over IPv4: two addresses, two ports
      if (rest.size() < 12) {
        return malformed();
      }
      return complete(Kind::client, length,
                      {IpAddress::v4(octets_of<4>(rest)), number_at(rest, 8)});
    case 0x21:  // over IPv6
      if (rest.size() < 36) {
        return malformed();
      }
      return complete(Kind::client, length,
                      {IpAddress::v6(octets_of<16>(rest)), number_at(rest, 32)});
    case 0x31:  // a Unix stream
      return rest.size() < unix_addresses ? malformed() : complete(Kind::unknown, length);
    default:  // unassigned, or datagrams, in which nobody speaks SMTP
      return malformed();
  }
}

ProxyHeader parse_binary(std::string_view bytes) {
  if (bytes.size() > signature.size()) {
    const auto version_and_command = static_cast<unsigned char>(bytes[signature.size()]);
    if (version_and_command != 0x20 && version_and_command != 0x21) {
      return malformed();
    }
  }
  if (bytes.size() < fixed_length) {
    return {};
  }
  const std::size_t length = fixed_length + number_at(bytes, fixed_length - 2);
  if (length > most_proxy_header) {
    return malformed();
  }
  if (bytes.size() < length) {
    return {};
  }
  if (bytes[signature.size()] == 0x20) {
    return complete(Kind::proxy, length);
  }
  return parse_family(static_cast<unsigned char>(bytes[signature.size() + 1]),
                      bytes.substr(fixed_length, length - fixed_length), length);
}

}  // namespace

ProxyHeader parse_proxy_header(std::string_view bytes) {
  for (const std::string_view begin : {text_begin, signature}) {
    const std::size_t known = std::min(bytes.size(), begin.size());
    if (bytes.substr(0, known) != begin.substr(0, known)) {
      continue;
    }
    if (known < begin.size()) {
      return {};
    }
    return begin == signature ? parse_binary(bytes) : parse_text(bytes);
  }
  return malformed();
}

}  // namespace ringpost::net
