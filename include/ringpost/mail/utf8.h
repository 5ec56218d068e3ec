// UTF-8 as RFC 3629 allows it. Called where addresses come in under SMTPUTF8 and where strangers'
// bytes are shown; knows nothing of what characters mean.
#pragma once

#include <cstddef>
#include <string_view>

namespace ringpost::mail {

// Bytes of the character beyond ASCII that `text` begins with; 0 if it begins with none, or with
// one that nobody may say: cut short, overlong, a surrogate, a control character (U+0080-U+009F).
[[nodiscard]] std::size_t utf8_length(std::string_view text);

// All of it, ASCII control characters not looked for.
[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace ringpost::mail
