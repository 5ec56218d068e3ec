#include "sim/mail_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ringpost/net/socket.h"

namespace ringpost::sim {
namespace {

std::string_view address_in(std::string_view line) {
  const std::size_t open = line.find('<');
  return line.substr(open + 1, line.find('>') - open - 1);
}

std::string parameters_in(std::string_view line) {
  return std::string(line.substr(line.find('>') + 1));
}

// RFC 5321 section 4.5.2.
std::string without_dot_stuffing(std::string_view content) {
  std::string plain;
  bool line_start = true;
  for (std::size_t at = 0; at < content.size(); ++at) {
    if (!(line_start && content[at] == '.')) {
      plain += content[at];
    }
    line_start = content[at] == '\n';
  }
  return plain;
}

}  // namespace

// One connection's state: bytes in, replies out.
struct MailServer::Session {
  MailServer& server;
  std::uint64_t number;
  std::string pending = {};
  std::string out = {};
  bool greeted = false;  // with EHLO or HELO
  bool in_mail = false;
  bool in_content = false;
  bool in_chunk = false;
  std::size_t chunk = 0;
  bool reset = true;  // since the last chunk: what is pipelined behind one must begin with RSET
  unsigned ahead = 0;
  unsigned mails = 0;
  unsigned recipients_asked = 0;
  bool closing = false;  // after the replies are sent
  bool dropping = false;
  bool stalled = false;
  bool overlapped = false;  // this MAIL came with the dot before it
  bool next_overlaps = false;
  unsigned messages = 0;
  unsigned errors = 0;
  std::string sender = {};
  std::string mail_parameters = {};
  std::vector<std::string> recipients = {};
  std::vector<std::string> rcpt_parameters = {};  // of each

  void say(const std::string& reply) {
    out += reply + "\r\n";
    closing = closing || reply.starts_with("421");
    errors += reply.starts_with('4') || reply.starts_with('5') ? 1 : 0;
  }
  void complain(const std::string& what) {
    server.complaints += fmt::format("connection {}: {}\n", number, what);
  }
  [[nodiscard]] bool by_chance(double probability) const {
    return chance(server.world_.random(), probability);
  }

  void feed(std::string_view bytes) {
    pending += bytes;
    ahead = 0;
    while (!closing && !dropping && !stalled) {
      if (in_chunk) {
        if (pending.size() < chunk) {
          return;
        }
        const std::string taken = pending.substr(0, chunk);
        pending.erase(0, chunk);
        end_chunk(taken);
        continue;
      }
      const std::string_view end = in_content ? "\r\n.\r\n" : "\r\n";
      if (in_content && pending.starts_with(".\r\n")) {
        pending.erase(0, 3);
        end_content({});
        continue;
      }
      const std::size_t at = pending.find(end);
      if (at == std::string::npos) {
        return;
      }
      const std::string taken = pending.substr(0, at);
      pending.erase(0, at + end.size());
      if (in_content) {
        end_content(taken + "\r\n");
      } else {
        command(taken);
      }
    }
  }

  void command(const std::string& line) {
    ++server.commands_;
    if (by_chance(server.personality.stalls)) {
      stalled = true;
      return;
    }
    if (!server.personality.pipelining && !pending.empty() && !line.starts_with("BDAT ")) {
      complain("more than one command at once: " + line);
    }
    const unsigned most_errors = server.personality.errors_per_connection;
    if (most_errors != 0 && errors >= most_errors) {
      if (server.personality.hangs_up_at_errors) {
        dropping = true;
        out.clear();
      } else {
        say("421 4.7.0 too many errors");
      }
      return;
    }
    if (line.starts_with("EHLO ")) {
      ehlo();
    } else if (line == "QUIT") {
      say("221 2.0.0 bye");
      closing = true;
    } else if (!greeted) {
      complain("no EHLO before " + line);
      say("503 5.5.1 EHLO first");
    } else if (line == "RSET") {
      in_mail = false;
      reset = true;
      say("250 2.0.0 ok");
    } else if (line.starts_with("MAIL FROM:<")) {
      mail(line);
    } else if (line.starts_with("RCPT TO:<")) {
      rcpt(line);
    } else if (line == "DATA") {
      data();
    } else if (server.personality.chunking && line.starts_with("BDAT ")) {
      bdat(line);
    } else {
      complain("unknown command: " + line);
      say("500 5.5.2 what");
    }
  }

