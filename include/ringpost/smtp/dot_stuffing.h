// Makes content fit for DATA (RFC 5321 section 4.5.2): a dot in front of every line that begins
// with one, a CRLF at the very end, then the terminator. Called by the client transaction, for
// content in pieces: the state carries from one to the next. Never changes anything else; that
// content has no bare CR or LF is seen to where it enters. A line after a bare LF is stuffed too,
// so that even such content cannot end the data early.
#pragma once

#include <string>
#include <string_view>

namespace ringpost::smtp {

class DotStuffer {
 public:
  // Appends `piece`, stuffed.
  void append(std::string& out, std::string_view piece);
  // Appends what ends the content: CRLF unless it is there, and ".CRLF".
  void finish(std::string& out);

 private:
  // The last two bytes of the content so far; at the start a line begins.
  char before_last_ = '\r';
  char last_ = '\n';
};

}  // namespace ringpost::smtp
