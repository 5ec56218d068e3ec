// Domains in other scripts: the A-labels under which DNS, queue groups and lists know what is
// written in U-labels (IDNA 2008, RFC 5890; mapped as UTS #46 says, for people type capitals).
// Called wherever a domain that may not be ASCII is compared or looked up. One that is costs a look
// at its bytes and no copy, whether or not its labels are sound.
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace ringpost {

// All of it in ASCII and lower case, or why it has no such form, for people; that lives for ever.
[[nodiscard]] std::expected<std::string, std::string_view> a_label_form(std::string_view domain);

// The same for who looks up: an ASCII domain is answered as it stands, another one is written into
// `made`; one without an A-label form, which no session lets in, is answered as it stands, too.
[[nodiscard]] std::string_view ascii_domain(std::string_view domain, std::string& made);

}  // namespace ringpost