  void ehlo() {
    greeted = true;
    std::string reply = "250-mx.example\r\n";
    reply += server.personality.pipelining ? "250-PIPELINING\r\n" : "";
    if (server.personality.mail_max != 0) {
      reply += fmt::format("250-LIMITS MAILMAX={} RCPTMAX={} RCPTDOMAINMAX=1\r\n",
                           server.personality.mail_max, server.personality.rcpt_max);
    }
    reply += server.personality.chunking ? "250-CHUNKING\r\n" : "";
    reply += server.personality.eight_bit ? "250-8BITMIME\r\n" : "";
    reply += server.personality.dsn ? "250-DSN\r\n" : "";
    reply += server.personality.utf8 ? "250-SMTPUTF8\r\n" : "";
    say(reply + "250 ENHANCEDSTATUSCODES");
  }

  // Whether the personality has a reply of its own.
  bool by_policy(std::string_view command, std::string_view address, std::string& reply) const {
    if (server.personality.policy) {
      reply = server.personality.policy(command, address);
    }
    return !reply.empty();
  }

  void accept(const std::string& recipient, const std::string& line) {
    recipients.push_back(recipient);
    rcpt_parameters.push_back(parameters_in(line));
  }

  // What was not offered may not be used.
  void judge(const std::string& line) {
    const std::string parameters = parameters_in(line);
    const auto says = [&](const char* word) { return parameters.find(word) != std::string::npos; };
    const bool reports = says(" NOTIFY=") || says(" ORCPT=") || says(" RET=") || says(" ENVID=");
    if (reports && !server.personality.dsn) {
      complain("DSN was not offered: " + line);
    }
    const bool ascii = std::ranges::none_of(line, [](char c) { return (c & 0x80) != 0; });
    if ((says(" SMTPUTF8") || !ascii) && !server.personality.utf8) {
      complain("SMTPUTF8 was not offered: " + line);
    }
  }

  void mail(const std::string& line) {
    judge(line);
    const Personality& personality = server.personality;
    std::string reply;
    if (in_mail) {
      complain("nested MAIL");
      say("503 5.5.1 nested MAIL");
      return;
    }
    if (personality.messages_per_connection != 0 &&
        messages >= personality.messages_per_connection) {
      say("421 4.7.0 enough for this connection");
      return;
    }
    if (!reset && next_overlaps) {
      complain("a transaction was sent ahead without RSET");
    }
    overlapped = std::exchange(next_overlaps, false);
    sender = address_in(line);
    mail_parameters = parameters_in(line);
    recipients_asked = 0;
    if (server.personality.mail_max != 0 && ++mails > server.personality.mail_max) {
      complain("more than MAILMAX");
    }
    recipients.clear();
    rcpt_parameters.clear();
    in_mail = !by_policy("MAIL", sender, reply) || reply.starts_with('2');
    say(reply.empty() ? "250 2.1.0 ok" : reply);
  }

  void rcpt(const std::string& line) {
    judge(line);
    const std::string recipient(address_in(line));
    if (server.personality.rcpt_max != 0 && ++recipients_asked > server.personality.rcpt_max) {
      complain("more than RCPTMAX");
    }
    std::string reply;
    if (!in_mail) {
      say("503 5.5.1 MAIL first");
      return;
    }
    if (by_policy("RCPT", recipient, reply)) {
      if (reply.starts_with('2')) {
        accept(recipient, line);
      }
      say(reply);
      return;
    }
    const Instant now = server.world_.clock().now();
    const Instant first = server.greylist_.try_emplace(recipient, now).first->second;
    if (now < first + server.personality.greylisted_for) {
      say("451 4.7.1 greylisted");
      return;
    }
    accept(recipient, line);
    say("250 2.1.5 ok");
  }

  void data() {
    std::string reply;
    if (recipients.empty()) {
      say("503 5.5.1 RCPT first");
    } else if (by_policy("DATA", sender, reply) && !reply.starts_with('3')) {
      in_mail = false;
      say(reply);
    } else {
      in_content = true;
      say("354 go on");
      dropping = by_chance(server.personality.drops_before_dot);
    }
  }

  void bdat(const std::string& line) {
    if (!line.ends_with(" LAST")) {
      complain("more than one chunk: " + line);
    }
    chunk = std::stoul(line.substr(5));
    in_chunk = true;
    dropping = in_mail && !recipients.empty() && by_chance(server.personality.drops_before_dot);
  }

