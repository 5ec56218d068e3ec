// What became of recipients, made lasting: the event line first, then the spool record, in batches.
// A crash may repeat a line and send again what was not yet recorded; the number of outcomes that
// wait is bounded, and while it is reached no new transaction starts. Called by conversations and
// by whoever else decides a recipient's fate; tells the reports' maker which reports are owed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ringpost/base/random.h"
#include "ringpost/delivery/late_storing.h"
#include "ringpost/events/writer.h"
#include "ringpost/mail/id_sequence.h"
#include "ringpost/mail/outcome.h"
#include "ringpost/mail/suppression_list.h"
#include "ringpost/queue/queue_group.h"
#include "ringpost/ring/reactor.h"
#include "ringpost/spool/spool.h"

namespace ringpost::delivery {

// A report that is to be written: everything it needs, because the message itself may be gone from
// memory by then.
struct OwedReport {
  mail::MessageId id;  // of the report
  spool::PartKey about;
  spool::Location location;  // of that message
  WallTime arrived;
  std::string sender;
  std::string envid;
  std::string tenant;
  std::string job;
  struct Recipient {
    std::string address;
    std::string original;  // ORCPT as received, may be empty
    mail::Outcome outcome;
  };
  std::vector<Recipient> recipients;
  std::string header;  // of that message; empty where it must be read from the spool
  bool utf8 = false;   // it came with SMTPUTF8
  bool whole = false;  // all of the message is returned, and read from the spool

  // With RET=FULL a report returns so much; of a larger message only the header (RFC 3461 section
  // 4.3 leaves that to us).
  static constexpr std::uint64_t most_returned_bytes = std::uint64_t{64} << 10;

  void add(std::string_view address, const mail::RecipientRequest* request,
           const mail::Outcome& outcome);
  // After all recipients. RET speaks of failures only.
  void decide_return(mail::Returned returned);
};

class ReportMaker {
 public:
  virtual void report_owed(OwedReport report) = 0;

 protected:
  ~ReportMaker() = default;
};

// What an event line tells of the attempt, besides the outcome.
struct Attempt {
  std::string_view destination;
  Instant started;
  std::uint64_t connection = 0;   // 0: there was none
  std::uint64_t transaction = 0;  // its number on the connection
  std::string_view source = {};
  std::string_view tls = {};  // "TLSv1.3"; empty: plain text
};

struct Counters {
  std::uint64_t delivered = 0;
  std::uint64_t deferred = 0;
  std::uint64_t bounced = 0;
  std::uint64_t expired = 0;
  std::uint64_t in_doubt = 0;
  std::uint64_t deleted = 0;
  std::uint64_t suppressed = 0;
};

class Ledger {
 public:
  static constexpr std::size_t most_uncommitted = 1000;

  Ledger(ring::Reactor& reactor, spool::Spool& spool, events::EventWriter& events,
         queue::Messages& messages, mail::IdSequence& ids, std::uint32_t shard);

  void start(ReportMaker& reports);

  // One fate for each recipient of an entry in flight, in the entry's order. Afterwards the entry
  // is gone or filed anew, and the message may be gone.
  struct Fate {
    enum class Kind : std::uint8_t { final, retry, retry_alone, again };
    Kind kind = Kind::again;
    mail::Outcome outcome;  // of `again` nothing is told
  };
  void settle(queue::QueueGroup& group, queue::Entry& entry, std::vector<Fate> fates,
              const Attempt& attempt);

  // All of a destination waits: one line, without id or recipient. Nobody's schedule advances.
  void tell_deferred(const queue::QueueGroup& group, std::string_view destination,
                     mail::EnhancedStatus status, std::string_view reply);
  // The operator holds a group, a destination or a job (the others are empty): one line.
  void tell_held(std::string_view group, std::string_view destination, std::string_view job);

  // Who gets no mail from now on.
  void use_suppressions(std::shared_ptr<const mail::SuppressionList> list) {
    suppressed_ = std::move(list);
  }
  [[nodiscard]] bool suppresses() const { return !suppressed_->empty(); }
  // Settles an entry in flight if any of its recipients is suppressed; the others go back, for the
  // next turn. False: none is, and nothing was done.
  bool settle_suppressed(queue::QueueGroup& group, queue::Entry& entry);

