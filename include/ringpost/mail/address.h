// Mail addresses as RFC 5321 writes them. Called by the SMTP server for paths, and by everyone who
// asks an address for its domain. Judges syntax only; knows neither DNS nor which domains are ours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace ringpost::mail {

// RFC 5321 section 4.5.3.1: the least that must be accepted is also the most that we accept.
inline constexpr std::size_t max_local_part = 64;
inline constexpr std::size_t max_domain = 255;
inline constexpr std::size_t max_path = 256;  // with its angle brackets, without a source route

struct Path {
  std::string_view address;  // a part of the text given; empty for the null path <>
  std::size_t length = 0;    // bytes of that text that the path took, brackets included
  bool non_ascii = false;    // it may be used only under SMTPUTF8, RFC 6531
};

enum class PathProblem : std::uint8_t {
  syntax,
  too_long,
  bad_utf8,   // neither ASCII nor UTF-8
  no_domain,  // a lone local part, as in <postmaster>
};

struct PathError {
  PathProblem problem;
  std::string_view reason;  // for people, lives for ever
};

// Reads a path at the start of `text`: `<local@domain>` or `<>`. A source route is skipped (RFC
// 5321 appendix C). Characters beyond ASCII are taken where RFC 6531 section 3.3 allows them, and
// the bounds stay bytes; a label that has any is measured as an A-label, elsewhere. Dots may stand
// anywhere in a local part: such mailboxes exist, and only their own host can judge them. What
// follows the closing bracket is the caller's.
[[nodiscard]] std::expected<Path, PathError> parse_path(std::string_view text);

// Views into an address without brackets.
struct Address {
  std::string_view local;
  std::string_view domain;  // empty if there is none
};
[[nodiscard]] Address split_address(std::string_view address);
[[nodiscard]] std::string_view domain_of(std::string_view address);

// The form in which domains are compared: lower case, without a trailing dot.
[[nodiscard]] std::string normalized_domain(std::string_view domain);

}  // namespace ringpost::mail
