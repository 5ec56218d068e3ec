// The stages of an outgoing connection, as deadlines, verdicts and classification name them.
// A value; it decides nothing.
#pragma once

#include <cstdint>
#include <string_view>

namespace ringpost::smtp {

enum class Stage : std::uint8_t {
  connect,
  greeting,
  ehlo,
  helo,
  starttls,
  rset,
  mail,
  rcpt,
  data,
  content,    // after 354, until the terminator is completely written
  final_dot,  // the terminator is written, its reply is awaited
  quit,
};

[[nodiscard]] std::string_view name_of(Stage stage);  // "connect" … "final dot", "quit"

}  // namespace ringpost::smtp
