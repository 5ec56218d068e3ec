// A queue group: the recipients of some domains, their lanes, and what its runners do next. Owned
// by one shard, single-threaded. Delivery asks it for work and tells it what came of it; it
// performs no I/O and reads no clock. docs/SCHEDULER.md describes the life of an entry.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/base/random.h"
#include "ringpost/mail/outcome.h"
#include "ringpost/queue/domain.h"
#include "ringpost/queue/entry.h"
#include "ringpost/queue/lane_scheduler.h"
#include "ringpost/queue/now.h"
#include "ringpost/queue/retry.h"
#include "ringpost/queue/schedule.h"

namespace ringpost::queue {

enum class DeliveryMode : std::uint8_t { queue, at_once, hold };

struct GroupSettings {
  std::string name;
  std::uint32_t runners = 100;  // connections in use at most
  // Connection attempts that go on without a runner, because they take long.
  std::uint32_t most_attempts = 1000;
  std::uint32_t weight = 1;         // against the shard's other groups
  std::vector<std::string> egress;  // names of sources; each domain has one of them
  std::uint32_t max_connections_per_destination = 10;
  std::uint32_t max_messages_per_connection = 100;  // 0 = no limit
  std::uint32_t max_recipients_per_transaction = 100;
  std::uint32_t streaming_depth = 8;  // transactions at the same time on a connection
  double messages_per_second = 0;     // per destination; 0 = no limit
  DeliveryMode delivery = DeliveryMode::queue;
  std::string tls;  // policy of its lanes, where the destination has none of its own
  RetrySettings retry;
  HostStatusSettings host_status;
  // A lane gets one more connection for each so many messages that are ready…
  std::uint32_t backlog_per_connection = 4;
  // …or when its runners have taken none of them for so long.
  Duration patience = 1s;
  // A runner's turn on a lane, while other lanes wait.
  std::uint32_t turn_messages = 100;
  Duration turn_duration = 10s;
  // Domains without work of which the route is remembered.
  std::uint32_t idle_domains = 1000;
};

// What becomes of a recipient after a delivery attempt.
enum class Next : std::uint8_t {
  done,         // delivered, bounced, expired
  retry,        // deferred: an attempt was counted
  retry_alone,  // in doubt: deferred, and from now on alone
  again,        // no attempt counted: to the front, at once
};
struct RecipientResult {
  Next next = Next::done;
  mail::EnhancedStatus status;
  std::string_view reply;
  bool report_owed = false;  // ignored for a null sender
};
[[nodiscard]] RecipientResult result_of(const mail::Outcome& outcome);

class QueueGroup {
 public:
  explicit QueueGroup(GroupSettings settings);
  QueueGroup(const QueueGroup&) = delete;
  QueueGroup& operator=(const QueueGroup&) = delete;
  ~QueueGroup();  // entries that are left are forgotten

  [[nodiscard]] const GroupSettings& settings() const { return settings_; }
  // Limits, delivery mode and schedule may change at any time; the name may not. What is held
  // is released when the mode is no longer `hold`.
  void change_settings(GroupSettings settings, Now now);

  // --- filing -----------------------------------------------------------------------------------
  // Files these recipients (indices into the message's, none of them filed or done), for `due`:
  // at or before now means at once. Grouped by domain here; DNS is not needed.
  void file(QueuedMessage& message, std::span<const std::uint32_t> recipients, WallTime due,
            Now now);
  // All that are neither done nor filed.
  void file(QueuedMessage& message, WallTime due, Now now);

  // --- routes -----------------------------------------------------------------------------------
  // The next domain with ready work whose route has to be asked for; nullptr if none. It must be
  // answered by assign() or fail_route().
  Domain* next_unresolved();
  void assign(Domain& domain, const LaneKey& key, Instant valid_until, Now now);
  // For now. Nobody's attempts or schedule advance.
  // `status` and `reply` say why, for the operator.
  void fail_route(Domain& domain, Instant until, Now now, mail::EnhancedStatus status = {},
                  std::string_view reply = {});
  // The answer is not believed any more: asked again when there is work.
  void expire_route(Domain& domain);
  // Instead of an answer: the domain belongs to another group. It has no lane here any more, and
  // what may still come back to it asks anew.
  void depart(Domain& domain, Now now);
  // Its ready entries, as long as `visit` returns true. None may change meanwhile.
  template <class Visit>
  static void for_each_ready(Domain& domain, Visit visit) {
    for (Flow& flow : domain.flows_) {
      for (Entry& entry : flow.ready) {
        if (!visit(entry)) {
          return;
        }
      }
    }
  }
  // For a domain that takes no mail: its ready entries one by one, in flight, to be finished.
  Entry* next_entry_of(Domain& domain);
  [[nodiscard]] Domain* find_domain(std::string_view name) const { return domains_.find(name); }

