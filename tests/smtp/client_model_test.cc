// Random transactions against a strict server that refuses at random: the machine never gets out
// of step, each recipient gets exactly one verdict, and the verdict is what the server decided.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "client_driver.h"
#include "fake_server.h"
#include "ringpost/base/random.h"

namespace ringpost::smtp {
namespace {

class Model {
 public:
  Model(std::uint64_t seed, Mode mode, bool closes, const Capabilities& offered)
      : random_(Random::seed_from(seed)),
        chunking_(offered.chunking),
        client_(mode, offered, 2 + seed % 7),
        server_([this](Stage stage, std::string_view subject) { return decide(stage, subject); }),
        closes_(closes) {
    server_.data_without_rcpt = random_.below(2) == 0;
    refusals_ = random_.below(4) == 0 ? 0 : 2 + random_.below(10);
  }

  void run(std::uint64_t transactions) {
    while (!client_.machine.must_close()) {
      if (next_ <= transactions && client_.machine.can_offer() && random_.below(3) != 0) {
        offer();
      }
      write_some();
      read_some();
      if (client_.machine.mode() == Mode::pipelined && random_.below(20) == 0) {
        client_.machine.allow_overlap();
      } else if (client_.machine.mode() == Mode::overlapped && random_.below(20) == 0) {
        client_.machine.allow_streaming(2 + random_.below(5));
      }
      if (next_ > transactions && client_.machine.idle()) {
        break;
      }
      ASSERT_LT(++steps_, 200000) << "no progress";
    }
    check();
  }

 private:
  void offer() {
    std::string content;
    for (std::uint64_t lines = random_.below(20); lines > 0; --lines) {
      content += std::string(random_.below(3), '.') + std::to_string(next_) + "\r\n";
    }
    contents_["s" + std::to_string(next_)] = chunking_ ? content : stuffed(content);
    client_.offer(next_, 1 + random_.below(5), content);
    ++next_;
  }

  static std::string stuffed(std::string_view content) {
    std::string out;
    DotStuffer stuffer;
    stuffer.append(out, content);
    return out;
  }

  // Takes new output, "writes" part of it, and lets the server see that.
  void write_some() {
    std::string out;
    client_.machine.fill(out, 1 + random_.below(200));
    if (client_.machine.mode() == Mode::lock_step && !out.empty()) {
      EXPECT_TRUE(to_client_.empty()) << "lock-step waits for the reply";
    }
    unwritten_ += out;
    const std::size_t size = random_.below(unwritten_.size() + 1);
    const std::string written = unwritten_.substr(0, size);
    unwritten_.erase(0, size);
    client_.machine.sent(size);
    to_client_ += server_.feed(written);
  }

  void read_some() {
    const std::size_t size = random_.below(to_client_.size() + 1);
    std::string_view bytes = std::string_view(to_client_).substr(0, size);
    while (!bytes.empty()) {
      const auto [status, consumed] = parser_.feed(bytes);
      bytes.remove_prefix(consumed);
      ASSERT_NE(status, ReplyParser::Status::malformed);
      if (status == ReplyParser::Status::reply) {
        client_.machine.feed(parser_.reply());
        client_.collect();
      }
    }
    to_client_.erase(0, size);
  }

  std::string decide(Stage stage, std::string_view subject) {
    if (closes_ && random_.below(60) == 0) {
      closed_at_ = stage;
      return note(stage, subject, "421 4.3.2 closing");
    }
    if (stage == Stage::rset) {
      return "250 reset";
    }
    if (refusals_ != 0 && random_.below(refusals_) == 0) {
      static constexpr std::string_view replies[] = {"450-4.2.0 a\r\n450 4.2.0 b", "550 5.7.1 no",
                                                     "452 4.5.3 many", "554 x"};
      return note(stage, subject, std::string(replies[random_.below(4)]));
    }
    return note(stage, subject, stage == Stage::data ? "354 go" : "250 ok");
  }

  // Remembers the reply by stage and address, as the truth to compare with.
  std::string note(Stage stage, std::string_view subject, const std::string& reply) {
    said_[{static_cast<int>(stage), std::string(subject)}] = reply;
    return reply;
  }

  [[nodiscard]] std::string said(Stage stage, const std::string& subject) const {
    const auto found = said_.find({static_cast<int>(stage), subject});
    return found == said_.end() ? "" : found->second;
  }

