// One runner's turn with one connection: takes entries from the lane while the turn, the
// connection and the work last, feeds them to the transaction machine, carries bytes both ways and
// hands every result to the ledger. Decides nothing that the pure rooms can decide.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "ringpost/config/config.h"
#include "ringpost/delivery/connection.h"
#include "ringpost/delivery/host_table.h"
#include "ringpost/delivery/in_flight.h"
#include "ringpost/delivery/ledger.h"
#include "ringpost/delivery/read_ahead.h"
#include "ringpost/queue/queue_group.h"
#include "ringpost/ring/reactor.h"

namespace ringpost::delivery {

class Conversation {
 public:
  struct Room {  // what outlives every conversation
    ring::Reactor& reactor;
    ReadAhead& read_ahead;
    queue::Messages& messages;
    HostTable& hosts;
    Ledger& ledger;
    const config::Timeouts& timeouts;
    const bool& stopping;
    InFlight::Share& share;
  };

  Conversation(Room room, queue::QueueGroup& group, queue::Seat& seat, Connection& connection);

  enum class End : std::uint8_t {
    reusable,  // nothing is under way: the connection can serve again
    used_up,   // it has carried as many messages as it may: QUIT
    broken,    // it ended or was given up; results are settled
    stale,     // it had ended before it was used again: nothing was tried
  };
  ring::Task<End> run();

  [[nodiscard]] std::uint32_t offered() const { return offered_; }
  // The server ended the connection with 421.
  [[nodiscard]] bool sent_away() const { return sent_away_; }
  // Of a connection that broke: what to remember of its lane, and the words for it.
  [[nodiscard]] const Trouble& trouble() const { return trouble_; }
  [[nodiscard]] bool turn_over() const { return turn_over_; }

 private:
  struct UnderWay {
    queue::Entry* entry = nullptr;
    std::vector<std::string_view> recipients;
    Instant started;
    std::uint64_t number = 0;                               // on this connection
    std::size_t size = 0;                                   // of the content
    std::unique_ptr<const smtp::ReportParameters> reports;  // null: none are said
  };

  ring::Task<void> offer_work();
  [[nodiscard]] bool may_offer() const;
  [[nodiscard]] bool used_up() const;
  [[nodiscard]] HostRecord& host() const;
  ring::Task<bool> load_content(UnderWay& under_way);
  bool refuse_for_obstacle(UnderWay& under_way);
  void offer(UnderWay under_way);

  // Writes what may leave now; a large content goes on in the background.
  void write_flight();
  bool fill(std::string& flight);
  ring::Task<void> pump();
  void confirm_sent();
  [[nodiscard]] Instant deadline();
  [[nodiscard]] Duration time_for(const smtp::Unanswered& unanswered) const;
  bool feed(std::string_view bytes);
  bool timed_out();
  void settle_results();
  [[nodiscard]] Ledger::Fate fate_of(const smtp::TransactionResult& result,
                                     const smtp::RecipientVerdict& verdict) const;
  void learn(const smtp::TransactionResult& result);
  void allow(smtp::Mode mode);
  void lose(std::string text);

  Room room_;
  queue::QueueGroup& group_;
  queue::Seat& seat_;
  Connection& connection_;
  std::string address_;  // of the peer, for events
  std::deque<UnderWay> under_way_;
  std::size_t bytes_under_way_ = 0;
  smtp::TransactionResult result_;
  std::optional<smtp::Unanswered> awaited_;
  Instant awaited_since_;
  std::uint64_t sent_at_deadline_ = 0;
  Instant started_;
  std::uint32_t offered_ = 0;
  bool sent_away_ = false;
  bool stale_ = false;
  bool turn_over_ = false;
  bool pumping_ = false;
  Trouble trouble_;
  ring::Gate pump_gate_;
};

}  // namespace ringpost::delivery
