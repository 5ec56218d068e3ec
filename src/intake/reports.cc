#include "ringpost/intake/reports.h"

#include <algorithm>
#include <utility>

#include "ringpost/base/log.h"
#include "ringpost/dsn/report.h"

namespace ringpost::intake {
namespace {

constexpr Duration pause_after_refusal = 1s;
// That many are on their way to the disk at once, so that a burst of failures shares its commits.
constexpr int most_at_once = 16;
// Of the reports that wait, so many keep the header that they quote in memory.
constexpr std::size_t most_headers = 1000;

dsn::ReportedRecipient reported_recipient(const delivery::OwedReport::Recipient& told) {
  dsn::ReportedRecipient recipient;
  recipient.address = told.address;
  recipient.original = told.original;
  recipient.status = told.outcome.status;
  recipient.reply = told.outcome.reply;
  recipient.remote_mx = told.outcome.mx;
  recipient.expired = told.outcome.kind == mail::OutcomeKind::expired;
  recipient.relayed = told.outcome.relayed;
  return recipient;
}

}  // namespace

Reports::Reports(ring::Reactor& reactor, spool::Spool& spool, delivery::Ledger& ledger,
                 std::string hostname)
    : reactor_(reactor),
      spool_(spool),
      ledger_(ledger),
      hostname_(std::move(hostname)),
      gate_(reactor.ready()) {}

void Reports::start(Intake& intake) {
  intake_ = &intake;
  for (int count = 0; count < most_at_once; ++count) {
    gate_.spawn(run());
  }
}

void Reports::report_owed(delivery::OwedReport report) {
  if (owed_.size() >= most_headers) {
    report.header = std::string();  // it will be read from the spool
  }
  owed_.push_back(std::move(report));
  work_.notify_one();
}

ring::Task<void> Reports::run() {
  while (!closing_) {
    if (owed_.empty()) {
      co_await work_.wait();
      continue;
    }
    delivery::OwedReport report = std::move(owed_.front());
    owed_.pop_front();
    co_await write(std::move(report));
  }
}

ring::Task<void> Reports::write(delivery::OwedReport report) {
  if (report.header.empty()) {
    Result<std::string> content = co_await spool_.read_content(report.location);
    if (content) {
      report.header = std::move(*content);
    } else {
      log::warning("the report about message {} quotes no header: {}",
                   report.about.message.to_string(), content.error().describe());
      report.whole = false;
    }
  }
  dsn::ReportedMessage message;
  message.id = report.about.message;
  message.arrived = report.arrived;
  message.sender = report.sender;
  message.envid = report.envid;
  message.tenant = report.tenant;
  message.job = report.job;
  message.content = report.header;
  message.utf8 = report.utf8;
  message.whole = report.whole;
  std::vector<dsn::ReportedRecipient> recipients;
  for (const delivery::OwedReport::Recipient& one : report.recipients) {
    recipients.push_back(reported_recipient(one));
  }
  const mail::Message text =
      dsn::delivery_report(message, recipients, report.id, hostname_, reactor_.wall_now());
  bool done = false;
  bool stored = false;
  while (!closing_ && !done) {
    if (!stored) {
      auto copy = std::make_unique<mail::Message>(text);
      const Verdict verdict = co_await intake_->accept_once(std::move(copy));
      stored = verdict == Verdict::accepted;
    }
    if (stored) {
      done = co_await ledger_.discharge(report);
    }
    if (!done) {
      co_await closing_event_.wait_until(reactor_.timers(), reactor_.now() + pause_after_refusal);
    }
  }
}

ring::Task<void> Reports::close() {
  closing_ = true;
  work_.notify_all();
  closing_event_.notify_all();
  co_await gate_.close();
}

}  // namespace ringpost::intake
