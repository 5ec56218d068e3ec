#include "ringpost/smtp/classify.h"

#include <algorithm>
#include <optional>

namespace ringpost::smtp {
namespace {

struct Default {
  int code;
  std::optional<Stage> stage;  // absent = any other
  std::uint16_t subject;
  std::uint16_t detail;
};

// The IANA registry of RFC 5248 names reply codes for most enhanced codes; where a code can mean
// several things the stage tells, and where nothing does it is X.0.0. First match counts.
constexpr Default defaults[] = {
    {421, {}, 3, 2},                // shutting down
    {432, {}, 7, 12},               // a password transition is needed
    {450, Stage::rcpt, 2, 0},       // mailbox busy, or a policy
    {451, {}, 3, 0},                // local error in processing
    {452, Stage::rcpt, 2, 2},       // mailbox full; beside accepted ones: too many recipients
    {452, {}, 3, 1},                // mail system full
    {454, {}, 7, 0},                // TLS or authentication not available now
    {455, {}, 5, 4},                // parameters cannot be accommodated
    {500, {}, 5, 2},                // syntax error
    {501, {}, 5, 4},                // invalid arguments
    {502, {}, 5, 1},                // invalid command
    {503, {}, 5, 1},                // bad sequence
    {504, {}, 5, 4},                // parameter not implemented
    {521, {}, 3, 2},                // takes no mail (RFC 7504)
    {530, {}, 7, 0},                // authentication or TLS required
    {534, {}, 7, 9},                // mechanism too weak
    {535, {}, 7, 8},                // credentials invalid
    {550, Stage::mail, 7, 1},       // delivery not authorised
    {550, Stage::rcpt, 1, 1},       // bad destination mailbox address
    {550, Stage::final_dot, 7, 1},  // delivery not authorised
    {550, Stage::content, 7, 1},
    {551, Stage::rcpt, 1, 6},  // mailbox has moved
    {552, Stage::rcpt, 2, 2},  // mailbox full
    {552, {}, 3, 4},           // message too big for the system
    {553, Stage::mail, 1, 7},  // bad sender's mailbox address syntax
    {553, Stage::rcpt, 1, 3},  // bad destination mailbox address syntax
    {555, {}, 5, 4},           // parameters not recognised
    {556, {}, 1, 10},          // the domain takes no mail (RFC 7504)
};

std::uint16_t class_of(const Reply& reply) {
  return static_cast<std::uint16_t>(reply.severity() == 3 ? 2 : reply.severity());
}

bool before_mail(Stage stage) {
  return stage == Stage::connect || stage == Stage::greeting || stage == Stage::ehlo ||
         stage == Stage::helo;
}

Classification temporarily(Scope scope, Action action, mail::EnhancedStatus status) {
  status.status_class = 4;
  return {scope, action, status};
}

}  // namespace

mail::EnhancedStatus status_of(Stage stage, const Reply& reply) {
  const std::uint16_t status_class = class_of(reply);
  if (reply.status.known() && reply.status.status_class == status_class) {
    return reply.status;
  }
  const auto* const found = std::ranges::find_if(defaults, [&](const Default& entry) {
    return entry.code == reply.code && entry.stage.value_or(stage) == stage;
  });
  if (found == std::end(defaults)) {
    return {status_class, 0, 0};
  }
  return {status_class, found->subject, found->detail};
}

Classification classify(Stage stage, const Reply& reply) {
  const mail::EnhancedStatus status = status_of(stage, reply);
  if (reply.code == 421) {
    return temporarily(Scope::address, Action::next_address, status);
  }
  if (stage == Stage::quit) {
    return {Scope::recipient, Action::proceed, status};  // nothing depends on it any more
  }
  const int expected = stage == Stage::data ? 3 : 2;
  if (reply.severity() == expected && (stage != Stage::greeting || reply.code == 220)) {
    return {Scope::recipient, Action::proceed, status};
  }
  if (stage == Stage::ehlo && reply.severity() == 5) {
    return {Scope::address, Action::say_helo, status};
  }
  if (before_mail(stage)) {
    // What a greeting refuses is the host's whole service: "not accepting network messages".
    const bool own = reply.status.known() && reply.status.status_class == class_of(reply);
    return temporarily(Scope::address, Action::next_address,
                       own ? status : mail::EnhancedStatus{4, 3, 2});
  }
  if (!reply.refused()) {  // another sequence than SMTP's
    const Scope scope = stage == Stage::starttls ? Scope::lane : Scope::recipient;
    return temporarily(scope, Action::defer, {4, 5, 0});
  }
  if (stage == Stage::starttls) {
    return temporarily(Scope::lane, Action::defer, {4, 7, 0});
  }
  if (stage == Stage::rset) {  // the connection is of no use, but nobody's mail was refused
    return temporarily(Scope::recipient, Action::go_on, status);
  }
  // RFC 5321 section 4.5.3.1.10: "too many recipients" is temporary even as 552.
  const bool too_many = status.subject == 5 && status.detail == 3;
  if (stage == Stage::rcpt && reply.code == 552 && too_many) {
    return temporarily(Scope::recipient, Action::defer, status);
  }
  // A server that lost what was sent ahead of its replies; of the recipient it says nothing.
  if (reply.code == 503) {
    return temporarily(Scope::recipient, Action::defer, status);
  }
  return {Scope::recipient, reply.severity() == 4 ? Action::defer : Action::bounce, status};
}

Classification classify_silence(Stage stage) {
  if (stage == Stage::connect) {  // X.4.1: no answer from host
    return {Scope::address, Action::next_address, {4, 4, 1}};
  }
  if (before_mail(stage)) {  // X.4.2: bad connection
    return {Scope::address, Action::next_address, {4, 4, 2}};
  }
  if (stage == Stage::starttls) {
    return {Scope::lane, Action::defer, {4, 7, 0}};
  }
  return {Scope::recipient, Action::defer, {4, 4, 2}};
}

}  // namespace ringpost::smtp
