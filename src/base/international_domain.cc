#include "ringpost/base/international_domain.h"

#include <idn2.h>

#include <algorithm>
#include <cstdint>
#include <memory>

#include "ringpost/base/text.h"

namespace ringpost {
namespace {

constexpr std::size_t longest_name = 253;  // RFC 1035 section 2.3.4, as text without the last dot
constexpr std::size_t longest_label = 63;

struct Idn2Free {
  void operator()(std::uint8_t* text) const { idn2_free(text); }
};

bool is_ascii(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) > 127; });
}

// The mapping may make characters of others that no host name has: a fullwidth @ becomes an @.
bool is_name(std::string_view name) {
  if (name.ends_with('.')) {
    name.remove_suffix(1);
  }
  if (name.empty() || name.size() > longest_name) {
    return false;
  }
  while (true) {
    const std::string_view label = name.substr(0, name.find('.'));
    const bool sound = std::ranges::all_of(label, [](char c) {
      return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
    });
    if (!sound || label.empty() || label.size() > longest_label) {
      return false;
    }
    if (label.size() == name.size()) {
      return true;
    }
    name.remove_prefix(label.size() + 1);
  }
}

}  // namespace

std::expected<std::string, std::string_view> a_label_form(std::string_view domain) {
  if (is_ascii(domain)) {
    return to_lower(domain);
  }
  const std::string text(domain);
  std::uint8_t* found = nullptr;
  const int error = idn2_lookup_u8(reinterpret_cast<const std::uint8_t*>(text.c_str()), &found,
                                   IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const std::unique_ptr<std::uint8_t, Idn2Free> owned(found);
  if (error != IDN2_OK || found == nullptr) {
    return std::unexpected(std::string_view(idn2_strerror(error)));
  }
  std::string name = reinterpret_cast<const char*>(found);
  if (!is_name(name)) {
    return std::unexpected("a label is empty, or has a character that no host name has");
  }
  return name;
}

std::string_view ascii_domain(std::string_view domain, std::string& made) {
  if (is_ascii(domain)) {
    return domain;
  }
  auto form = a_label_form(domain);
  if (!form) {
    return domain;
  }
  made = *std::move(form);
  return made;
}

}  // namespace ringpost
