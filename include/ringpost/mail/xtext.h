// xtext, RFC 3461 section 4: how ENVID and ORCPT carry what a command line could not. Called by the
// SMTP server, which checks it, and by the writer of reports, which shows what it stands for.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace ringpost::mail {

// The printable ASCII text that it stands for; nothing if it is malformed or stands for any other.
[[nodiscard]] std::optional<std::string> decode_xtext(std::string_view text);
// How long that is.
[[nodiscard]] std::optional<std::size_t> xtext_length(std::string_view text);

}  // namespace ringpost::mail
