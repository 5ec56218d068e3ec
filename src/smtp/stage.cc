#include "ringpost/smtp/stage.h"

#include <array>
#include <cstddef>

namespace ringpost::smtp {

std::string_view name_of(Stage stage) {
  static constexpr std::array<std::string_view, 12> names = {
      "connect", "greeting", "EHLO", "HELO",    "STARTTLS",  "RSET",
      "MAIL",    "RCPT",     "DATA", "content", "final dot", "QUIT"};
  return names[static_cast<std::size_t>(stage)];
}

}  // namespace ringpost::smtp
