#include "ringpost/smtp/report_parameters.h"

#include <algorithm>
#include <array>

#include "ringpost/base/text.h"
#include "ringpost/mail/utf8.h"
#include "ringpost/mail/xtext.h"

namespace ringpost::smtp {
namespace {

struct Keyword {
  std::string_view name;
  std::uint8_t bit;
};
constexpr std::array keywords{
    Keyword{"NEVER", mail::notify::never}, Keyword{"SUCCESS", mail::notify::success},
    Keyword{"FAILURE", mail::notify::failure}, Keyword{"DELAY", mail::notify::delay}};

bool is_type_byte(char c) {
  const char lower = ascii_lower(c);
  return is_digit(c) || (lower >= 'a' && lower <= 'z') || c == '-';
}

// RFC 6533 section 3: characters beyond ASCII stand for themselves only under SMTPUTF8; else each
// is written \x{NNNN}, which no xtext forbids.
bool is_utf8_address(std::string_view text, bool utf8) {
  const auto fits = [utf8](char c) {
    const bool ascii = static_cast<unsigned char>(c) < 128;
    return ascii ? c > ' ' && c != '\x7f' && c != '=' : utf8;
  };
  return std::ranges::all_of(text, fits) && mail::is_utf8(text);
}

}  // namespace

std::string_view parse_ret(std::string_view value, mail::Returned& out) {
  const bool full = equals_ignoring_case(value, "FULL");
  if (!full && !equals_ignoring_case(value, "HDRS")) {
    return "RET must be FULL or HDRS";
  }
  out = full ? mail::Returned::full : mail::Returned::headers;
  return {};
}

std::string_view parse_notify(std::string_view value, std::uint8_t& out) {
  std::uint8_t bits = mail::notify::unsaid;
  while (true) {
    const std::string_view word = value.substr(0, value.find(','));
    const auto* const known = std::ranges::find_if(
        keywords, [word](const Keyword& one) { return equals_ignoring_case(one.name, word); });
    if (known == keywords.end()) {
      return "NOTIFY must be NEVER, or some of SUCCESS,FAILURE,DELAY with commas between";
    }
    if ((bits & known->bit) != 0) {
      return "NOTIFY says the same thing twice";
    }
    bits = static_cast<std::uint8_t>(bits | known->bit);
    if (word.size() == value.size()) {
      break;
    }
    value.remove_prefix(word.size() + 1);
  }
  if ((bits & mail::notify::never) != 0 && bits != mail::notify::never) {
    return "NOTIFY=NEVER must stand alone";
  }
  out = bits;
  return {};
}

std::string_view fault_of_envid(std::string_view value) {
  const auto length = mail::xtext_length(value);
  if (!length || *length == 0) {
    return "ENVID must be xtext of printable ASCII, as RFC 3461 section 4 writes it";
  }
  static_assert(mail::max_envelope_id == 100);
  return *length > mail::max_envelope_id ? "ENVID is longer than 100 characters"
                                         : std::string_view();
}

std::string_view fault_of_orcpt(std::string_view value, bool utf8) {
  static_assert(mail::max_original_recipient == 500);
  if (value.size() > mail::max_original_recipient) {
    return "ORCPT is longer than 500 bytes";
  }
  const std::size_t semicolon = value.find(';');
  if (semicolon == 0 || semicolon == std::string_view::npos ||
      !std::ranges::all_of(value.substr(0, semicolon), is_type_byte)) {
    return "ORCPT must be a type of address, a semicolon, and the address: ORCPT=rfc822;user@host";
  }
  const std::string_view address = value.substr(semicolon + 1);
  const bool international = equals_ignoring_case(value.substr(0, semicolon), "utf-8");
  const bool sound =
      international ? is_utf8_address(address, utf8) : mail::xtext_length(address).has_value();
  return sound && !address.empty()
             ? std::string_view()
             : "ORCPT's address must be xtext of printable ASCII, as RFC 3461 section 4 writes it";
}

std::string mail_report_parameters(mail::Returned returned, std::string_view envid) {
  std::string out;
  if (returned != mail::Returned::unsaid) {
    out += returned == mail::Returned::full ? " RET=FULL" : " RET=HDRS";
  }
  if (!envid.empty()) {
    out += " ENVID=";
    out += envid;
  }
  return out;
}

std::string rcpt_report_parameters(const mail::RecipientRequest& request) {
  std::string out;
  std::string_view before = " NOTIFY=";
  for (const Keyword& keyword : keywords) {
    if ((request.notify & keyword.bit) != 0) {
      out += before;
      out += keyword.name;
      before = ",";
    }
  }
  if (!request.original.empty()) {
    out += " ORCPT=";
    out += request.original;
  }
  return out;
}

}  // namespace ringpost::smtp
