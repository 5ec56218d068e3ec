#include "ringpost/queue/queue_group.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "ringpost/base/check.h"
#include "ringpost/base/international_domain.h"
#include "ringpost/base/text.h"

namespace ringpost::queue {

namespace {

// What one advance() moves at most: well below a millisecond of work.
constexpr int moves_per_advance = 4096;
// A transaction costs its peer about that much besides the content.
constexpr std::int64_t cost_per_recipient = 512;

std::string_view domain_of(std::string_view address) {
  const std::size_t at = address.rfind('@');
  return at == std::string_view::npos ? std::string_view() : address.substr(at + 1);
}

bool less_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::lexicographical_compare(a, b, {}, ascii_lower, ascii_lower);
}

}  // namespace

RecipientResult result_of(const mail::Outcome& outcome) {
  const bool deferred = outcome.kind == mail::OutcomeKind::deferred;
  RecipientResult result;
  if (deferred) {
    result.next = outcome.in_doubt ? Next::retry_alone : Next::retry;
  }
  result.status = outcome.status;
  result.reply = outcome.reply;
  result.report_owed =
      outcome.kind == mail::OutcomeKind::bounced || outcome.kind == mail::OutcomeKind::expired;
  return result;
}

QueueGroup::QueueGroup(GroupSettings settings)
    : settings_(std::move(settings)),
      lanes_(settings_),
      failed_routes_(1s),
      due_(1s),
      expiry_(1s) {}

QueueGroup::~QueueGroup() {
  flows_.for_each([](Flow& flow) {
    while (!flow.ready.empty()) {
      forget_quietly(flow.ready.pop_front());
    }
  });
  while (Entry* entry = due_.pop_due(never)) {
    forget_quietly(*entry);
  }
  for (auto* list : {&held_, &expired_, &in_flight_}) {
    while (!list->empty()) {
      forget_quietly(list->pop_front());
    }
  }
  flows_.for_each([this](Flow& flow) {
    flows_.remove(flow);
    delete &flow;
  });
  domains_.for_each([this](Domain& domain) {
    domains_.remove(domain);
    delete &domain;
  });
}

void QueueGroup::change_settings(GroupSettings settings, Now now) {
  check(settings.name == settings_.name, "a queue group does not change its name");
  const bool new_rate = settings.messages_per_second != settings_.messages_per_second;
  settings_ = std::move(settings);
  review_held();
  if (new_rate) {
    lanes_.new_rate();
  }
  lanes_.for_each_lane([&](Lane& lane) { lanes_.place(lane, now); });
}

// --- filing -------------------------------------------------------------------------------------

void QueueGroup::file(QueuedMessage& message, WallTime due, Now now) {
  std::vector<std::uint32_t> open;
  open.reserve(message.open_recipients());
  for (const QueuedRecipient& recipient : message.recipients()) {
    if (!recipient.done_ && recipient.entry_ == nullptr) {
      open.push_back(message.index_of(recipient));
    }
  }
  file(message, open, due, now);
}

void QueueGroup::file(QueuedMessage& message, std::span<const std::uint32_t> recipients,
                      WallTime due, Now now) {
  const Instant when = now.instant_of(due, longest_wait());
  const auto domain_at = [&message](std::uint32_t index) {
    return domain_of(message.address_of(message.recipients()[index]));
  };
  if (recipients.size() == 1) {
    file_one_domain(message, recipients, domain_at(recipients[0]), when, now);
    return;
  }
  std::vector<std::uint32_t> sorted(recipients.begin(), recipients.end());
  std::ranges::sort(sorted, [&](std::uint32_t a, std::uint32_t b) {
    const std::string_view domain_a = domain_at(a);
    const std::string_view domain_b = domain_at(b);
    return less_ignoring_case(domain_a, domain_b) ||
           (a < b && equals_ignoring_case(domain_a, domain_b));
  });
  std::span<const std::uint32_t> rest = sorted;
  while (!rest.empty()) {
    const std::string_view domain = domain_at(rest[0]);
    std::size_t same = 1;
    while (same < rest.size() && equals_ignoring_case(domain_at(rest[same]), domain)) {
      ++same;
    }
    file_one_domain(message, rest.first(same), domain, when, now);
    rest = rest.subspan(same);
  }
}

void QueueGroup::file_one_domain(QueuedMessage& message, std::span<const std::uint32_t> recipients,
                                 std::string_view domain_name, Instant due, Now now) {
  std::string made;
  Flow& flow = flow_for(domain_for(ascii_domain(domain_name, made)), *message.job_);
  const std::uint32_t most =
      std::clamp(settings_.max_recipients_per_transaction, 1U, max_entry_recipients);
  Entry* open = nullptr;  // takes more recipients
  for (const std::uint32_t index : recipients) {
    QueuedRecipient& recipient = message.recipients()[index];
    check(!recipient.done_ && recipient.entry_ == nullptr, "a recipient is filed twice");
    if (recipient.alone) {
      Entry& alone = make_entry(message, flow);
      alone.alone_ = true;
      append(alone, index);
      watch_expiry(alone, now);
      alone.due_ = due;
      enqueue(alone, now);
      continue;
    }
    if (open == nullptr) {
      open = &make_entry(message, flow);
      open->due_ = due;
      watch_expiry(*open, now);
    }
    append(*open, index);
    if (open->count_ == most) {
      enqueue(*std::exchange(open, nullptr), now);
    }
  }
  if (open != nullptr) {
    enqueue(*open, now);
  }
}

