#include "ringpost/smtp/server_session.h"

#include <fmt/format.h>

#include <utility>

#include "ringpost/base/check.h"

namespace ringpost::smtp {
namespace {

// Replies that wait behind a pending message; with more, the client must wait too.
constexpr std::size_t max_waiting_replies = std::size_t{16} << 10;

}  // namespace

ServerSession::ServerSession(const ServerSettings& settings, ClientInfo client,
                             mail::IdSequence& ids)
    : settings_(settings),
      client_(std::move(client)),
      ids_(ids),
      lines_(settings.max_command_length) {}

void ServerSession::greet() {
  say(fmt::format("220 {} ESMTP Ringpost", settings_.hostname));
}

ServerSession::Progress ServerSession::feed(std::string_view bytes, WallTime now) {
  check(!message_ready_, "a message is taken before more is fed");
  std::size_t at = 0;
  for (;;) {
    if (closing_) {
      return {bytes.size(), Step::close};
    }
    if (tls_wanted_) {  // its 220 is the last thing said in plain text
      return {at, pending_.empty() ? Step::start_tls : Step::full};
    }
    if (in_content()) {
      if (wants_memory(bytes.size() - at)) {
        return {at, Step::memory};
      }
      const std::size_t consumed = feed_content(bytes.substr(at), now);
      at += consumed;
      content_bytes_ += consumed;
      if (in_content()) {
        return {at, Step::need_more};
      }
      ++commands_;
      if (message_ready_) {
        return {at, Step::message};
      }
      continue;
    }
    if (must_wait()) {
      return {at, Step::full};
    }
    const std::optional<CommandLine> line = lines_.next(bytes, at);
    if (!line) {
      return {at, Step::need_more};
    }
    ++commands_;
    run(*line, at == bytes.size(), now);
  }
}

mail::Message ServerSession::take_message() {
  check(std::exchange(message_ready_, false), "there is a message to take");
  return std::exchange(message_, {});
}

void ServerSession::complete(std::uint64_t number, std::string_view reply) {
  const std::uint64_t first = last_number_ - pending_.size() + 1;
  check(number >= first && number <= last_number_, "only a pending message can be completed");
  check(reply.ends_with("\r\n"), "a reply ends in CRLF");
  Pending& pending = pending_[number - first];
  check(pending.reply.empty(), "a message is completed once");
  pending.reply = reply;
  while (!pending_.empty() && !pending_.front().reply.empty()) {
    output_ += pending_.front().reply;
    output_ += pending_.front().behind;
    pending_.pop_front();
  }
}

std::string ServerSession::take_output() {
  return std::exchange(output_, {});
}

void ServerSession::time_out() {
  close_with("421 4.4.2", "Timeout: nothing heard for too long");
}

void ServerSession::shut_down() {
  close_with("421 4.3.2", "Going down, try again later");
}

void ServerSession::say(std::string_view reply) {
  std::string& out = pending_.empty() ? output_ : pending_.back().behind;
  out += reply;
  out += "\r\n";
}

// For what a mail client has no reason to send: too much of it ends the session.
void ServerSession::refuse(std::string_view reply) {
  say(reply);
  if (++errors_ >= settings_.max_errors) {
    close_with("421 4.7.0", "Too many errors");
  }
}

// For addresses and messages: a client that may relay can have any number of bad ones.
void ServerSession::refuse_politely(std::string_view reply) {
  client_.may_relay ? say(reply) : refuse(reply);
}

void ServerSession::close_with(std::string_view code, std::string_view why) {
  if (!closing_) {
    say(fmt::format("{} {} {}", code, settings_.hostname, why));
    closing_ = true;
  }
}

bool ServerSession::must_wait() const {
  return pending_.size() >= settings_.max_pending_messages ||
         (!pending_.empty() && pending_.back().behind.size() > max_waiting_replies);
}

void ServerSession::reset() {
  in_transaction_ = false;
  failed_ = false;
  chunks_ = false;
  allowed_memory_ = 0;
  content_.give_up();  // as the memory that was granted for it
  message_ = {};
}

void ServerSession::run(const CommandLine& line, bool last, WallTime now) {
  switch (line.problem) {
    case CommandLine::Problem::none:
      break;
    case CommandLine::Problem::too_long:
      return refuse(fmt::format("500 5.5.2 Line too long: {} bytes are the most",
                                settings_.max_command_length));
    case CommandLine::Problem::control_character:
      return refuse("500 5.5.2 Control character in command; lines must end in CRLF");
  }
  const Command command = parse_command(line.text);
  switch (command.verb) {
    case Verb::mail:
      return run_mail(command.argument);
    case Verb::rcpt:
      return run_rcpt(command.argument);
    case Verb::data:
      return run_data(command.argument, now);
    case Verb::bdat:
      return run_bdat(command.argument, now);
    case Verb::ehlo:
    case Verb::helo:
      return run_greeting(command);
    case Verb::starttls:
      return run_starttls(command.argument, last);
    default:
      return run_simple(command);
  }
}

void ServerSession::run_simple(const Command& command) {
  if ((command.verb == Verb::rset || command.verb == Verb::quit) && !command.argument.empty()) {
    return refuse("501 5.5.4 This command takes no argument");
  }
  switch (command.verb) {
    case Verb::rset:
      reset();
      return say("250 2.0.0 Reset");
    case Verb::noop:
      return say("250 2.0.0 OK");
    case Verb::vrfy:
      return say("252 2.5.0 Cannot verify, but will accept the message and attempt delivery");
    case Verb::help:
      return say("214 2.0.0 EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT; see RFC 5321");
    case Verb::quit:
      say(fmt::format("221 2.0.0 {} closing", settings_.hostname));
      closing_ = true;
      return;
    case Verb::absent:
      return refuse("502 5.5.1 This command is not offered here");
    default:
      return refuse("500 5.5.1 Unknown command");
  }
}

void ServerSession::run_greeting(const Command& command) {
  if (command.argument.empty()) {
    return refuse("501 5.5.4 Say who you are: EHLO hostname");
  }
  reset();
  greeting_ = sanitized_greeting(command.argument);
  extended_ = command.verb == Verb::ehlo;
  if (!extended_) {
    return say(fmt::format("250 {}", settings_.hostname));
  }
  say(fmt::format(
      "250-{}\r\n250-PIPELINING\r\n250-SIZE {}\r\n250-8BITMIME\r\n"
      "250-CHUNKING\r\n250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250-SMTPUTF8\r\n{}250 HELP",
      settings_.hostname, settings_.max_message_size,
      settings_.starttls && !tls_ ? "250-STARTTLS\r\n" : ""));
}

void ServerSession::run_mail(std::string_view argument) {
  if (greeting_.empty()) {
    return refuse("503 5.5.1 Send EHLO first");
  }
  if (in_transaction_) {
    return refuse("503 5.5.1 A transaction is open: finish it or send RSET");
  }
  failed_ = true;
  MailArguments arguments;
  if (const Refusal refusal = parse_mail(argument, arguments); !refusal.empty()) {
    return refuse_politely(refusal);
  }
  declared_size_ = arguments.size.value_or(0);
  if (declared_size_ > settings_.max_message_size) {
    return refuse_politely(fmt::format("552 5.3.4 Message too big: {} bytes are the most",
                                       settings_.max_message_size));
  }
  failed_ = false;
  in_transaction_ = true;
  message_.envelope.sender = arguments.sender;
  message_.envelope.envid = arguments.envid;
  message_.envelope.reports.returned = arguments.returned;
  message_.envelope.utf8 = arguments.utf8;
  say("250 2.1.0 Sender OK");
}

void ServerSession::run_rcpt(std::string_view argument) {
  if (!in_transaction_) {
    constexpr std::string_view reply = "503 5.5.1 Send MAIL first";
    return failed_ ? say(reply) : refuse(reply);
  }
  if (!client_.may_relay) {
    return refuse_politely("550 5.7.1 Relaying denied: your address is not in listener.relay_from");
  }
  if (chunks_) {
    return refuse("503 5.5.1 The content has begun: finish it or send RSET");
  }
  mail::Envelope& envelope = message_.envelope;
  RcptArguments arguments;
  if (const Refusal refusal = parse_rcpt(argument, envelope.utf8, arguments); !refusal.empty()) {
    return refuse_politely(refusal);
  }
  if (envelope.recipients.size() >= settings_.max_recipients) {
    return say("452 4.5.3 Too many recipients: send the rest in another transaction");
  }
  if (arguments.notify != mail::notify::unsaid || !arguments.original.empty()) {
    envelope.reports.recipients.push_back({static_cast<std::uint32_t>(envelope.recipients.size()),
                                           arguments.notify, std::string(arguments.original)});
  }
  envelope.recipients.emplace_back(arguments.recipient);
  say("250 2.1.5 Recipient OK");
}

}  // namespace ringpost::smtp
