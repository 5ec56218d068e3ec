// A strict SMTP server for model tests: bytes in, replies out, and a ledger of what it accepted.
// What it answers is asked of a policy; what it understands is RFC 5321. Whatever a correct client
// never does it notes in `complaint`.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/smtp/stage.h"

namespace ringpost::smtp {

class FakeServer {
 public:
  // The reply, "250 ok", to a command that is valid where it stands; `subject` is its address.
  using Policy = std::function<std::string(Stage stage, std::string_view subject)>;

  explicit FakeServer(Policy policy) : policy_(std::move(policy)) {}

  // All replies to what these bytes complete.
  std::string feed(std::string_view bytes) {
    pending_ += bytes;
    std::string out;
    while (!closed) {
      if (in_chunk_) {
        if (pending_.size() < chunk_) {
          break;
        }
        const std::string taken = pending_.substr(0, chunk_);
        pending_.erase(0, chunk_);
        in_chunk_ = false;
        end_chunk(taken, out);
        continue;
      }
      const std::string_view end = in_content_ ? "\r\n.\r\n" : "\r\n";
      // A terminator may follow DATA's own line end at once.
      if (in_content_ && pending_.starts_with(".\r\n")) {
        pending_.erase(0, 3);
        end_content("", out);
        continue;
      }
      const std::size_t at = pending_.find(end);
      if (at == std::string::npos) {
        break;
      }
      const std::string taken = pending_.substr(0, at);
      pending_.erase(0, at + end.size());
      if (in_content_) {
        end_content(taken + "\r\n", out);
      } else {
        command(taken, out);
      }
    }
    return out;
  }

  struct Accepted {
    std::string sender;
    std::string recipient;
    std::string content;  // still dot-stuffed, unless it came in a chunk
  };

  std::vector<Accepted> accepted;
  std::string complaint;
  bool closed = false;             // it said 421
  bool data_without_rcpt = false;  // answer 354 to DATA even so

 private:
  void say(const std::string& reply, std::string& out) {
    out += reply + "\r\n";
    closed = closed || reply.starts_with("421");
  }

  void command(std::string_view line, std::string& out) {
    if (line == "RSET") {
      in_mail_ = false;
      recipients_.clear();
      say(policy_(Stage::rset, ""), out);
    } else if (line.starts_with("MAIL FROM:<")) {
      mail(line.substr(11, line.find('>') - 11), out);
    } else if (line.starts_with("RCPT TO:<")) {
      rcpt(line.substr(9, line.find('>') - 9), out);
    } else if (line == "DATA") {
      data(out);
    } else if (line.starts_with("BDAT ") && line.ends_with(" LAST")) {
      chunk_ = std::stoul(std::string(line.substr(5)));
      in_chunk_ = true;
    } else {
      complaint += "unknown command: " + std::string(line) + "\n";
      say("500 what", out);
    }
  }

  void mail(std::string_view sender, std::string& out) {
    if (in_mail_) {
      complaint += "nested MAIL from " + std::string(sender) + "\n";
      say("503 nested MAIL", out);
      return;
    }
    const std::string reply = policy_(Stage::mail, sender);
    in_mail_ = reply.starts_with('2');
    recipients_.clear();
    sender_ = sender;
    say(reply, out);
  }

  void rcpt(std::string_view recipient, std::string& out) {
    if (!in_mail_) {
      say("503 MAIL first", out);
      return;
    }
    const std::string reply = policy_(Stage::rcpt, recipient);
    if (reply.starts_with('2')) {
      recipients_.emplace_back(recipient);
    }
    say(reply, out);
  }

  void data(std::string& out) {
    if (recipients_.empty() && !data_without_rcpt) {
      say("503 RCPT first", out);
      return;
    }
    const std::string reply = policy_(Stage::data, sender_);
    in_content_ = reply.starts_with('3');
    say(reply, out);
  }

  // The strictest reading of RFC 3030: a chunk that is refused leaves the transaction open until
  // RSET, and whatever comes before that is out of place.
  void end_chunk(const std::string& content, std::string& out) {
    if (!in_mail_ || recipients_.empty()) {
      say(in_mail_ ? "554 RCPT first" : "503 MAIL first", out);
      return;
    }
    const std::string reply = policy_(Stage::final_dot, sender_);
    if (reply.starts_with('2')) {
      for (const std::string& recipient : recipients_) {
        accepted.push_back({sender_, recipient, content});
      }
      in_mail_ = false;
      recipients_.clear();
    }
    say(reply, out);
  }

  void end_content(const std::string& content, std::string& out) {
    in_content_ = false;
    if (recipients_.empty()) {
      if (!content.empty()) {
        complaint += "content without a recipient\n";
      }
      in_mail_ = false;
      say("554 no valid recipients", out);
      return;
    }
    const std::string reply = policy_(Stage::final_dot, sender_);
    if (reply.starts_with('2')) {
      for (const std::string& recipient : recipients_) {
        accepted.push_back({sender_, recipient, content});
      }
    }
    in_mail_ = false;
    recipients_.clear();
    say(reply, out);
  }

  Policy policy_;
  std::string pending_;
  bool in_mail_ = false;
  bool in_content_ = false;
  bool in_chunk_ = false;
  std::size_t chunk_ = 0;
  std::string sender_;
  std::vector<std::string> recipients_;
};

}  // namespace ringpost::smtp
