// A mail server of the simulated world, with a personality. Strict: what a correct client never
// does it notes as a complaint. Keeps a record of every message that it took, whether or not the
// client heard of it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/net/stream.h"
#include "sim/sim_process.h"

namespace ringpost::sim {

struct Personality {
  bool pipelining = true;
  bool eight_bit = true;
  bool dsn = false;
  bool utf8 = false;
  bool greets = true;  // else it accepts connections and never speaks
  bool chunking = false;
  unsigned mail_max = 0;  // RFC 9422, announced and enforced by complaint; 0 = not announced
  unsigned rcpt_max = 0;
  unsigned messages_per_connection = 0;  // then 421 to the next MAIL; 0 = any number
  unsigned errors_per_connection = 0;    // replies 4yz and 5yz, then 421; 0 = any number
  bool hangs_up_at_errors = false;       // instead of that 421, and its last replies are lost
  unsigned most_connections = 0;         // more are greeted with 421; 0 = any number
  Duration greylisted_for{};             // each recipient, from its first RCPT on
  Duration reply_delay{};
  Duration idle_timeout = 5min;     // then it closes without a word
  bool discards_after_dot = false;  // drops what was sent ahead of its reply to the dot
  unsigned most_streamed = 0;       // closes when more content is sent ahead; 0 = any number
  double drops_after_dot = 0;       // chance: takes the message, closes without a reply
  double drops_before_dot = 0;      // chance: closes while it receives a message
  double stalls = 0;                // chance, at a command: never speaks again
  // The reply to MAIL, RCPT, DATA or the dot ("." as command); empty: as usual.
  std::function<std::string(std::string_view command, std::string_view address)> policy;
};

struct TakenMessage {
  std::string sender;
  std::string recipient;
  std::string content;
  std::string mail_parameters;  // what stood behind the paths
  std::string rcpt_parameters;
  std::uint64_t connection = 0;
  unsigned recipients = 0;  // of its transaction
  bool answered = false;    // a 250 was sent
  bool followed = false;    // the next one's MAIL came with its dot
  bool overlapped = false;  // its MAIL came with the dot of the one before
  Instant time;
};

class MailServer {
 public:
  MailServer(SimWorld& world, const std::string& name, const std::vector<IpAddress>& addresses,
             Personality personality = {});
  ~MailServer();

  Personality personality;
  std::vector<TakenMessage> taken;
  std::string complaints;
  // Endpoints that do not listen, and times.
  void crash();
  void restart();

  [[nodiscard]] unsigned connections() const { return connections_; }
  [[nodiscard]] unsigned most_connections_seen() const { return most_seen_; }
  [[nodiscard]] std::uint64_t connections_total() const { return connections_total_; }
  [[nodiscard]] std::uint64_t overlapped_flights() const { return overlapped_; }
  // Chunks that came while the reply to one before was still to be given.
  [[nodiscard]] std::uint64_t streamed_chunks() const { return streamed_; }
  [[nodiscard]] std::uint64_t commands_total() const { return commands_; }
  // Of a sender, who names its message in our tests.
  [[nodiscard]] std::size_t copies_of(std::string_view sender, std::string_view recipient) const;

 private:
  struct Session;
  friend struct Session;
  void start();
  ring::Task<void> accept_on(IpAddress address);
  ring::Task<void> serve(int fd);

  SimWorld& world_;
  SimHost& host_;
  std::vector<IpAddress> addresses_;
  std::unique_ptr<SimProcess> process_;
  std::map<std::string, Instant> greylist_;
  unsigned connections_ = 0;
  unsigned most_seen_ = 0;
  std::uint64_t connections_total_ = 0;
  std::uint64_t overlapped_ = 0;
  std::uint64_t streamed_ = 0;
  std::uint64_t commands_ = 0;
};

}  // namespace ringpost::sim