Entry& QueueGroup::make_entry(QueuedMessage& message, Flow& flow) {
  auto* entry = new Entry;
  entry->message_ = &message;
  entry->flow_ = &flow;
  ++flow.entries;
  ++flow.domain.entries_;
  ++entries_;
  return *entry;
}

void QueueGroup::append(Entry& entry, std::uint32_t recipient) {
  QueuedRecipient* all = entry.message_->recipients().data();
  if (entry.count_ == 0) {
    all[recipient].next_ = recipient;
  } else {
    all[recipient].next_ = std::exchange(all[entry.last_].next_, recipient);
  }
  entry.last_ = recipient;
  all[recipient].entry_ = &entry;
  ++entry.count_;
  count(entry, EntryState::in_flight, 1);
}

void QueueGroup::forget(Entry& entry) {
  Flow& flow = *entry.flow_;
  --flow.entries;
  --flow.domain.entries_;
  --entries_;
  delete &entry;
  if (flow.entries == 0) {
    drop_flow(flow);
  }
}

void QueueGroup::forget_quietly(Entry& entry) {
  for (QueuedRecipient& recipient : entry.recipients()) {
    recipient.entry_ = nullptr;
  }
  delete &entry;
}

// --- states -------------------------------------------------------------------------------------

void QueueGroup::count(const Entry& entry, EntryState state, std::int64_t recipients) {
  Domain& domain = entry.flow_->domain;
  const auto change = static_cast<std::uint64_t>(recipients);  // wraps round: that is a minus
  counts_.of(state) += change;
  domain.counts_.of(state) += change;
  if (domain.lane_ != nullptr) {
    domain.lane_->counts_.of(state) += change;
  }
}

void QueueGroup::set_state(Entry& entry, EntryState state) {
  count(entry, entry.state_, -std::int64_t{entry.count_});
  count(entry, state, entry.count_);
  const std::uint64_t ready = std::uint64_t{state == EntryState::ready} -
                              std::uint64_t{entry.state_ == EntryState::ready};  // wraps, too
  Domain& domain = entry.flow_->domain;
  domain.ready_entries_ += ready;
  held_entries_ +=
      std::uint64_t{state == EntryState::held} - std::uint64_t{entry.state_ == EntryState::held};
  if (domain.lane_ != nullptr) {
    domain.lane_->ready_entries_ += ready;
  }
  entry.state_ = state;
}

// Off the list of its state; the caller puts it on another one.
void QueueGroup::take_off(Entry& entry) {
  static_cast<ListHook<QueueTag>&>(entry).unlink();
  if (entry.state_ == EntryState::ready && entry.flow_->ready.empty()) {
    flow_emptied(*entry.flow_);
  }
}

void QueueGroup::watch_expiry(Entry& entry, Now now) {
  const WallTime expires = entry.message_->arrived() +
                           std::chrono::ceil<std::chrono::milliseconds>(settings_.retry.expiry);
  if (expires > now.wall) {
    expiry_.add(entry, now.instant_of(expires, settings_.retry.expiry));
  }
}

// An entry in flight, or a new one, goes where it has to wait.
void QueueGroup::enqueue(Entry& entry, Now now) {
  static_cast<ListHook<QueueTag>&>(entry).unlink();
  if (!static_cast<ListHook<ExpiryTag>&>(entry).linked()) {
    set_state(entry, EntryState::expired);
    expired_.push_back(entry);
  } else if (entry.due_ > now.instant) {
    set_state(entry, EntryState::deferred);
    due_.add(entry, entry.due_);
  } else {
    make_ready(entry, entry.due_ == Instant::min(), now);
  }
}

void QueueGroup::make_ready(Entry& entry, bool at_front, Now now) {
  if (on_hold() || entry.flow_->job.held) {
    set_state(entry, EntryState::held);
    held_.push_back(entry);
    return;
  }
  set_state(entry, EntryState::ready);
  Flow& flow = *entry.flow_;
  const bool was_empty = flow.ready.empty();
  if (at_front) {
    flow.ready.push_front(entry);
  } else {
    flow.ready.push_back(entry);
  }
  Domain& domain = flow.domain;
  if (domain.lane_ != nullptr) {
    if (was_empty) {
      join_turns(flow);
    }
    lanes_.work_added(*domain.lane_, now);
  }
  if (domain.route_ == RouteState::known && now.instant >= domain.route_until_) {
    domain.route_ = RouteState::unknown;
  }
  ask_route(domain);
}