  void check() {
    EXPECT_EQ(server_.complaint, "");
    if (client_.machine.must_close()) {
      EXPECT_TRUE(closes_ && server_.closed) << client_.machine.close_reason();
    }
    ASSERT_EQ(client_.results.size(), next_ - 1) << "each transaction has a result";
    std::set<std::pair<std::string, std::string>> accepted;
    for (const FakeServer::Accepted& each : server_.accepted) {
      EXPECT_TRUE(accepted.insert({each.sender, each.recipient}).second) << "delivered twice";
      EXPECT_EQ(each.content, contents_[each.sender]) << "a body went to another's recipients";
    }
    std::size_t delivered = 0;
    for (const auto& [token, result] : client_.results) {
      const std::string sender = "s" + std::to_string(token);
      for (std::size_t i = 0; i < result.recipients.size(); ++i) {
        const std::string recipient = "r" + std::to_string(token) + "." + std::to_string(i);
        delivered += result.recipients[i].verdict == Verdict::delivered;
        check_recipient(result, result.recipients[i], sender, recipient,
                        accepted.contains({sender, recipient}));
      }
    }
    EXPECT_EQ(delivered, accepted.size());
  }

  void check_recipient(const TransactionResult& result, const RecipientVerdict& verdict,
                       const std::string& sender, const std::string& recipient, bool accepted) {
    SCOPED_TRACE(recipient + ": " + client_.verdicts(result.token));
    EXPECT_EQ(verdict.verdict == Verdict::delivered, accepted);
    if (verdict.verdict == Verdict::not_tried) {
      EXPECT_TRUE(server_.closed);
      return;
    }
    ASSERT_NE(verdict.reply, RecipientVerdict::no_reply);
    // Earliest refusal first.
    const std::string mail = said(Stage::mail, sender);
    const std::string rcpt = said(Stage::rcpt, recipient);
    const std::string data = said(Stage::data, sender);
    const std::string dot = said(Stage::final_dot, sender);
    const std::string& decided = !mail.starts_with('2')                 ? mail
                                 : !rcpt.starts_with('2')               ? rcpt
                                 : !chunking_ && !data.starts_with('3') ? data
                                                                        : dot;
    EXPECT_EQ(result.reply(verdict)->code, std::stoi(decided));
    const bool refused = verdict.verdict == Verdict::refused;
    const bool too_many = verdict.verdict == Verdict::too_many;
    EXPECT_EQ(refused || too_many, !decided.starts_with('2'));
    if (too_many) {
      EXPECT_EQ(decided, "452 4.5.3 many");
      EXPECT_EQ(verdict.stage, Stage::rcpt);
    }
  }

  Random random_;
  bool chunking_;
  ClientDriver client_;
  FakeServer server_;
  ReplyParser parser_;
  bool closes_;
  std::uint64_t refusals_ = 0;  // one in so many; 0 = none
  std::uint64_t next_ = 1;
  std::string unwritten_;
  std::string to_client_;
  std::map<std::string, std::string> contents_;
  std::map<std::pair<int, std::string>, std::string> said_;
  Stage closed_at_ = Stage::quit;
  int steps_ = 0;
};

void run_seeds(Mode mode, bool closes, const Capabilities& offered = full_capabilities()) {
  for (std::uint64_t seed = 1; seed <= 300 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Model model(seed, mode, closes, offered);
    model.run(1 + seed % 30);
  }
}

TEST(ClientModel, LockStep) {
  run_seeds(Mode::lock_step, false);
}
TEST(ClientModel, Pipelined) {
  run_seeds(Mode::pipelined, false);
}
TEST(ClientModel, Overlapped) {
  run_seeds(Mode::overlapped, false);
}
TEST(ClientModel, ServiceClosing) {
  run_seeds(Mode::lock_step, true);
  run_seeds(Mode::pipelined, true);
  run_seeds(Mode::overlapped, true);
  run_seeds(Mode::streamed, true, with_chunking());
}
TEST(ClientModel, ChunksInEveryMode) {
  run_seeds(Mode::pipelined, false, with_chunking());
  run_seeds(Mode::overlapped, false, with_chunking());
  run_seeds(Mode::streamed, false, with_chunking());
  Capabilities lock_step;
  lock_step.chunking = true;
  run_seeds(Mode::streamed, false, lock_step);
}

}  // namespace
}  // namespace ringpost::smtp
