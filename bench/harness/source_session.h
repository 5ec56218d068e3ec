// The source's side of one SMTP connection, as a pure machine: bytes of the server in, bytes to
// send out. Written apart from Ringpost's own client, so that the two cannot share a mistake.
// Called by Source; takes messages from the Workload and settles each one there exactly once.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/message_maker.h"
#include "harness/workload.h"
#include "ringpost/base/time.h"

namespace ringpost::bench {

// How much leaves without waiting, where the server offers PIPELINING.
enum class Pipelining : std::uint8_t {
  none,     // one command at a time
  flight,   // MAIL, RCPT and DATA together
  overlap,  // these together with the dot of the message before
};

class SourceSession {
 public:
  SourceSession(Workload& workload, MessageMaker& maker, Pipelining pipelining)
      : workload_(workload), maker_(maker), wanted_(pipelining) {
    expect(Stage::greeting);
  }

  // Takes bytes of the server, appends what to send.
  void feed(std::string_view bytes, Instant now, std::string& out);

  // After QUIT's reply, or because the server said something that ends the connection.
  [[nodiscard]] bool ended() const { return ended_; }
  [[nodiscard]] const std::string& complaint() const { return complaint_; }
  // True once after a temporary refusal: wait a little before sending on.
  [[nodiscard]] bool take_pause() { return std::exchange(pause_, false); }
  // Has the workload no more for this connection, and nothing is unanswered?
  [[nodiscard]] bool done() const { return ended_ && complaint_.empty(); }

  // The connection is gone: what was not acknowledged goes back to be sent again, or is counted.
  void abandon(bool send_again);

 private:
  enum class Stage : std::uint8_t { greeting, ehlo, mail, rcpt, data, dot, lone_dot, rset, quit };
  struct Transaction {
    std::uint64_t number = 0;
    bool active = false;
    bool temporary = false;   // a refusal was temporary
    std::uint32_t asked = 0;  // recipients sent
    std::uint32_t heard = 0;  // recipients answered
    std::uint32_t taken = 0;
    std::vector<bool> accepted;
  };

  void expect(Stage stage) { expected_.push_back(stage); }
  void line(std::string_view text, Instant now, std::string& out);
  void reply(Stage stage, int code, std::string_view text, Instant now, std::string& out);
  void mail_reply(int code, std::string& out);
  void recipient_reply(int code, std::string& out);
  void data_reply(int code, Instant now, std::string& out);
  void dot_reply(int code, std::string& out);

  bool open(std::string& out);
  void open_or_quit(std::string& out);
  void send_recipient(std::string& out);
  void send_content(Instant now, std::string& out);
  void settle_refused(Transaction& transaction);
  void start_again(std::string& out);
  void give_up(std::string_view why);

  Workload& workload_;
  MessageMaker& maker_;
  Pipelining wanted_;
  Pipelining mode_ = Pipelining::none;
  bool offers_pipelining_ = false;
  bool offers_size_ = false;
  bool ended_ = false;
  bool pause_ = false;
  std::string partial_;
  std::string complaint_;
  std::deque<Stage> expected_;
  Transaction opening_;    // its envelope is being sent
  Transaction finishing_;  // its dot was sent
};

}  // namespace ringpost::bench