Duration QueueGroup::longest_wait() const {
  return std::chrono::ceil<std::chrono::milliseconds>(settings_.retry.longest * (1 + retry_jitter));
}

// --- runners ------------------------------------------------------------------------------------

void QueueGroup::start(Entry& entry) {
  take_off(entry);
  set_state(entry, EntryState::in_flight);
  in_flight_.push_back(entry);
}

Seat QueueGroup::next_lane(Now now) {
  return on_hold() ? Seat{} : lanes_.acquire(now);
}

bool QueueGroup::first_attempt_next(Lane& lane) {
  bool first = lane.status_.state() == HostStatus::State::up;
  if (first && !lane.active_.empty()) {
    for (const QueuedRecipient& recipient :
         lane.active_.turn().active.turn().ready.front().recipients()) {
      first = first && recipient.attempts == 0;
    }
  }
  return first;
}

Entry* QueueGroup::next_entry(Seat& seat, Now now) {
  Lane& lane = *seat.lane;
  if (lane.active_.empty() || lane.status_.suspended(now.instant) ||
      lane.destination_.bucket_.next(now.instant) > now.instant || on_hold() ||
      lane.destination_.held_) {
    return nullptr;
  }
  LaneJob& job = lane.active_.turn();
  Flow& flow = job.active.turn();
  Entry& entry = flow.ready.front();
  const std::int64_t cost = entry.message_->size() + cost_per_recipient * entry.count_;
  lane.active_.charge(job, cost);
  job.active.charge(flow, cost);
  Domain& domain = flow.domain;
  if (domain.route_ == RouteState::known && now.instant >= domain.route_until_) {
    expire_route(domain);  // and the lane serves on until the answer is there
  }
  start(entry);
  lane.destination_.bucket_.take(now.instant);
  lane.last_taken_ = now.instant;
  if (std::exchange(seat.fresh, false)) {
    --lane.fresh_seats_;
  }
  return &entry;
}

bool QueueGroup::turn_over(const Seat& seat, std::uint32_t messages_sent, Instant started,
                           Now now) {
  return (messages_sent >= settings_.turn_messages ||
          now.instant - started >= settings_.turn_duration) &&
         lanes_.others_wait(*seat.lane);
}

bool QueueGroup::take(Entry& entry) {
  if (entry.state_ != EntryState::ready) {
    return false;
  }
  start(entry);
  return true;
}

// --- status of lanes ----------------------------------------------------------------------------

Instant QueueGroup::defer_lane(Lane& lane, mail::EnhancedStatus status, std::string_view reply,
                               std::optional<Instant> until, Now now) {
  lane.destination_.last_error_ = {now.wall, status, std::string(reply)};
  const Instant probe =
      until ? lane.status_.mark_down_until(std::string(reply), *until)
            : lane.status_.mark_down(std::string(reply), now.instant, settings_.host_status);
  lanes_.place(lane, now);
  return probe;
}

void QueueGroup::lane_succeeded(Lane& lane, Now now) {
  if (lane.status_.state() == HostStatus::State::up) {
    return;
  }
  lane.status_.mark_success(settings_.max_connections_per_destination);
  lanes_.place(lane, now);
}

void QueueGroup::set_slow(Lane& lane, bool slow, Now now) {
  if (lane.slow_ != slow) {
    lane.slow_ = slow;
    lanes_.place(lane, now);
  }
}

// --- time ---------------------------------------------------------------------------------------

void QueueGroup::advance(Now now) {
  lanes_.advance(now);
  while (Domain* domain = failed_routes_.pop_due(now.instant)) {
    domain->route_ = RouteState::unknown;
    ask_route(*domain);
  }
  int moves = 0;
  while (moves < moves_per_advance) {
    Entry* entry = expiry_.pop_due(now.instant);
    if (entry == nullptr) {
      break;
    }
    ++moves;
    if (entry->state_ != EntryState::in_flight) {  // else it expires when it comes back
      take_off(*entry);
      set_state(*entry, EntryState::expired);
      expired_.push_back(*entry);
    }
  }
  while (moves < moves_per_advance) {
    Entry* entry = due_.pop_due(now.instant);
    if (entry == nullptr) {
      break;
    }
    ++moves;
    make_ready(*entry, false, now);
  }
  release_some(moves_per_advance - moves, now);
}

Instant QueueGroup::next_due() {
  if (held_to_review_ > 0) {
    return Instant::min();
  }
  return std::min(std::min(lanes_.next_due(), failed_routes_.next_due()),
                  std::min(due_.next_due(), expiry_.next_due()));
}

Entry* QueueGroup::next_expired() {
  if (expired_.empty()) {
    return nullptr;
  }
  Entry& entry = expired_.front();
  start(entry);
  return &entry;
}

}  // namespace ringpost::queue
