// A remote server's bytes against the reply parser, whole and in pieces, and against the client
// transactions that they answer: bounds hold, every transaction ends with one verdict a recipient.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/base/check.h"
#include "ringpost/smtp/capabilities.h"
#include "ringpost/smtp/classify.h"
#include "ringpost/smtp/client_transaction.h"
#include "ringpost/smtp/reply.h"

namespace {

using namespace ringpost;
using namespace ringpost::smtp;

struct Read {
  std::vector<std::string> replies;
  bool malformed = false;
  bool operator==(const Read&) const = default;
};

void examine(const Reply& reply) {
  check(reply.code >= 200 && reply.code < 600, "a code out of range");
  check(reply.text.size() <= ReplyParser::max_reply_bytes, "a reply beyond its bound");
  check(std::ranges::all_of(reply.text, [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); }),
        "an unprintable byte got through");
  const std::string shown = one_line(reply);
  check(shown.size() <= shown_reply_bytes && !shown.contains('\n'), "more shown than one line");
  (void)parse_capabilities(reply);
  for (int stage = 0; stage <= static_cast<int>(Stage::quit); ++stage) {
    (void)classify(static_cast<Stage>(stage), reply);
  }
}

Read read_in_pieces(std::string_view bytes, std::size_t piece) {
  ReplyParser parser;
  Read read;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    std::string_view rest = bytes.substr(at, piece);
    while (!rest.empty() && !read.malformed) {
      const auto [status, consumed] = parser.feed(rest);
      check(consumed <= rest.size(), "more consumed than given");
      rest.remove_prefix(consumed);
      read.malformed = status == ReplyParser::Status::malformed;
      if (status == ReplyParser::Status::reply) {
        examine(parser.reply());
        read.replies.push_back(one_line(parser.reply()));
      }
      check(status != ReplyParser::Status::need_more || rest.empty(), "bytes were left unread");
    }
  }
  return read;
}

class Conversation {
 public:
  explicit Conversation(Mode mode) : machine_(offered(), mode) {}

  void run(std::string_view bytes) {
    ReplyParser parser;
    while (!bytes.empty() && !machine_.must_close()) {
      turn(static_cast<std::size_t>(static_cast<unsigned char>(bytes.back())));
      const auto [status, consumed] = parser.feed(bytes);
      bytes.remove_prefix(consumed);
      if (status == ReplyParser::Status::reply) {
        machine_.feed(parser.reply());
      } else if (status == ReplyParser::Status::malformed) {
        machine_.protocol_error(parser.describe_malformed());
      }
      collect();
    }
    machine_.connection_lost();
    collect();
    check(machine_.idle() && results_ == offered_, "a transaction without a result");
  }

 private:
  static Capabilities offered() {
    Capabilities capabilities;
    capabilities.pipelining = true;
    return capabilities;
  }

  void turn(std::size_t room) {
    static constexpr std::string_view recipients[] = {"a", "b", "c"};
    if (machine_.can_offer()) {
      machine_.offer({++offered_, "s", recipients, ".\r\n..\r\nx", false});
    }
    std::string out;
    machine_.fill(out, 1 + room);
    machine_.sent(out.size());
  }

  void collect() {
    TransactionResult result;
    while (machine_.take_result(result)) {
      check(result.token == ++results_, "results in another order");
      check(result.recipients.size() == 3, "a verdict for each recipient");
      for (const RecipientVerdict& each : result.recipients) {
        check(each.verdict != Verdict::undecided && each.verdict != Verdict::accepted, "undecided");
        check((each.verdict == Verdict::delivered) <= result.content_accepted, "delivered how?");
        if (const auto reply = result.reply(each)) {
          examine(*reply);
        }
      }
    }
  }

  ClientTransactions machine_;
  std::uint64_t offered_ = 0;
  std::uint64_t results_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Read whole = read_in_pieces(bytes, std::max<std::size_t>(size, 1));
  check(read_in_pieces(bytes, 1) == whole, "pieces change what is read");
  check(read_in_pieces(bytes, 7) == whole, "pieces change what is read");
  for (const Mode mode : {Mode::lock_step, Mode::pipelined, Mode::overlapped}) {
    Conversation(mode).run(bytes);
  }
  return 0;
}