  // --- runners ----------------------------------------------------------------------------------
  // A seat on the next lane, or none: nothing to do, or no runner free. Each seat must be released;
  // until then its Lane& is valid.
  Seat next_lane(Now now);
  void release(Seat& seat, Now now) { lanes_.release(seat, now); }
  // Whether what goes next on this lane has never been tried: neither the message nor the lane.
  [[nodiscard]] bool first_attempt_next(Lane& lane);
  // The next entry, in flight; nullptr: nothing (more) to do here now.
  Entry* next_entry(Seat& seat, Now now);
  // Up to `most` entries that next_entry() will give soon, more or less in that order.
  template <class Visit>
  void for_each_next(Lane& lane, std::size_t most, Visit visit) const {
    lane.active_.for_each_while([&](LaneJob& job) {
      job.active.for_each_while([&](Flow& flow) {
        std::size_t of_this_flow = most_of_flow_ahead;
        for (Entry& entry : flow.ready) {
          if (most == 0 || of_this_flow == 0) {
            break;
          }
          --most;
          --of_this_flow;
          visit(entry);
        }
        return most > 0;
      });
      return most > 0;
    });
  }
  // Whether a runner should give its seat up for the sake of lanes that wait.
  [[nodiscard]] bool turn_over(const Seat& seat, std::uint32_t messages_sent, Instant started,
                               Now now);
  // A ready entry, taken by name instead of by turn (delivery at once); false if it is not ready.
  bool take(Entry& entry);

  // --- outcomes: of entries in flight -----------------------------------------------------------
  // When recipients of this entry that are deferred now should be tried again.
  [[nodiscard]] WallTime retry_at(const Entry& entry, Now now, Random& random) const;
  // One result for each recipient, in the entry's order. `retry_due` for those deferred. The entry
  // may be gone afterwards. Returns the message's recipients that are still open; at 0 the caller
  // may erase the message.
  std::uint32_t finish(Entry& entry, std::span<const RecipientResult> results, WallTime retry_due,
                       Now now);
  // All recipients deferred until `due`, no attempt counted.
  void defer(Entry& entry, WallTime due, Now now);
  // To the front of its flow; no attempt counted.
  void put_back(Entry& entry, Now now);
  // Out of the queue without outcome, in any state: handed over or deleted. Its recipients are done
  // here. Returns as finish() does.
  std::uint32_t remove(Entry& entry);

  // --- the operator -----------------------------------------------------------------------------
  // Takes note of what is held from now on; to be called again after each change. `holds` outlives
  // the group. What is released comes back by advance().
  void use_holds(const Holds& holds, Now now);
  // By the configuration or by the operator: no runner starts on anything.
  [[nodiscard]] bool on_hold() const {
    return held_by_operator_ || settings_.delivery == DeliveryMode::hold;
  }
  [[nodiscard]] bool held_by_operator() const { return held_by_operator_; }
  // Held, or ready and held back with all of its group or destination.
  [[nodiscard]] bool withheld(const Entry& entry) const;
  // A ready entry of a job that is held now waits; false if it is no such entry.
  bool hold_back(Entry& entry);
  // A deferred entry is due at once; false if it is not deferred.
  bool hasten(Entry& entry, Now now);
  // Takes an entry in any state, to be finished; false if it is in flight: then the flight wins.
  bool claim(Entry& entry);
  // Forgets the entry, which is not in flight; its recipients are as before they were filed.
  void unfile(Entry& entry);
  // Suspended lanes of the destination (empty: of all) may be probed, and domains whose route
  // failed asked for, now. Returns the recipients that waited for that.
  std::uint64_t retry_now(std::string_view destination, Now now);
  // Routes may lead elsewhere now: every domain asks for its own when it has work. Lanes serve on
  // until the answers are there.
  void ask_routes_again(Now now);

  // --- status of lanes --------------------------------------------------------------------------
  // The lane cannot be served (connect, greeting, EHLO, 421): one deferral for all of it. Returns
  // when a probe may go. An explicit `until` replaces the growing probe times.
  Instant defer_lane(Lane& lane, mail::EnhancedStatus status, std::string_view reply,
                     std::optional<Instant> until, Now now);
  void lane_succeeded(Lane& lane, Now now);
  // Slow to connect: such lanes hold a quarter of the runners at most.
  void set_slow(Lane& lane, bool slow, Now now);
  // The cache's view of a destination. A Destination& stays valid while a connection is open.
  void connection_opened(Destination& destination) { ++destination.connections_open; }
  void connection_closed(Destination& destination) { lanes_.connection_closed(destination); }

