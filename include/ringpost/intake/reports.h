// Writes the reports that are owed, as messages that enter by the one door like any other,
// with a null sender; then has them recorded as discharged. Few at a time: reports never crowd out
// newsletters.
#pragma once

#include <deque>
#include <string>

#include "ringpost/delivery/ledger.h"
#include "ringpost/intake/intake.h"
#include "ringpost/ring/reactor.h"
#include "ringpost/spool/spool.h"

namespace ringpost::intake {

class Reports final : public delivery::ReportMaker {
 public:
  Reports(ring::Reactor& reactor, spool::Spool& spool, delivery::Ledger& ledger,
          std::string hostname);

  void start(Intake& intake);
  void report_owed(delivery::OwedReport report) override;
  ring::Task<void> close();

 private:
  ring::Task<void> run();
  ring::Task<void> write(delivery::OwedReport report);

  ring::Reactor& reactor_;
  spool::Spool& spool_;
  delivery::Ledger& ledger_;
  std::string hostname_;
  Intake* intake_ = nullptr;
  std::deque<delivery::OwedReport> owed_;
  bool closing_ = false;
  ring::Event work_;
  ring::Event closing_event_;
  ring::Gate gate_;
};

}  // namespace ringpost::intake
