// The server's STARTTLS (RFC 3207): the switch, and that nothing said in plain text outlives it.
#include "ringpost/base/check.h"
#include "ringpost/smtp/server_session.h"

namespace ringpost::smtp {

void ServerSession::run_starttls(std::string_view argument, bool last) {
  if (!settings_.starttls) {
    return refuse("502 5.5.1 This command is not offered here");
  }
  if (tls_) {
    return refuse("503 5.5.1 TLS is spoken already");
  }
  if (!argument.empty()) {
    return refuse("501 5.5.4 STARTTLS takes no argument");
  }
  if (!last) {
    // Whoever pipelines behind STARTTLS wants plain text to be taken for what came under TLS
    // (CVE-2011-0411, CVE-2021-38371).
    return close_with("554 5.5.1", "Nothing may follow STARTTLS before its reply");
  }
  say("220 2.0.0 Go ahead");
  tls_wanted_ = true;
}

void ServerSession::tls_started() {
  check(tls_wanted_ && pending_.empty(), "TLS starts when the client asked for it");
  tls_wanted_ = false;
  tls_ = true;
  lines_ = CommandLineReader(settings_.max_command_length);
  reset();
  greeting_.clear();
  extended_ = false;
}

}  // namespace ringpost::smtp