  // --- time -------------------------------------------------------------------------------------
  // What is due becomes ready, what has expired is set aside, lanes and domains wake. Bounded a
  // call; next_due() tells when to call again.
  void advance(Now now);
  // When advance() will have something to do; `never` if nothing waits.
  [[nodiscard]] Instant next_due();
  // An entry whose message passed its expiry, in flight, to be finished; nullptr if there is none.
  // Ask after each advance(), and again after a put_back() or defer().
  Entry* next_expired();

  // --- totals -----------------------------------------------------------------------------------
  std::uint64_t delivered_total = 0;  // recipients; kept by delivery's ledger
  [[nodiscard]] bool has_work() const { return entries_ > 0; }
  [[nodiscard]] const Counts& counts() const { return counts_; }
  [[nodiscard]] std::uint64_t entries() const { return entries_; }
  [[nodiscard]] std::uint32_t runners_busy() const { return lanes_.runners_busy(); }
  [[nodiscard]] LaneScheduler& lanes() { return lanes_; }

  // Domains with entries whose route failed for now, by the time at which it is asked again.
  template <class Visit>
  void for_each_failed_route(Visit visit) {
    failed_routes_.for_each(visit);
  }
  template <class Visit>
  void for_each_domain(Visit visit) const {
    domains_.for_each(visit);
  }
  // In order of due time, those deferred; in order of expiry, those that have not expired.
  template <class Visit>
  void for_each_deferred(Visit visit) {
    due_.for_each(visit);
  }
  template <class Visit>
  void for_each_by_age(Visit visit) {
    expiry_.for_each(visit);
  }

 private:
  static constexpr std::size_t most_of_flow_ahead = 64;

  // queue_group.cc
  void file_one_domain(QueuedMessage& message, std::span<const std::uint32_t> recipients,
                       std::string_view domain_name, Instant due, Now now);
  Entry& make_entry(QueuedMessage& message, Flow& flow);
  void append(Entry& entry, std::uint32_t recipient);
  void forget(Entry& entry);
  static void forget_quietly(Entry& entry);
  void count(const Entry& entry, EntryState state, std::int64_t recipients);
  void set_state(Entry& entry, EntryState state);
  void enqueue(Entry& entry, Now now);
  void make_ready(Entry& entry, bool at_front, Now now);
  void take_off(Entry& entry);
  void start(Entry& entry);
  [[nodiscard]] Duration longest_wait() const;
  void watch_expiry(Entry& entry, Now now);

  // interventions.cc
  void review_held();
  int release_some(int most, Now now);

  // outcomes.cc
  static void note_result(QueuedRecipient& recipient, Domain& domain, const RecipientResult& result,
                          Now now);

  // routes.cc
  Domain& domain_for(std::string_view name);
  Flow& flow_for(Domain& domain, Job& job);
  void drop_flow(Flow& flow);
  void attach(Flow& flow);
  void detach(Flow& flow);
  void leave_lane(Domain& domain, Now now);
  void ask_route(Domain& domain);
  void settle(Domain& domain);
  void forget(Domain& domain);
  void flow_emptied(Flow& flow);
  void join_turns(Flow& flow);

  GroupSettings settings_;
  LaneScheduler lanes_;
  GrowingTable<Domain, DomainTraits> domains_;
  GrowingTable<Flow, FlowTraits> flows_;
  IntrusiveList<Domain, DomainListTag> unresolved_;
  IntrusiveList<Domain, DomainListTag> idle_;
  Schedule<Domain, DomainListTag> failed_routes_;
  Schedule<Entry, QueueTag> due_;
  Schedule<Entry, ExpiryTag> expiry_;
  IntrusiveList<Entry, QueueTag> held_;
  IntrusiveList<Entry, QueueTag> expired_;
  IntrusiveList<Entry, QueueTag> in_flight_;
  Counts counts_;
  std::uint64_t entries_ = 0;
  std::uint64_t held_entries_ = 0;
  std::uint64_t held_to_review_ = 0;
  bool held_by_operator_ = false;
  std::uint32_t idle_count_ = 0;
  std::uint32_t last_domain_ = 0;
};

}  // namespace ringpost::queue
