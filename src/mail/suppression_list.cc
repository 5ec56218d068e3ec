#include "ringpost/mail/suppression_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "ringpost/base/international_domain.h"
#include "ringpost/base/text.h"
#include "ringpost/mail/address.h"
#include "ringpost/mail/byte_scan.h"

namespace ringpost::mail {
namespace {

std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf2'9ce4'8422'2325;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(ascii_lower(c))) * 0x100'0000'01b3;
  }
  hash = (hash ^ (hash >> 30)) * 0xbf58'476d'1ce4'e5b9;
  return hash ^ (hash >> 31);
}

// Names of hosts, in whatever script, and address literals.
bool is_domain(std::string_view domain) {
  if (domain.empty() || domain.size() > max_domain || domain.starts_with('.') ||
      domain.find("..") != std::string_view::npos) {
    return false;
  }
  return std::ranges::all_of(domain, [](char c) {
    const char lower = ascii_lower(c);
    return static_cast<unsigned char>(c) >= 0x80 || is_digit(c) || (lower >= 'a' && lower <= 'z') ||
           std::string_view(".-_[]:").find(c) != std::string_view::npos;
  });
}

// What is wrong with it; nothing: it is an address or a domain.
std::string_view fault_of(std::string_view entry) {
  const std::size_t at = entry.rfind('@');
  if (at == std::string_view::npos) {
    return is_domain(entry) && entry.find('.') != std::string_view::npos
               ? std::string_view()
               : "neither an address nor a domain";
  }
  if (!is_domain(entry.substr(at + 1))) {
    return "no domain follows the @";
  }
  const std::string_view local = entry.substr(0, at);
  if (local.size() > max_local_part) {
    return "the part before the @ is longer than 64 bytes";
  }
  const bool quoted = local.starts_with('"');
  const auto bad = [quoted](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f || (!quoted && (c == ' ' || c == '@' || c == ','));
  };
  return std::ranges::any_of(local, bad) ? "a character that no address has" : std::string_view();
}

// The entry, address or domain, with its domain in A-labels; as it stands where that is no domain.
std::string with_ascii_domain(std::string_view entry) {
  const std::size_t at = entry.rfind('@');
  const std::size_t begin = at == std::string_view::npos ? 0 : at + 1;
  std::string made;
  return std::string(entry.substr(0, begin)).append(ascii_domain(entry.substr(begin), made));
}

// Line by line: entries are compared in A-labels, which may be longer.
std::string with_ascii_domains(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    const std::string_view entry = trim(line.ends_with('\r') ? line.substr(0, end - 1) : line);
    const bool comment = entry.starts_with('#');
    out += comment || !has_eight_bit(entry) ? std::string(entry) : with_ascii_domain(entry);
    out += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

}  // namespace

Result<SuppressionList> SuppressionList::parse(std::string text, const std::string& file) {
  if (text.size() > longest_text) {
    return fail(fmt::format("{} has more than {} bytes", file, longest_text),
                "name domains instead of their addresses");
  }
  if (has_eight_bit(text)) {
    text = with_ascii_domains(text);
  }
  if (!text.ends_with('\n')) {
    text += '\n';
  }
  SuppressionList list;
  std::vector<std::uint32_t> offsets;
  std::string first_fault;
  std::size_t faults = 0;
  std::size_t kept = 0;  // entries are moved to the front of the text they were read from
  std::size_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    std::string_view line = std::string_view(text).substr(at, end - at);
    at = end + 1;
    ++number;
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    line = trim(line);
    if (line.empty() || line.front() == '#') {
      continue;
    }
    if (const std::string_view fault = fault_of(line); !fault.empty()) {
      if (++faults == 1) {
        first_fault = fmt::format("{}:{}: '{}': {}", file, number, line.substr(0, 100), fault);
      }
      continue;
    }
    if (line.front() == '@') {
      line.remove_prefix(1);
    }
    offsets.push_back(static_cast<std::uint32_t>(kept));
    for (const char c : line) {
      text[kept++] = ascii_lower(c);
    }
    text[kept++] = '\n';  // the line had at least so many bytes
  }
  if (faults > 0) {
    return fail(faults > 1 ? fmt::format("{} (and {} more bad lines)", first_fault, faults - 1)
                           : std::move(first_fault),
                "write one address or one domain a line; comments begin with #");
  }
  text.resize(kept);
  text.shrink_to_fit();
  list.text_ = std::move(text);
  list.slots_.assign(std::bit_ceil(offsets.size() * 4 / 3 + 1), free_slot);
  for (const std::uint32_t offset : offsets) {
    std::uint32_t& slot = list.slots_[list.slot_of(list.entry_at(offset))];
    list.entries_ += slot == free_slot ? 1 : 0;
    slot = offset;
  }
  return list;
}

std::string_view SuppressionList::entry_at(std::uint32_t offset) const {
  return std::string_view(text_).substr(offset, text_.find('\n', offset) - offset);
}

std::size_t SuppressionList::slot_of(std::string_view entry) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash_of(entry) & mask;
  while (slots_[at] != free_slot && !equals_ignoring_case(entry_at(slots_[at]), entry)) {
    at = (at + 1) & mask;
  }
  return at;
}

bool SuppressionList::holds(std::string_view entry) const {
  return slots_[slot_of(entry)] != free_slot;
}

bool SuppressionList::contains(std::string_view address) const {
  if (empty()) {
    return false;
  }
  std::string made;
  if (has_eight_bit(domain_of(address))) {
    made = with_ascii_domain(address);
    address = made;
  }
  std::string_view domain = domain_of(address);
  if (domain.ends_with('.')) {
    domain.remove_suffix(1);
  }
  return holds(address) || (!domain.empty() && holds(domain));
}

}  // namespace ringpost::mail
