#include "ringpost/delivery/ledger.h"

#include <algorithm>
#include <utility>

#include "ringpost/base/check.h"
#include "ringpost/base/log.h"
#include "ringpost/delivery/places.h"

namespace ringpost::delivery {
namespace {

events::EventKind kind_of(const mail::Outcome& outcome) {
  switch (outcome.kind) {
    case mail::OutcomeKind::delivered:
      return events::EventKind::delivered;
    case mail::OutcomeKind::bounced:
      return events::EventKind::bounced;
    case mail::OutcomeKind::expired:
      return events::EventKind::expired;
    case mail::OutcomeKind::deleted:
      return events::EventKind::deleted;
    case mail::OutcomeKind::suppressed:
      return events::EventKind::suppressed;
    case mail::OutcomeKind::deferred:
      break;
  }
  return outcome.in_doubt ? events::EventKind::in_doubt : events::EventKind::deferred;
}

queue::RecipientResult result_of(const Ledger::Fate& fate, bool report_owed) {
  using Kind = Ledger::Fate::Kind;
  queue::RecipientResult result;
  result.next = fate.kind == Kind::final         ? queue::Next::done
                : fate.kind == Kind::retry       ? queue::Next::retry
                : fate.kind == Kind::retry_alone ? queue::Next::retry_alone
                                                 : queue::Next::again;
  result.status = fate.outcome.status;
  result.reply = fate.outcome.reply;
  result.report_owed = report_owed;
  return result;
}

// A report quotes no more of a header than this.
constexpr std::size_t most_header_bytes = std::size_t{16} << 10;

// Empty when the content is on disk only.
std::string header_of(const queue::QueuedMessage& message) {
  if (message.content() == nullptr) {
    return {};
  }
  const std::string_view content = *message.content();
  const std::size_t end = content.find("\r\n\r\n");
  return std::string(content.substr(0, std::min(end, most_header_bytes)));
}

bool failed(const mail::Outcome& outcome) {
  return outcome.kind == mail::OutcomeKind::bounced || outcome.kind == mail::OutcomeKind::expired;
}

// What the report is about, once its recipients are known.
void describe(OwedReport& report, const queue::QueuedMessage& message) {
  report.about = part_key(message);
  report.location = spool_location(message.location);
  report.location.length = message.size();  // which may not be on disk yet
  report.arrived = message.arrived();
  report.sender = message.sender();
  report.envid = message.envid();
  report.tenant = message.tenant();
  report.job = message.job_name();
  report.utf8 = message.utf8();
  report.decide_return(message.reports() != nullptr ? message.reports()->returned
                                                    : mail::Returned::unsaid);
  if (!report.whole) {
    report.header = header_of(message);
  }
}

}  // namespace

void OwedReport::add(std::string_view recipient, const mail::RecipientRequest* request,
                     const mail::Outcome& outcome) {
  recipients.push_back(
      {std::string(recipient), request != nullptr ? request->original : std::string(), outcome});
}

void OwedReport::decide_return(mail::Returned returned) {
  whole = returned == mail::Returned::full && location.length <= most_returned_bytes &&
          std::ranges::any_of(recipients, failed, &Recipient::outcome);
}

Ledger::Ledger(ring::Reactor& reactor, spool::Spool& spool, events::EventWriter& events,
               queue::Messages& messages, mail::IdSequence& ids, std::uint32_t shard)
    : reactor_(reactor),
      spool_(spool),
      events_(events),
      messages_(messages),
      ids_(ids),
      shard_(shard),
      suppressed_(std::make_shared<const mail::SuppressionList>()),
      late_(messages),
      gate_(reactor.ready()) {}

void Ledger::start(ReportMaker& reports) {
  reports_ = &reports;
  gate_.spawn(run());
  gate_.spawn(store_in_time());
}

void Ledger::count(const Fate& fate) {
  ++uncommitted_;
  switch (fate.outcome.kind) {
    case mail::OutcomeKind::delivered:
      ++counters_.delivered;
      break;
    case mail::OutcomeKind::bounced:
      ++counters_.bounced;
      break;
    case mail::OutcomeKind::expired:
      ++counters_.expired;
      break;
    case mail::OutcomeKind::deleted:
      ++counters_.deleted;
      break;
    case mail::OutcomeKind::suppressed:
      ++counters_.suppressed;
      break;
    case mail::OutcomeKind::deferred:
      ++(fate.outcome.in_doubt ? counters_.in_doubt : counters_.deferred);
      break;
  }
}

void Ledger::tell(queue::QueueGroup& group, const queue::QueuedMessage& message,
                  const queue::QueuedRecipient& recipient, const Fate& fate,
                  const Attempt& attempt) {
  events::Event event;
  event.time = reactor_.wall_now();
  event.kind = kind_of(fate.outcome);
  event.id = message.id();
  event.part = message.part();
  event.sender = message.sender();
  event.recipient = message.address_of(recipient);
  event.group = group.settings().name;
  event.shard = shard_;
  event.destination = attempt.destination;
  event.mx = fate.outcome.mx;
  event.address = fate.outcome.address;
  event.source = attempt.source;
  event.tls = attempt.tls;
  event.reply = fate.outcome.reply;
  event.status = fate.outcome.status;
  const bool attempted =
      event.kind != events::EventKind::deleted && event.kind != events::EventKind::suppressed;
  if (attempted) {
    event.attempt = recipient.attempts + 1U;
    event.attempt_ms = (reactor_.now() - attempt.started) / 1ms;
  }
  event.size = message.size();
  if (attempt.connection != 0) {
    event.connection = attempt.connection;
  }
  if (attempt.transaction != 0) {
    event.transaction = attempt.transaction;
  }
  event.queued_ms = (reactor_.wall_now() - message.arrived()).count();
  event.tenant = message.tenant();
  event.job = message.job_name();
  event.envid = message.envid();
  last_event_ = events_.append(event);
}

void Ledger::tell_deferred(const queue::QueueGroup& group, std::string_view destination,
                           mail::EnhancedStatus status, std::string_view reply) {
  events::Event event;
  event.time = reactor_.wall_now();
  event.kind = events::EventKind::deferred;
  event.group = group.settings().name;
  event.shard = shard_;
  event.destination = destination;
  event.reply = reply;
  event.status = status;
  events_.append(event);
}

void Ledger::tell_held(std::string_view group, std::string_view destination, std::string_view job) {
  events::Event event;
  event.time = reactor_.wall_now();
  event.kind = events::EventKind::held;
  event.group = group;
  event.shard = shard_;
  event.destination = destination;
  event.job = job;
  events_.append(event);
}

void Ledger::settle(queue::QueueGroup& group, queue::Entry& entry, std::vector<Fate> fates,
                    const Attempt& attempt) {
  const queue::Now now{reactor_.now(), reactor_.wall_now()};
  const auto is_again = [](const Fate& fate) { return fate.kind == Fate::Kind::again; };
  if (std::ranges::all_of(fates, is_again)) {
    group.put_back(entry, now);
    return;
  }
  queue::QueuedMessage& message = entry.message();
  Line line;
  line.location = spool_location(message.location);
  line.outcome.key = line.deferral.key = part_key(message);
  OwedReport report;
  const WallTime retry_due = group.retry_at(entry, now, reactor_.random());
  std::vector<queue::RecipientResult> results;
  std::size_t number = 0;
  for (const queue::QueuedRecipient& recipient : entry.recipients()) {
    Fate& fate = fates[number++];
    const mail::RecipientRequest* const request = message.request_of(recipient);
    const bool report_owed = !message.sender().empty() && mail::is_reported(fate.outcome, request);
    results.push_back(result_of(fate, report_owed && failed(fate.outcome)));
    if (fate.kind == Fate::Kind::again) {
      continue;
    }
    count(fate);
    if (fate.outcome.kind == mail::OutcomeKind::delivered) {
      ++group.delivered_total;
    }
    tell(group, message, recipient, fate, attempt);
    const std::uint32_t index = message.index_of(recipient);
    if (fate.kind == Fate::Kind::final) {
      if (report_owed) {
        report.add(message.address_of(recipient), request, fate.outcome);
      }
      line.outcome.recipients.push_back({index, {}});
      mail::Outcome& kept = line.outcome.recipients.back().outcome;
      kept.kind = fate.outcome.kind;
      if (fate.outcome.kind != mail::OutcomeKind::delivered || report_owed) {
        kept = fate.outcome;  // a report may have to be written again after a restart
      }
    } else {
      line.deferral.recipients.push_back({index, recipient.attempts + 1U, retry_due, fate.outcome});
    }
  }
  if (!report.recipients.empty()) {
    owe(line, std::move(report), message);
  }
  const std::uint32_t open = group.finish(entry, results, retry_due, now);
  if (message.storage != queue::Storage::on_disk) {
    record_late(line, message, open);
  }
  if (open == 0) {
    messages_.erase(message);
    line.message_finished = true;
  }
  push(std::move(line));
}

void Ledger::owe(Line& line, OwedReport report, const queue::QueuedMessage& message) {
  describe(report, message);
  report.id = ids_.next(reactor_.wall_now());
  line.outcome.report = report.id;
  hold(report.about);
  ++reports_owed_;
  line.reports.push_back(std::move(report));
}

bool Ledger::settle_suppressed(queue::QueueGroup& group, queue::Entry& entry) {
  std::vector<Fate> fates(entry.count());
  bool any = false;
  std::size_t number = 0;
  for (const queue::QueuedRecipient& recipient : entry.recipients()) {
    Fate& fate = fates[number++];
    if (suppressed_->contains(entry.message().address_of(recipient))) {
      any = true;
      fate.kind = Fate::Kind::final;
      fate.outcome.kind = mail::OutcomeKind::suppressed;
      // RFC 3463: 5.7.1 not authorised, by our own policy.
      fate.outcome.status = {5, 7, 1};
      fate.outcome.reply = "on the suppression list";
    }
  }
  if (any) {
    const queue::Lane* const lane = entry.domain().lane();
    const std::string destination =
        lane != nullptr ? lane->destination().name() : entry.domain().name();
    settle(group, entry, std::move(fates), Attempt(destination, reactor_.now()));
  }
  return any;
}

}  // namespace ringpost::delivery
