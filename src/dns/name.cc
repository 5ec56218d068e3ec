#include "ringpost/dns/name.h"

#include <fmt/format.h>

#include <iterator>

#include "ringpost/base/text.h"

namespace ringpost::dns {

namespace {

bool ordinary(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

}  // namespace

std::optional<std::string> canonical_name(std::string_view text) {
  if (text == ".") {
    return std::string();
  }
  if (text.ends_with('.')) {
    text.remove_suffix(1);
  }
  if (text.empty() || text.size() > max_name_length) {
    return std::nullopt;
  }
  std::string name;
  name.reserve(text.size());
  std::size_t label_length = 0;
  for (const char raw : text) {
    const char c = ascii_lower(raw);
    if (c == '.') {
      if (label_length == 0) {
        return std::nullopt;
      }
      label_length = 0;
    } else if (!ordinary(c) || ++label_length > max_label_length) {
      return std::nullopt;
    }
    name.push_back(c);
  }
  return label_length == 0 ? std::nullopt : std::optional(std::move(name));
}

std::optional<std::string> text_of_wire_name(std::span<const std::uint8_t> wire) {
  if (wire.size() > max_name_length + 2) {
    return std::nullopt;
  }
  std::string name;
  for (std::size_t at = 0; at < wire.size();) {
    const std::size_t length = wire[at];
    ++at;
    if (length == 0) {
      return at == wire.size() ? std::optional(std::move(name)) : std::nullopt;
    }
    if (length > max_label_length || wire.size() - at < length) {
      return std::nullopt;
    }
    if (!name.empty()) {
      name.push_back('.');
    }
    for (const std::uint8_t octet : wire.subspan(at, length)) {
      const char c = ascii_lower(static_cast<char>(octet));
      if (ordinary(c)) {
        name.push_back(c);
      } else {
        fmt::format_to(std::back_inserter(name), "\\{:03}", octet);
      }
    }
    at += length;
  }
  return std::nullopt;
}

}  // namespace ringpost::dns
