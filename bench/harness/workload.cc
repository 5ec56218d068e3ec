#include "harness/workload.h"

#include <fmt/format.h>

#include <iterator>

namespace ringpost::bench {

Workload::Workload(const WorkloadSettings& settings, Domains domains, Ledger ledger)
    : settings_(settings),
      domains_(std::move(domains)),
      ledger_(std::move(ledger)),
      acknowledged_(settings.messages * settings.recipients),
      sent_at_(settings.messages) {}

std::optional<std::uint64_t> Workload::next() {
  if (!again_.empty()) {
    const std::uint64_t number = again_.back();
    again_.pop_back();
    return number;
  }
  if (next_ == settings_.messages) {
    return std::nullopt;
  }
  return next_++;
}

void Workload::append_recipient(std::string& out, std::uint64_t serial) const {
  fmt::format_to(std::back_inserter(out), "r{}@", serial);
  out += domains_.of_recipient(serial);
}

void Workload::acknowledged(std::uint64_t number, const std::vector<bool>& accepted) {
  ++settled_;
  counters_.acknowledged.add();
  for (std::uint32_t index = 0; index < settings_.recipients; ++index) {
    if (!accepted[index]) {
      counters_.refused_recipients.add();
      continue;
    }
    const std::uint64_t recipient = serial(number, index);
    acknowledged_[recipient] = true;
    counters_.acknowledged_recipients.add();
    if (ledger_.enabled()) {
      std::string& line = ledger_.buffer();
      const std::size_t at = line.size();
      line.resize(at + id_digits);
      write_hex(line.data() + at, id(number));
      line += ' ';
      append_recipient(line, recipient);
      line += '\n';
      ledger_.line_done();
    }
  }
}

void Workload::give_back(std::uint64_t number) {
  std::uint32_t& attempts = attempts_[number];
  if (++attempts >= settings_.max_attempts) {
    refused(number);
    return;
  }
  counters_.retried.add();
  again_.push_back(number);
}

void Workload::refused(std::uint64_t number) {
  ++settled_;
  attempts_.erase(number);
  counters_.refused.add();
}

void Workload::unacknowledged(std::uint64_t number) {
  ++settled_;
  attempts_.erase(number);
  counters_.unacknowledged.add();
}

}  // namespace ringpost::bench
