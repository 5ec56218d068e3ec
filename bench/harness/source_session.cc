#include "harness/source_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "ringpost/base/text.h"

namespace ringpost::bench {
namespace {

constexpr std::size_t max_reply_line = 4096;

int code_of(std::string_view text) {
  if (text.size() < 3 || !is_digit(text[0]) || !is_digit(text[1]) || !is_digit(text[2])) {
    return 0;
  }
  return (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
}

bool positive(int code) {
  return code / 100 == 2;
}

}  // namespace

void SourceSession::feed(std::string_view bytes, Instant now, std::string& out) {
  while (!bytes.empty() && !ended_) {
    const std::size_t end = bytes.find('\n');
    if (end == std::string_view::npos) {
      partial_ += bytes;
      if (partial_.size() > max_reply_line) {
        give_up("the server sends an endless line");
      }
      return;
    }
    std::string_view text = bytes.substr(0, end);
    bytes.remove_prefix(end + 1);
    if (!partial_.empty()) {
      partial_ += text;
      text = partial_;
    }
    if (text.ends_with('\r')) {
      text.remove_suffix(1);
    }
    line(text, now, out);
    partial_.clear();
  }
}

void SourceSession::line(std::string_view text, Instant now, std::string& out) {
  const int code = code_of(text);
  if (code < 200 || code > 599 || (text.size() > 3 && text[3] != ' ' && text[3] != '-')) {
    give_up(fmt::format("the server says what is no reply: {}", text));
    return;
  }
  if (expected_.empty()) {
    give_up(fmt::format("a reply without a command: {}", text));
    return;
  }
  const Stage stage = expected_.front();
  if (stage == Stage::ehlo && text.size() > 4) {
    const std::string_view keyword = trim(text.substr(4));
    offers_pipelining_ |= equals_ignoring_case(keyword, "PIPELINING");
    offers_size_ |= equals_ignoring_case(keyword.substr(0, 4), "SIZE");
  }
  if (text.size() > 3 && text[3] == '-') {
    return;
  }
  expected_.pop_front();
  if (code == 421) {
    give_up(fmt::format("the server closes: {}", text));
    return;
  }
  reply(stage, code, text, now, out);
}

void SourceSession::reply(Stage stage, int code, std::string_view text, Instant now,
                          std::string& out) {
  switch (stage) {
    case Stage::greeting:
      if (!positive(code)) {
        return give_up(fmt::format("greeting: {}", text));
      }
      out += "EHLO source.test\r\n";
      return expect(Stage::ehlo);
    case Stage::ehlo:
      if (!positive(code)) {
        return give_up(fmt::format("EHLO: {}", text));
      }
      mode_ = offers_pipelining_ ? wanted_ : Pipelining::none;
      return open_or_quit(out);
    case Stage::mail:
      return mail_reply(code, out);
    case Stage::rcpt:
      return recipient_reply(code, out);
    case Stage::data:
      return data_reply(code, now, out);
    case Stage::dot:
      return dot_reply(code, out);
    case Stage::lone_dot:
      settle_refused(opening_);
      return start_again(out);
    case Stage::rset:
      return open_or_quit(out);
    case Stage::quit:
      ended_ = true;
      return;
  }
}

// Takes the next message and sends as much of its envelope as may leave at once.
bool SourceSession::open(std::string& out) {
  const std::optional<std::uint64_t> number = workload_.next();
  if (!number) {
    return false;
  }
  opening_.number = *number;
  opening_.active = true;
  opening_.temporary = false;
  opening_.asked = opening_.heard = opening_.taken = 0;
  opening_.accepted.assign(workload_.settings().recipients, false);
  out += "MAIL FROM:<bounces@source.test>";
  if (offers_size_) {
    fmt::format_to(std::back_inserter(out), " SIZE={}", maker_.size());
  }
  out += "\r\n";
  expect(Stage::mail);
  if (mode_ != Pipelining::none) {
    while (opening_.asked < workload_.settings().recipients) {
      send_recipient(out);
    }
    out += "DATA\r\n";
    expect(Stage::data);
  }
  return true;
}

void SourceSession::open_or_quit(std::string& out) {
  if (!open(out)) {
    out += "QUIT\r\n";
    expect(Stage::quit);
  }
}

void SourceSession::send_recipient(std::string& out) {
  out += "RCPT TO:<";
  workload_.append_recipient(out, workload_.serial(opening_.number, opening_.asked++));
  out += ">\r\n";
  expect(Stage::rcpt);
}

void SourceSession::mail_reply(int code, std::string& out) {
  opening_.temporary |= code / 100 == 4;
  if (mode_ != Pipelining::none) {
    return;  // what follows from a refusal shows in the replies to come
  }
  if (positive(code)) {
    send_recipient(out);
  } else {
    settle_refused(opening_);
    start_again(out);
  }
}

void SourceSession::recipient_reply(int code, std::string& out) {
  opening_.temporary |= code / 100 == 4;
  opening_.accepted[opening_.heard++] = positive(code);
  opening_.taken += positive(code) ? 1 : 0;
  if (mode_ != Pipelining::none) {
    return;
  }
  if (opening_.heard < workload_.settings().recipients) {
    send_recipient(out);
  } else if (opening_.taken > 0) {
    out += "DATA\r\n";
    expect(Stage::data);
  } else {
    settle_refused(opening_);
    start_again(out);
  }
}

void SourceSession::data_reply(int code, Instant now, std::string& out) {
  if (code == 354 && opening_.taken > 0) {
    send_content(now, out);
  } else if (code == 354) {
    out += ".\r\n";  // RFC 2920 section 3.1: nobody to send it to
    expect(Stage::lone_dot);
  } else {
    opening_.temporary |= code / 100 == 4;
    settle_refused(opening_);
    start_again(out);
  }
}

void SourceSession::send_content(Instant now, std::string& out) {
  std::swap(finishing_, opening_);
  opening_.active = false;
  out.reserve(out.size() + maker_.size() + 512);
  maker_.append(out, workload_.id(finishing_.number));
  workload_.sent(finishing_.number, now);
  expect(Stage::dot);
  if (mode_ == Pipelining::overlap) {
    open(out);
  }
}

void SourceSession::dot_reply(int code, std::string& out) {
  if (positive(code)) {
    finishing_.active = false;
    workload_.acknowledged(finishing_.number, finishing_.accepted);
  } else {
    finishing_.temporary = code / 100 == 4;
    settle_refused(finishing_);
  }
  if (!opening_.active) {
    open_or_quit(out);
  }
}

void SourceSession::settle_refused(Transaction& transaction) {
  transaction.active = false;
  if (transaction.temporary) {
    workload_.give_back(transaction.number);
    pause_ = true;
  } else {
    workload_.refused(transaction.number);
  }
}

void SourceSession::start_again(std::string& out) {
  out += "RSET\r\n";
  expect(Stage::rset);
}

void SourceSession::give_up(std::string_view why) {
  complaint_ = why;
  ended_ = true;
}

void SourceSession::abandon(bool send_again) {
  for (Transaction* transaction : {&finishing_, &opening_}) {
    if (!std::exchange(transaction->active, false)) {
      continue;
    }
    if (send_again) {
      workload_.give_back(transaction->number);
    } else {
      workload_.unacknowledged(transaction->number);
    }
  }
}

}  // namespace ringpost::bench