  // The strictest reading of RFC 3030: a refused chunk leaves the transaction open until RSET.
  void end_chunk(const std::string& content) {
    in_chunk = false;
    reset = false;
    if (ahead++ > 0) {
      ++server.streamed_;
    }
    if (server.personality.most_streamed != 0 && ahead > server.personality.most_streamed) {
      dropping = true;
      return;
    }
    if (!in_mail || recipients.empty()) {
      next_overlaps = pending.starts_with("MAIL") || pending.starts_with("RSET");
      say(in_mail ? "554 5.5.1 RCPT first" : "503 5.5.1 MAIL first");
      return;
    }
    end_content(content);
    in_mail = !out.ends_with("250 2.0.0 taken\r\n");
  }

  void end_content(const std::string& content) {
    const bool stuffed = std::exchange(in_content, false);
    in_mail = false;
    next_overlaps = pending.starts_with("MAIL") || pending.starts_with("RSET");
    server.overlapped_ += next_overlaps ? 1 : 0;
    std::string reply;
    if (by_policy(".", sender, reply) && !reply.starts_with('2')) {
      say(reply);
      return;
    }
    ++messages;
    dropping = by_chance(server.personality.drops_after_dot);
    for (std::size_t at = 0; at < recipients.size(); ++at) {
      server.taken.push_back({sender, recipients[at],
                              stuffed ? without_dot_stuffing(content) : content, mail_parameters,
                              rcpt_parameters[at], number, static_cast<unsigned>(recipients.size()),
                              !dropping, next_overlaps, overlapped, server.world_.clock().now()});
    }
    if (server.personality.discards_after_dot) {
      pending.erase(0, pending.rfind('\n') + 1);  // whole lines: nothing makes garbage of the rest
    }
    if (!dropping) {
      say("250 2.0.0 taken");
    }
  }
};

MailServer::MailServer(SimWorld& world, const std::string& name,
                       const std::vector<IpAddress>& addresses, Personality as)
    : personality(std::move(as)),
      world_(world),
      host_(world.add_host(name, addresses)),
      addresses_(addresses) {
  start();
}

MailServer::~MailServer() {
  if (process_ != nullptr) {
    crash();
  }
}

void MailServer::start() {
  process_ = std::make_unique<SimProcess>(host_);
  for (const IpAddress& address : addresses_) {
    process_->spawn(accept_on(address));
  }
}

void MailServer::crash() {
  host_.crash(Crash::killed);
  process_.reset();
  connections_ = 0;
}

void MailServer::restart() {
  start();
}

std::size_t MailServer::copies_of(std::string_view sender, std::string_view recipient) const {
  return static_cast<std::size_t>(std::ranges::count_if(taken, [&](const TakenMessage& message) {
    return message.sender == sender && message.recipient == recipient;
  }));
}

ring::Task<void> MailServer::accept_on(IpAddress address) {
  const Result<int> listener = net::listen_on(process_->kernel, Endpoint(address, 25));
  check(listener.has_value(), "a mail server cannot listen");
  while (true) {
    const int fd = co_await process_->reactor.accept(*listener);
    if (fd >= 0) {
      process_->gate.spawn(serve(fd));
    }
  }
}

ring::Task<void> MailServer::serve(int fd) {
  ring::Reactor& reactor = process_->reactor;
  net::Stream stream(reactor, fd);
  Session session{*this, ++connections_total_};
  most_seen_ = std::max(most_seen_, ++connections_);
  const bool turned_away =
      personality.most_connections != 0 && connections_ > personality.most_connections;
  session.stalled = !personality.greets;
  session.say(turned_away ? "421 4.7.0 too many connections" : "220 mx.example ESMTP");
  while (true) {
    if (!session.out.empty() && !session.stalled) {
      if (personality.reply_delay > Duration::zero()) {
        co_await reactor.sleep(personality.reply_delay);
      }
      stream.write(std::exchange(session.out, {}));
    }
    if (session.closing || session.dropping) {
      break;
    }
    const net::Received received =
        co_await stream.receive(reactor.now() + personality.idle_timeout);
    if (received.result() <= 0) {
      break;
    }
    session.feed(received.bytes());
  }
  if (session.closing) {
    co_await stream.sent_down_to(0, reactor.now() + 10s);
  }
  co_await stream.close();
  --connections_;
}

}  // namespace ringpost::sim
