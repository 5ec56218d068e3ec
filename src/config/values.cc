#include "ringpost/config/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "ringpost/base/check.h"
#include "ringpost/base/international_domain.h"
#include "ringpost/base/text.h"

namespace ringpost::config {
namespace {

constexpr std::size_t max_domain_length = 253;
constexpr std::size_t max_label_length = 63;
constexpr std::array<std::string_view, 4> tls_policies{"none", "may", "encrypt", "verify"};

bool is_label_character(char c) {
  return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_';
}

std::string_view why_no_domain(std::string_view name) {
  if (name.empty()) {
    return "it is empty";
  }
  if (name.size() > max_domain_length) {
    return "it is longer than 253 bytes";
  }
  std::size_t length = 0;
  for (const char c : name) {
    if (c == '.') {
      if (length == 0) {
        return "a label is empty";
      }
      length = 0;
      continue;
    }
    if (static_cast<unsigned char>(c) >= 0x80) {
      return "it is not in its ASCII form (xn--…)";
    }
    if (!is_label_character(c)) {
      return "only letters, digits, '-', '_' and '.' may occur";
    }
    if (++length > max_label_length) {
      return "a label is longer than 63 bytes";
    }
  }
  return length == 0 ? "a label is empty" : "";
}

}  // namespace

std::string_view name_of(Durability durability) {
  static constexpr std::string_view names[] = {"commit", "interval", "memory"};
  return names[static_cast<std::size_t>(durability)];
}

std::string_view name_of(TlsPolicy policy) {
  return tls_policies[static_cast<std::size_t>(policy)];
}

TlsPolicy tls_policy_named(std::string_view name) {
  const auto* const found = std::ranges::find(tls_policies, name);
  check(found != tls_policies.end(), "a TLS policy is known by its name");
  return static_cast<TlsPolicy>(found - tls_policies.begin());
}

std::string Host::to_string() const {
  const std::string host = !address           ? name
                           : address->is_v4() ? address->to_string()
                                              : fmt::format("[{}]", address->to_string());
  return port == 0 ? host : fmt::format("{}:{}", host, port);
}

Result<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t unit = 1;
  std::string_view digits = text;
  if (!text.empty() && !is_digit(text.back())) {
    switch (ascii_lower(text.back())) {
      case 'k':
        unit = 1ULL << 10;
        break;
      case 'm':
        unit = 1ULL << 20;
        break;
      case 'g':
        unit = 1ULL << 30;
        break;
      default:
        unit = 0;
    }
    digits.remove_suffix(1);
  }
  const auto number = parse_number(digits);
  if (!number || unit == 0 || *number > std::numeric_limits<std::int64_t>::max() / unit) {
    return fail(fmt::format("'{}' is not a size", text),
                "write a number of bytes, or one with K, M or G, for example 64M");
  }
  return *number * unit;
}

Result<double> parse_rate(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto number = parse_number(text.substr(0, slash));
  double seconds = 0;
  if (slash != std::string_view::npos && text.size() == slash + 2) {
    switch (ascii_lower(text.back())) {
      case 's':
        seconds = 1;
        break;
      case 'm':
        seconds = 60;
        break;
      case 'h':
        seconds = 3'600;
        break;
      case 'd':
        seconds = 86'400;
        break;
      default:
        break;
    }
  }
  if (!number || *number == 0 || *number > 1'000'000'000 || seconds == 0) {
    return fail(fmt::format("'{}' is not a rate", text),
                "write messages per s, m, h or d, for example 100/s or 5000/h");
  }
  return static_cast<double>(*number) / seconds;
}

Result<std::string> parse_domain(std::string_view text, bool suffix_allowed) {
  std::string made;
  const bool pattern = text.starts_with("*.");
  std::string domain = pattern ? "*." : "";
  domain += ascii_domain(text.substr(pattern ? 2 : 0), made);
  domain = to_lower(domain);
  if (domain.size() > 1 && domain.back() == '.') {
    domain.pop_back();
  }
  const bool suffix = domain.starts_with("*.");
  const std::string_view name = std::string_view(domain).substr(suffix ? 2 : 0);
  std::string_view why = why_no_domain(name);
  if (suffix && !suffix_allowed) {
    why = "a pattern is not allowed here";
  }
  if (!why.empty()) {
    return fail(fmt::format("'{}' is not a domain{}: {}", text,
                            suffix_allowed ? " or domain pattern" : "", why),
                suffix_allowed ? "write example.com, or *.example.com for all names below it"
                               : "write a name such as mail.example.com");
  }
  return domain;
}

Result<Host> parse_host(std::string_view text) {
  const auto bad = [&](std::string_view why) {
    return fail(fmt::format("'{}' is not a host: {}", text, why),
                "write mx.example:25, 192.0.2.1:25 or [2001:db8::1]:25; the port may be left out");
  };
  Host host;
  std::string_view name = text;
  std::string_view port;
  bool port_given = false;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) {
      return bad("the closing ']' is missing");
    }
    name = text.substr(1, close - 1);
    const std::string_view rest = text.substr(close + 1);
    host.address = IpAddress::parse(name);
    if (!host.address || (!rest.empty() && rest.front() != ':')) {
      return bad("between brackets stands an address, behind them a port");
    }
    port_given = !rest.empty();
    port = rest.substr(port_given ? 1 : 0);
  } else if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    if (text.find(':', colon + 1) != std::string_view::npos) {
      return bad("an IPv6 address needs brackets");
    }
    port_given = true;
    name = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  if (port_given) {
    const auto number = parse_number(port);
    if (!number || *number == 0 || *number > 65'535) {
      return bad("the port is not between 1 and 65535");
    }
    host.port = static_cast<std::uint16_t>(*number);
  }
  if (!host.address) {
    host.address = IpAddress::parse(name);
  }
  if (!host.address) {
    Result<std::string> domain = parse_domain(name, false);
    if (!domain) {
      return std::unexpected(std::move(domain.error()));
    }
    host.name = *std::move(domain);
    // All digits and dots, yet no address: a slip of the pen, and never a name of the DNS.
    if (host.name.find_first_not_of("0123456789.") == std::string::npos) {
      return bad("this is neither a name nor an address");
    }
  }
  return host;
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= max_name && std::ranges::all_of(text, is_label_character);
}

}  // namespace ringpost::config
