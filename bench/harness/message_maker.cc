#include "harness/message_maker.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>

#include "harness/message_id.h"
#include "ringpost/base/random.h"
#include "ringpost/base/text.h"

namespace ringpost::bench {
namespace {

constexpr std::string_view id_mark = "@@@@@@@@@@@@@@@@";
constexpr std::string_view checksum_mark = "%%%%%%%%%%%%%%%%";
static_assert(id_mark.size() == id_digits && checksum_mark.size() == id_digits);

std::string header_template() {
  return fmt::format(
      "From: The Daily Bench <news@source.test>\r\n"
      "To: reader-{0}@readers.test\r\n"
      "Subject: Today in relays\r\n"
      "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
      "Message-ID: <{0}@source.test>\r\n"
      "MIME-Version: 1.0\r\n"
      "Content-Type: text/plain; charset=us-ascii\r\n"
      "List-Unsubscribe: <https://source.test/leave/{0}>\r\n"
      "{1}{0}\r\n"
      "{2}{3}\r\n\r\n",
      id_mark, id_header, checksum_header, checksum_mark);
}

void append_words(std::string& line, std::size_t length, Random& random) {
  while (line.size() < length) {
    const std::size_t word = std::min<std::size_t>(2 + random.below(8), length - line.size());
    for (std::size_t i = 0; i < word; ++i) {
      line += static_cast<char>('a' + random.below(26));
    }
    line += ' ';
  }
  line.resize(length);
  if (!line.empty()) {
    line.back() = 'z';  // no space before a line's end: some programs take those off
  }
}

// Lines of at most 72 characters; `size` bytes in all.
std::string body_template(std::size_t size, Random& random) {
  std::string body = fmt::format("Dear reader {},\r\n.\r\n", id_mark);
  for (std::size_t number = 0; body.size() + 3 <= size; ++number) {
    const std::size_t rest = size - body.size();
    // What would remain behind this line must be nothing, or enough for another one.
    const std::size_t length = rest <= 74 ? rest - 2 : std::min<std::size_t>(72, rest - 5);
    std::string line(number % 16 == 7 ? "." : "");
    append_words(line, length, random);
    body += line;
    body += "\r\n";
  }
  return body;
}

std::string stuffed(std::string_view body) {
  std::string out;
  bool line_start = true;
  for (const char c : body) {
    if (line_start && c == '.') {
      out += '.';
    }
    out += c;
    line_start = c == '\n';
  }
  return out;
}

std::uint64_t checksum_of(std::string_view body) {
  return XXH3_64bits(body.data(), body.size());
}

}  // namespace

Result<MessageMaker> MessageMaker::create(std::size_t size, std::uint64_t seed) {
  const std::string header = header_template();
  const std::size_t least = header.size() + 64;
  if (size < least) {
    return fail(fmt::format("a message of {} bytes has no room for its header", size),
                fmt::format("give a size of at least {}", least));
  }
  Random random(Random::seed_from(seed));
  MessageMaker maker;
  maker.size_ = size;
  maker.body_ = body_template(size - header.size(), random);
  maker.wire_ = header + stuffed(maker.body_) + ".\r\n";
  maker.id_in_body_ = maker.body_.find(id_mark);
  maker.checksum_in_wire_ = maker.wire_.find(checksum_mark);
  for (std::size_t at = maker.wire_.find(id_mark); at != std::string::npos;
       at = maker.wire_.find(id_mark, at + id_digits)) {
    maker.id_in_wire_.push_back(at);
  }
  return maker;
}

void MessageMaker::append(std::string& wire, std::uint64_t id) {
  char digits[id_digits];
  write_hex(digits, id);
  std::memcpy(body_.data() + id_in_body_, digits, id_digits);
  for (const std::size_t at : id_in_wire_) {
    std::memcpy(wire_.data() + at, digits, id_digits);
  }
  write_hex(wire_.data() + checksum_in_wire_, checksum_of(body_));
  wire += wire_;
}

Inspection inspect(std::string_view content) {
  Inspection found;
  std::optional<std::uint64_t> checksum;
  while (true) {
    const std::size_t end = content.find('\n');
    if (end == std::string_view::npos) {
      return found;  // a header without a body: nothing of ours
    }
    std::string_view line = content.substr(0, end);
    content.remove_prefix(end + 1);
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (line.empty()) {
      break;
    }
    if (line[0] != 'X' && line[0] != 'x') {
      continue;
    }
    if (starts_with_ignoring_case(line, id_header)) {
      const std::optional<std::uint64_t> id = parse_hex(line.substr(id_header.size()));
      found.has_id = id.has_value();
      found.id = id.value_or(0);
    } else if (starts_with_ignoring_case(line, checksum_header)) {
      checksum = parse_hex(line.substr(checksum_header.size()));
    }
  }
  found.intact = checksum && *checksum == checksum_of(content);
  return found;
}

}  // namespace ringpost::bench
