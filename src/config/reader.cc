#include "ringpost/config/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "ringpost/config/suggest.h"
#include "ringpost/config/values.h"

namespace ringpost::config {

Place place_of(const toml::source_region& region, std::string_view file) {
  return Place{std::string(file), region.begin.line, region.begin.column};
}

Reader::Reader(const toml::node& node, std::string path, const Place& place,
               std::optional<std::string_view> raw, Origins& origins,
               std::vector<Problem>& problems)
    : node_(node),
      path_(std::move(path)),
      place_(place),
      raw_(raw),
      origins_(origins),
      problems_(problems) {}

void Reader::problem_at(const Place& place, std::string message, std::string suggestion) const {
  problems_.push_back(Problem{place, fmt::format("{}: {}", path_, message), std::move(suggestion)});
}

void Reader::problem(std::string message, std::string suggestion) const {
  problem_at(place_, std::move(message), std::move(suggestion));
}

void Reader::expected(std::string_view what) const {
  problem(fmt::format("expects {}", what));
}

std::optional<std::string> Reader::string_value() const {
  if (const auto* text = node_.as_string()) {
    return text->get();
  }
  if (raw_) {
    return std::string(*raw_);
  }
  return std::nullopt;
}

void Reader::text(std::string& out) {
  const auto value = string_value();
  if (!value || value->empty() || value->find('\0') != std::string::npos) {
    return expected("a string that is not empty");
  }
  out = *value;
}

void Reader::duration(Duration& out, TimeUnit bare_unit, Duration least) {
  std::string text;
  if (const auto* number = node_.as_integer(); number != nullptr && number->get() >= 0) {
    text = std::to_string(number->get());
  } else if (const auto value = string_value()) {
    text = *value;
  } else {
    return expected("a duration such as \"2h30m\"");
  }
  const Result<Duration> duration = parse_duration(text, bare_unit);
  if (!duration) {
    return problem(duration.error().message, duration.error().remedy);
  }
  if (*duration < least) {
    return expected(fmt::format("at least {}", format_duration(least)));
  }
  out = *duration;
}

void Reader::number(std::uint32_t& out, std::uint32_t least, std::uint32_t most) {
  const auto* number = node_.as_integer();
  if (number == nullptr || number->get() < least || number->get() > most) {
    return expected(fmt::format("a whole number from {} to {}", least, most));
  }
  out = static_cast<std::uint32_t>(number->get());
}

void Reader::number(std::optional<std::uint32_t>& out, std::uint32_t least, std::uint32_t most) {
  constexpr std::uint32_t unset = std::numeric_limits<std::uint32_t>::max();
  std::uint32_t value = unset;
  number(value, least, most);
  if (value != unset) {
    out = value;
  }
}

void Reader::port(std::uint16_t& out) {
  std::uint32_t value = out;
  number(value, 1, 65'535);
  out = static_cast<std::uint16_t>(value);
}

void Reader::size(std::uint64_t& out, std::uint64_t least, std::uint64_t most) {
  std::uint64_t size = 0;
  if (const auto* number = node_.as_integer(); number != nullptr && number->get() >= 0) {
    size = static_cast<std::uint64_t>(number->get());
  } else if (const auto text = string_value()) {
    const Result<std::uint64_t> parsed = parse_size(*text);
    if (!parsed) {
      return problem(parsed.error().message, parsed.error().remedy);
    }
    size = *parsed;
  } else {
    return expected("a size such as \"64M\"");
  }
  if (size < least || size > most) {
    return expected(fmt::format("a size from {} to {} bytes", least, most));
  }
  out = size;
}

void Reader::rate(double& out) {
  const auto text = string_value();
  if (!text) {
    return expected("a rate such as \"100/s\"");
  }
  const Result<double> rate = parse_rate(*text);
  if (!rate) {
    return problem(rate.error().message, rate.error().remedy);
  }
  out = *rate;
}

void Reader::domain(std::string& out, bool suffix_allowed) {
  const auto text = string_value();
  if (!text) {
    return expected("a domain, as a string");
  }
  Result<std::string> domain = parse_domain(*text, suffix_allowed);
  if (!domain) {
    return problem(domain.error().message, domain.error().remedy);
  }
  out = *std::move(domain);
}

void Reader::host(std::optional<Host>& out) {
  const auto text = string_value();
  if (!text) {
    return expected("a host, as a string");
  }
  Result<Host> host = parse_host(*text);
  if (!host) {
    return problem(host.error().message, host.error().remedy);
  }
  out = *std::move(host);
}

std::optional<std::vector<Reader::Item>> Reader::items() const {
  std::vector<Item> items;
  if (const auto* array = node_.as_array()) {
    for (const toml::node& element : *array) {
      const auto* text = element.as_string();
      if (text == nullptr) {
        return std::nullopt;
      }
      // On the command line a place has no line; elements keep their own elsewhere.
      items.push_back(
          Item{text->get(), place_.line == 0 ? place_ : place_of(element.source(), place_.file)});
    }
    return items;
  }
  if (const auto text = string_value()) {
    items.push_back(Item{*text, place_});
    return items;
  }
  return std::nullopt;
}

template <class T, class Parse>
void Reader::list(std::vector<T>& out, Parse parse) {
  const auto found = items();
  if (!found) {
    return expected("an array of strings");
  }
  std::vector<T> values;
  bool good = true;
  for (const Item& item : *found) {
    Result<T> value = parse(item.text);
    if (!value) {
      problem_at(item.place, value.error().message, value.error().remedy);
      good = false;
    } else if (std::ranges::find(values, *value) != values.end()) {
      problem_at(item.place, fmt::format("'{}' is listed twice", item.text), "");
      good = false;
    } else {
      values.push_back(*std::move(value));
    }
  }
  if (good) {
    out = std::move(values);
  }
}

void Reader::name(std::string& out) {
  const auto text = string_value();
  if (!text || !is_name(*text)) {
    return expected(
        fmt::format("a name of 1 to {} lower case letters, digits, '-' and '_'", max_name));
  }
  out = *text;
}

void Reader::address(std::optional<IpAddress>& out, IpAddress::Family family) {
  const auto text = string_value();
  const std::optional<IpAddress> address = text ? IpAddress::parse(*text) : std::nullopt;
  if (!address || address->family() != family) {
    return expected(family == IpAddress::Family::v4 ? "an IPv4 address such as \"192.0.2.1\""
                                                    : "an IPv6 address such as \"2001:db8::1\"");
  }
  out = *address;
}

void Reader::names(std::vector<std::string>& out) {
  list(out, [](const std::string& text) -> Result<std::string> {
    if (!is_name(text)) {
      return fail(fmt::format("'{}' is not a name", text), "write the name of an [[egress]]");
    }
    return text;
  });
}

void Reader::endpoints(std::vector<Endpoint>& out, std::size_t least) {
  std::vector<Endpoint> found = out;
  const std::size_t problems_before = problems_.size();
  list(found, [](const std::string& text) -> Result<Endpoint> {
    if (const auto endpoint = Endpoint::parse(text)) {
      return *endpoint;
    }
    return fail(fmt::format("'{}' is not an address and port", text),
                "write 192.0.2.1:25 or [2001:db8::1]:25");
  });
  if (problems_.size() != problems_before) {
    return;
  }
  if (found.size() < least) {
    return expected("at least one address and port");
  }
  out = std::move(found);
}

void Reader::networks(std::vector<Network>& out) {
  list(out, [](const std::string& text) -> Result<Network> {
    if (const auto network = Network::parse(text)) {
      return *network;
    }
    return fail(fmt::format("'{}' is not a network", text),
                "write 192.0.2.0/24 or 2001:db8::/32, without bits set behind the prefix");
  });
}

void Reader::hosts(std::vector<Host>& out) {
  list(out, [](const std::string& text) { return parse_host(text); });
}

void Reader::domain_patterns(std::vector<std::string>& out) {
  const auto found = items();
  if (!found) {
    return expected("an array of strings");
  }
  // A group may list a hundred thousand domains, so twins are found by their place, not by search.
  std::vector<std::string> patterns;
  Origins seen;
  bool good = true;
  for (const Item& item : *found) {
    Result<std::string> pattern = parse_domain(item.text, true);
    if (!pattern) {
      problem_at(item.place, pattern.error().message, pattern.error().remedy);
      good = false;
      continue;
    }
    if (seen.find(*pattern) != nullptr) {
      problem_at(item.place, fmt::format("'{}' is listed twice", item.text), "");
      good = false;
      continue;
    }
    seen.set(*pattern, item.place);
    origins_.set(fmt::format("{}.{}", path_, *pattern), item.place);
    patterns.push_back(*std::move(pattern));
  }
  if (good) {
    out = std::move(patterns);
  }
}

std::optional<std::size_t> Reader::choice(std::initializer_list<std::string_view> supported,
                                          std::initializer_list<std::string_view> later) {
  std::string listed;
  for (const std::string_view name : supported) {
    listed += fmt::format("{}'{}'", listed.empty() ? "" : " or ", name);
  }
  const auto text = string_value();
  if (!text) {
    problem("expects a string", fmt::format("write {}", listed));
    return std::nullopt;
  }
  if (const auto found = std::ranges::find(supported, *text); found != supported.end()) {
    return static_cast<std::size_t>(found - supported.begin());
  }
  if (std::ranges::find(later, *text) != later.end()) {
    problem(fmt::format("'{}' is not supported in this version", *text),
            fmt::format("write {}", listed));
    return std::nullopt;
  }
  const std::string nearest = nearest_name(*text, {supported.begin(), supported.end()});
  problem(fmt::format("'{}' is not a value of this key", *text),
          nearest.empty() ? fmt::format("write {}", listed)
                          : fmt::format("did you mean '{}'?", nearest));
  return std::nullopt;
}

}  // namespace ringpost::config
