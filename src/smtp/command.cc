#include "ringpost/smtp/command.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "ringpost/base/international_domain.h"
#include "ringpost/base/text.h"
#include "ringpost/smtp/report_parameters.h"

namespace ringpost::smtp {
namespace {

struct NamedVerb {
  std::string_view name;
  Verb verb;
};
// In the order in which bulk mail uses them.
constexpr std::array verbs{NamedVerb{"MAIL", Verb::mail},   NamedVerb{"RCPT", Verb::rcpt},
                           NamedVerb{"DATA", Verb::data},   NamedVerb{"BDAT", Verb::bdat},
                           NamedVerb{"RSET", Verb::rset},   NamedVerb{"EHLO", Verb::ehlo},
                           NamedVerb{"HELO", Verb::helo},   NamedVerb{"NOOP", Verb::noop},
                           NamedVerb{"QUIT", Verb::quit},   NamedVerb{"VRFY", Verb::vrfy},
                           NamedVerb{"HELP", Verb::help},   NamedVerb{"EXPN", Verb::absent},
                           NamedVerb{"AUTH", Verb::absent}, NamedVerb{"STARTTLS", Verb::starttls}};

std::string_view without_leading_spaces(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  return begin == std::string_view::npos ? std::string_view{} : text.substr(begin);
}

// A keyword as the client wrote it, fit to be shown in a reply.
std::string shown(std::string_view keyword) {
  std::string text(keyword.substr(0, 32));
  std::ranges::replace_if(text, [](char c) { return c <= ' ' || c > '~'; }, '?');
  return text;
}

struct Parameter {
  std::string_view keyword;
  std::string_view value;
  bool has_value = false;
};

// Takes the next parameter from `rest`; nothing if there is none left.
std::optional<Parameter> next_parameter(std::string_view& rest) {
  rest = without_leading_spaces(rest);
  if (rest.empty()) {
    return std::nullopt;
  }
  const std::string_view word = rest.substr(0, rest.find_first_of(" \t"));
  rest.remove_prefix(word.size());
  const std::size_t equals = word.find('=');
  if (equals == std::string_view::npos) {
    return Parameter{word, {}};
  }
  return Parameter{word.substr(0, equals), word.substr(equals + 1), true};
}

Refusal unknown_parameter(std::string_view command, std::string_view keyword) {
  return fmt::format("555 5.5.4 {} parameter {} is not known here", command, shown(keyword));
}

// Digits that overflow are a size too, and a larger one than anybody accepts.
std::optional<std::uint64_t> parse_size(std::string_view text) {
  if (text.empty() || text.size() > 20 || !std::ranges::all_of(text, is_digit)) {
    return std::nullopt;  // RFC 1870 section 3: 1 to 20 digits
  }
  return parse_number(text).value_or(std::numeric_limits<std::uint64_t>::max());
}

Refusal wrong_value(std::string_view fault) {
  return fault.empty() ? Refusal{} : fmt::format("501 5.5.4 {}", fault);
}

// None may come twice. `seen` holds those that came.
template <class Keyword>
Refusal note(Keyword keyword, unsigned& seen, std::string_view name) {
  const unsigned bit = 1U << static_cast<unsigned>(keyword);
  if ((seen & bit) != 0) {
    return fmt::format("501 5.5.4 {} is said twice", name);
  }
  seen |= bit;
  return {};
}

enum class MailKeyword : std::uint8_t { size, body, smtputf8, ret, envid };
struct NamedMailKeyword {
  std::string_view name;
  MailKeyword keyword;
};
constexpr std::array mail_keywords{
    NamedMailKeyword{"SIZE", MailKeyword::size}, NamedMailKeyword{"BODY", MailKeyword::body},
    NamedMailKeyword{"SMTPUTF8", MailKeyword::smtputf8}, NamedMailKeyword{"RET", MailKeyword::ret},
    NamedMailKeyword{"ENVID", MailKeyword::envid}};

Refusal apply_mail_parameter(const Parameter& parameter, unsigned& seen, MailArguments& out) {
  const auto* const known = std::ranges::find_if(mail_keywords, [&](const auto& one) {
    return equals_ignoring_case(one.name, parameter.keyword);
  });
  if (known == mail_keywords.end()) {
    return unknown_parameter("MAIL", parameter.keyword);
  }
  if (Refusal twice = note(known->keyword, seen, known->name); !twice.empty()) {
    return twice;
  }
  switch (known->keyword) {
    case MailKeyword::size:
      out.size = parse_size(parameter.value);
      return out.size ? Refusal{} : "501 5.5.4 SIZE must be a number of bytes";
    case MailKeyword::body:
      out.eight_bit = equals_ignoring_case(parameter.value, "8BITMIME");
      return out.eight_bit || equals_ignoring_case(parameter.value, "7BIT")
                 ? Refusal{}
                 : "501 5.5.4 BODY must be 7BIT or 8BITMIME";
    case MailKeyword::smtputf8:
      out.utf8 = true;
      return parameter.has_value ? "501 5.5.4 SMTPUTF8 takes no value" : Refusal{};
    case MailKeyword::ret:
      return wrong_value(parse_ret(parameter.value, out.returned));
    case MailKeyword::envid:
      break;
  }
  out.envid = parameter.value;
  return wrong_value(fault_of_envid(parameter.value));
}

Refusal apply_rcpt_parameter(const Parameter& parameter, bool utf8, unsigned& seen,
                             RcptArguments& out) {
  enum : std::uint8_t { notify, orcpt };
  if (equals_ignoring_case(parameter.keyword, "NOTIFY")) {
    Refusal twice = note(notify, seen, "NOTIFY");
    return twice.empty() ? wrong_value(parse_notify(parameter.value, out.notify)) : twice;
  }
  if (equals_ignoring_case(parameter.keyword, "ORCPT")) {
    out.original = parameter.value;
    Refusal twice = note(orcpt, seen, "ORCPT");
    return twice.empty() ? wrong_value(fault_of_orcpt(parameter.value, utf8)) : twice;
  }
  return unknown_parameter("RCPT", parameter.keyword);
}

struct PathAndRest {
  mail::Path path;
  std::string_view rest;  // the parameters
};

// `FROM:<path>` or `TO:<path>`, spaces behind the colon forgiven.
std::expected<PathAndRest, mail::PathError> read_path(std::string_view argument,
                                                      std::string_view keyword) {
  if (!starts_with_ignoring_case(argument, keyword)) {
    return std::unexpected(mail::PathError{mail::PathProblem::syntax, {}});
  }
  const std::string_view text = without_leading_spaces(argument.substr(keyword.size()));
  const auto path = mail::parse_path(text);
  if (!path) {
    return std::unexpected(path.error());
  }
  const std::string_view rest = text.substr(path->length);
  if (!rest.empty() && rest.front() != ' ' && rest.front() != '\t') {
    return std::unexpected(mail::PathError{
        mail::PathProblem::syntax, "parameters must be set apart from the address by a space"});
  }
  return PathAndRest{*path, rest};
}

Refusal refuse_path(const mail::PathError& error, std::string_view syntax,
                    std::string_view status) {
  if (error.reason.empty()) {
    return fmt::format("501 5.5.4 The syntax is {}", syntax);
  }
  if (error.problem == mail::PathProblem::bad_utf8) {
    return fmt::format("553 5.6.7 Refused: {}", error.reason);
  }
  return fmt::format("501 {} Refused: {}", status, error.reason);
}

// What is against a path that is not ASCII: RFC 6531 section 3.5, and a domain that nobody could
// look up. `status` is for the latter.
Refusal fault_of_utf8(const mail::Path& path, bool utf8, std::string_view status) {
  if (!path.non_ascii) {
    return {};
  }
  if (!utf8) {
    return "553 5.6.7 Refused: the address is not ASCII, and MAIL did not say SMTPUTF8";
  }
  const auto domain = a_label_form(mail::domain_of(path.address));
  return domain ? Refusal{}
                : fmt::format("501 {} Refused: the domain is no internationalised name: {}", status,
                              domain.error());
}

}  // namespace

Command parse_command(std::string_view line) {
  const std::string_view word = line.substr(0, line.find_first_of(" \t"));
  for (const NamedVerb& known : verbs) {
    if (equals_ignoring_case(word, known.name)) {
      return {known.verb, trim(line.substr(word.size()))};
    }
  }
  return {Verb::unknown, trim(line.substr(word.size()))};
}

Refusal parse_mail(std::string_view argument, MailArguments& out) {
  const auto path = read_path(argument, "FROM:");
  if (!path) {
    return refuse_path(path.error(), "MAIL FROM:<address>", "5.1.7");
  }
  out.sender = path->path.address;
  std::string_view rest = path->rest;
  unsigned seen = 0;
  while (const auto parameter = next_parameter(rest)) {
    if (Refusal refusal = apply_mail_parameter(*parameter, seen, out); !refusal.empty()) {
      return refusal;
    }
  }
  return fault_of_utf8(path->path, out.utf8, "5.1.7");
}

Refusal parse_rcpt(std::string_view argument, bool utf8, RcptArguments& out) {
  const auto path = read_path(argument, "TO:");
  if (!path) {
    if (path.error().problem == mail::PathProblem::no_domain) {
      return "550 5.1.1 This relay has no mailboxes: give the recipient's domain";
    }
    return refuse_path(path.error(), "RCPT TO:<address>", "5.1.3");
  }
  if (path->path.address.empty()) {
    return "501 5.1.3 Refused: the null path cannot be a recipient";
  }
  if (Refusal refusal = fault_of_utf8(path->path, utf8, "5.1.3"); !refusal.empty()) {
    return refusal;
  }
  out.recipient = path->path.address;
  std::string_view rest = path->rest;
  unsigned seen = 0;
  while (const auto parameter = next_parameter(rest)) {
    if (Refusal refusal = apply_rcpt_parameter(*parameter, utf8, seen, out); !refusal.empty()) {
      return refusal;
    }
  }
  return {};
}

std::optional<ChunkArguments> parse_bdat(std::string_view argument) {
  const std::string_view digits = argument.substr(0, argument.find_first_of(" \t"));
  const std::string_view rest = trim(argument.substr(digits.size()));
  if (digits.empty() || !std::ranges::all_of(digits, is_digit) ||
      (!rest.empty() && !equals_ignoring_case(rest, "LAST"))) {
    return std::nullopt;
  }
  return ChunkArguments{parse_number(digits).value_or(std::numeric_limits<std::uint64_t>::max()),
                        !rest.empty()};
}

std::string sanitized_greeting(std::string_view argument) {
  std::string text(argument.substr(0, mail::max_domain));
  std::ranges::replace_if(
      text,
      [](char c) {
        const char lower = ascii_lower(c);
        return !is_digit(c) && (lower < 'a' || lower > 'z') &&
               std::string_view("-._:[]").find(c) == std::string_view::npos;
      },
      '?');
  return text;
}

}  // namespace ringpost::smtp
