// How the ledger's lines reach the spool: outcomes in batches behind their event lines, and before
// them the messages that are not on disk yet.
#include <algorithm>
#include <iterator>
#include <utility>

#include "ringpost/base/check.h"
#include "ringpost/base/log.h"
#include "ringpost/delivery/ledger.h"
#include "ringpost/delivery/places.h"

namespace ringpost::delivery {
namespace {

constexpr Duration pause_after_error = 1s;
// While the event log cannot be written.
constexpr Duration look_for_late_every = 100ms;
// Each message that is being stored is in memory twice.
constexpr std::size_t most_late_at_once = 500;

}  // namespace

ring::Task<void> Ledger::room() {
  while (!has_room() && !closing_) {
    if (events_.full()) {
      co_await events_.room();
    } else {
      co_await room_.wait();
    }
  }
}

ring::Task<void> Ledger::recorded() {
  const std::uint64_t wanted = settled_;
  while (recorded_ < wanted && !closing_) {
    co_await room_.wait();
  }
}

ring::Task<void> Ledger::run() {
  while (!closing_ || !pending_.empty()) {
    if (pending_.empty()) {
      co_await work_.wait();
      continue;
    }
    std::vector<Line> lines = std::exchange(pending_, {});
    co_await tell_first(lines);
    co_await commit(lines);
    recorded_ += lines.size();
    for (Line& line : lines) {
      uncommitted_ -= line.outcome.recipients.size() + line.deferral.recipients.size();
      for (OwedReport& report : line.reports) {
        reports_->report_owed(std::move(report));
      }
    }
    room_.notify_all();
  }
}

// Outcomes wait for their event lines, as long as it takes. Messages that are not on disk do not,
// nor do those that come meanwhile.
ring::Task<void> Ledger::tell_first(std::vector<Line>& lines) {
  bool told = false;
  bool going_on = true;
  while (!told && going_on) {
    going_on = co_await commit_late(lines);
    told = co_await events_.written(last_event_, reactor_.now() + look_for_late_every);
    if (!told && going_on) {
      std::ranges::move(pending_, std::back_inserter(lines));
      pending_.clear();
    }
  }
}

void Ledger::push(Line line) {
  storing_ += line.late != nullptr ? 1 : 0;
  pending_.push_back(std::move(line));
  ++settled_;
  work_.notify_one();
}

// --- messages that are not on disk ---------------------------------------------------------------

void Ledger::store_late(queue::QueuedMessage& message, Instant deadline) {
  const Instant before = late_.next_deadline();
  late_.keep(message, deadline);
  if (late_.next_deadline() < before) {
    late_work_.notify_one();
  }
}

void Ledger::store_now(queue::QueuedMessage& message) {
  if (message.storage != queue::Storage::memory) {
    return;
  }
  Line line;
  line.outcome.key = part_key(message);
  line.late = late_.take_up(message);
  push(std::move(line));
}

void Ledger::record_late(Line& line, queue::QueuedMessage& message, std::uint32_t open) {
  if (message.storage == queue::Storage::being_stored) {
    line.awaits_location = true;
  } else if (open == 0 && line.reports.empty()) {
    line.unrecorded = true;
    late_.gone();
  } else {
    line.late = late_.take_up(message);
  }
}

ring::Task<void> Ledger::store_in_time() {
  while (!closing_) {
    queue::QueuedMessage* const due = late_.next_due(reactor_.now());
    if (due == nullptr) {
      co_await late_work_.wait_until(reactor_.timers(), late_.next_deadline());
    } else {
      store_now(*due);
      co_await late_stored(most_late_at_once);
    }
  }
}

// Until no more than `most` are on their way to the disk.
ring::Task<void> Ledger::late_stored(std::size_t most) {
  while (storing_ > most && !closing_) {
    co_await room_.wait();
  }
}

ring::Task<void> Ledger::store_all() {
  if (late_.only_in_memory() == 0) {
    co_return;
  }
  for (std::size_t bucket = 0; bucket < messages_.buckets() && late_.only_in_memory() > 0;
       ++bucket) {
    messages_.for_each_in(bucket, [this](queue::QueuedMessage& message) { store_now(message); });
    co_await late_stored(most_late_at_once);
  }
  co_await late_stored(0);
}

// A message that is not on disk goes there before what became of it.
ring::Task<bool> Ledger::commit_late(std::vector<Line>& lines) {
  while (true) {
    bool any = false;
    for (Line& line : lines) {
      if (line.late != nullptr) {
        const spool::PartKey& key = line.outcome.key;
        const spool::Appended appended = spool_.append(*line.late, key.part, key.hop);
        line.location = appended.location;
        line.late_ticket = appended.ticket;
        any = true;
      }
    }
    if (!any) {
      co_return true;
    }
    bool failed = false;
    for (Line& line : lines) {
      if (line.late == nullptr) {
        continue;
      }
      const int error = co_await spool_.committed(line.late_ticket);
      if (error == 0) {
        stored(line, lines);
      } else {
        failed = true;
      }
    }
    if (failed) {
      log::error("messages that are only in memory cannot be stored, trying again");
      co_await reactor_.sleep(pause_after_error);
      if (closing_) {
        co_return false;
      }
    }
  }
}

void Ledger::stored(Line& line, std::vector<Line>& lines) {
  const spool::PartKey key = line.outcome.key;
  const spool::Location location = line.location;
  line.late.reset();
  if (--storing_ <= most_late_at_once) {
    room_.notify_all();
  }
  queue::QueuedMessage* const message = messages_.find(key.message, key.part);
  if (message != nullptr) {
    late_.stored(*message, content_location(location));
  }
  const auto tell = [&](Line& other) {
    if (other.outcome.key == key && (other.awaits_location || &other == &line)) {
      other.awaits_location = false;
      other.location = location;
      for (OwedReport& report : other.reports) {
        report.location = location;
      }
    }
  };
  std::ranges::for_each(lines, tell);
  std::ranges::for_each(pending_, tell);
}

// --- records -------------------------------------------------------------------------------------

void Ledger::append(Line& line) {
  if (line.unrecorded) {
    return;
  }
  if (!line.deferral.recipients.empty()) {
    line.deferral_ticket = spool_.append(line.deferral, line.location);
  }
  if (!line.outcome.recipients.empty()) {
    line.outcome_ticket = spool_.append(line.outcome, line.location);
  }
}

// The lines may lie in several batches of which some fail: those are appended again, and only
// those, for a message is finished once.
ring::Task<void> Ledger::commit(std::vector<Line>& lines) {
  const bool all_stored = co_await commit_late(lines);
  if (!all_stored) {
    co_return;
  }
  while (true) {
    for (Line& line : lines) {
      if (!line.durable) {
        append(line);
      }
    }
    bool all_durable = true;
    for (Line& line : lines) {
      if (line.durable) {
        continue;
      }
      const int deferral_error = co_await spool_.committed(line.deferral_ticket);
      const int outcome_error = co_await spool_.committed(line.outcome_ticket);
      line.durable = deferral_error == 0 && outcome_error == 0;
      all_durable = all_durable && line.durable;
      if (line.durable && line.message_finished && !line.unrecorded) {
        finish(line.outcome.key, line.location, line.outcome_ticket);
      }
    }
    if (all_durable) {
      co_return;
    }
    // What was sent stays sent: its record is written as soon as the disk takes it.
    log::error("outcomes cannot be recorded, trying again");
    co_await reactor_.sleep(pause_after_error);
    if (closing_) {
      co_return;
    }
  }
}

void Ledger::finish(const spool::PartKey& key, const spool::Location& location,
                    spool::Ticket after) {
  const auto held = holds_.find(key);
  if (held == holds_.end()) {
    spool_.finished(location, after);
  } else {
    held->second.message_finished = true;
  }
}

void Ledger::release(const spool::PartKey& key, const spool::Location& location,
                     spool::Ticket after) {
  const auto held = holds_.find(key);
  check(held != holds_.end(), "a message was released that nobody holds");
  if (--held->second.reasons == 0) {
    if (held->second.message_finished) {
      spool_.finished(location, after);
    }
    holds_.erase(held);
  }
}

void Ledger::still_owed(OwedReport report) {
  hold(report.about);
  ++reports_owed_;
  reports_->report_owed(std::move(report));
}

ring::Task<bool> Ledger::discharge(const OwedReport& report) {
  const spool::ReportDischarged record{report.about, report.id};
  const spool::Ticket ticket = spool_.append(record, report.location);
  const int error = co_await spool_.committed(ticket);
  if (error != 0) {
    co_return false;
  }
  release(report.about, report.location, ticket);
  --reports_owed_;
  co_return true;
}

ring::Task<void> Ledger::close() {
  co_await store_all();
  closing_ = true;
  work_.notify_one();
  late_work_.notify_all();
  room_.notify_all();
  co_await gate_.close();
}

}  // namespace ringpost::delivery