  [[nodiscard]] bool has_room() const { return uncommitted_ < most_uncommitted && !events_.full(); }
  // Waits for has_room().
  ring::Task<void> room();
  // Waits until all that was settled so far is durable.
  ring::Task<void> recorded();

  // Of a message that was answered 250 and is not on disk: it is to be by `deadline`, unless it is
  // done by then. Its outcomes wait for that.
  void store_late(queue::QueuedMessage& message, Instant deadline);
  // Now, if it is not there or on its way.
  void store_now(queue::QueuedMessage& message);
  [[nodiscard]] std::uint64_t only_in_memory() const { return late_.only_in_memory(); }

  // Keeps the message's record although all its recipients may be done: a report is owed that
  // quotes it, or the shard that gave it to us may still ask for it.
  void hold(const spool::PartKey& key) { ++holds_[key].reasons; }
  // One reason less, once the record behind `after` is durable.
  void release(const spool::PartKey& key, const spool::Location& location, spool::Ticket after);
  // Nothing of the message is open any more but what holds it.
  void finish(const spool::PartKey& key, const spool::Location& location, spool::Ticket after);

  // A report that recovery found undischarged.
  void still_owed(OwedReport report);
  // The report is durable as a message of its own, or was given up: records that. False if that
  // failed: to be called again.
  ring::Task<bool> discharge(const OwedReport& report);

  [[nodiscard]] std::uint64_t reports_owed() const { return reports_owed_; }
  [[nodiscard]] const Counters& counters() const { return counters_; }
  // Commits what is left and ends.
  ring::Task<void> close();

 private:
  struct Line {  // of a batch that waits for its commit
    spool::Location location;
    spool::OutcomeRecord outcome;
    spool::DeferralRecord deferral;
    std::vector<OwedReport> reports;
    bool message_finished = false;
    std::unique_ptr<mail::Message> late;  // to be stored before its outcome; then null
    spool::Ticket late_ticket;
    bool awaits_location = false;  // an earlier line is storing the message
    bool unrecorded = false;       // the message was never on disk and is done
    spool::Ticket deferral_ticket;
    spool::Ticket outcome_ticket;
    bool durable = false;
  };

  struct Hold {
    std::uint32_t reasons = 0;
    bool message_finished = false;
  };

  ring::Task<void> run();
  // False: the end came first.
  ring::Task<bool> commit_late(std::vector<Line>& lines);
  void stored(Line& line, std::vector<Line>& lines);
  ring::Task<void> commit(std::vector<Line>& lines);
  void append(Line& line);
  void push(Line line);
  // `report` has its recipients; the rest is the message's.
  void owe(Line& line, OwedReport report, const queue::QueuedMessage& message);
  // What becomes of a settled message that was not on disk; `open`: recipients that remain.
  void record_late(Line& line, queue::QueuedMessage& message, std::uint32_t open);
  ring::Task<void> tell_first(std::vector<Line>& lines);
  ring::Task<void> late_stored(std::size_t most);
  ring::Task<void> store_in_time();
  ring::Task<void> store_all();
  void tell(queue::QueueGroup& group, const queue::QueuedMessage& message,
            const queue::QueuedRecipient& recipient, const Fate& fate, const Attempt& attempt);
  void count(const Fate& fate);

  ring::Reactor& reactor_;
  spool::Spool& spool_;
  events::EventWriter& events_;
  queue::Messages& messages_;
  mail::IdSequence& ids_;
  std::uint32_t shard_;
  ReportMaker* reports_ = nullptr;
  std::shared_ptr<const mail::SuppressionList> suppressed_;  // never null
  Counters counters_;
  LateStoring late_;
  std::vector<Line> pending_;
  std::map<spool::PartKey, Hold> holds_;
  std::uint64_t last_event_ = 0;
  std::size_t uncommitted_ = 0;
  std::size_t storing_ = 0;  // lines whose message is on its way to the disk
  std::uint64_t reports_owed_ = 0;
  std::uint64_t settled_ = 0;   // calls
  std::uint64_t recorded_ = 0;  // of them, durably
  bool closing_ = false;
  ring::Event work_;
  ring::Event room_;
  ring::Event late_work_;
  ring::Gate gate_;
};

}  // namespace ringpost::delivery
