#include "harness/arrivals.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>

#include "harness/message_id.h"
#include "harness/message_maker.h"
#include "ringpost/base/text.h"

namespace ringpost::bench {
namespace {

// Beyond it an address of the right form is no serial of ours: it must not make the table grow.
constexpr std::uint64_t most_recipients = std::uint64_t{1} << 30;

std::optional<std::uint64_t> serial_of(std::string_view address) {
  const std::size_t at = address.find('@');
  if (address.empty() || address[0] != 'r' || at == std::string_view::npos) {
    return std::nullopt;
  }
  const std::optional<std::uint64_t> serial = parse_number(address.substr(1, at - 1));
  return serial && *serial < most_recipients ? serial : std::nullopt;
}

}  // namespace

void Arrivals::measure_latency(SentAt sent_at, std::size_t expected) {
  sent_at_ = std::move(sent_at);
  latencies_us_.reserve(expected);
}

Arrivals::Connection Arrivals::connected(const IpAddress& local) {
  counters_.connections.add();
  Destination& destination = destinations_[local];
  ++destination.connections;
  return {.number = counters_.connections.value(), .transactions = 0, .destination = &destination};
}

void Arrivals::message(Connection& connection, std::string_view recipients,
                       std::string_view content, Instant now) {
  ++connection.transactions;
  const Inspection found = inspect(content);
  if (!found.has_id) {
    counters_.foreign.add();
    return;
  }
  counters_.messages.add();
  counters_.bytes.add(content.size());
  ++connection.destination->messages;
  last_arrival_ = now;
  if (!found.intact) {
    counters_.corrupt.add();
  }
  if (sent_at_) {
    const Duration latency = now - sent_at_(found.id);
    latencies_us_.push_back(static_cast<std::uint32_t>(
        std::clamp<Duration::rep>(latency / 1us, 0, std::numeric_limits<std::uint32_t>::max())));
  }
  while (!recipients.empty()) {
    const std::size_t end = std::min(recipients.find('\n'), recipients.size() - 1);
    const std::string_view address = recipients.substr(0, end);
    recipients.remove_prefix(end + 1);
    recipient(found.id, address, found.intact);
    if (ledger_.enabled()) {
      note(connection, found.id, address, found.intact, now);
    }
  }
}

void Arrivals::recipient(std::uint64_t id, std::string_view address, bool intact) {
  const std::optional<std::uint64_t> serial = serial_of(address);
  if (!serial || !intact) {
    return;
  }
  std::vector<std::uint8_t>& seen = seen_[run_of(id)];
  if (seen.size() <= *serial) {
    seen.resize(std::max<std::size_t>(*serial + 1, seen.size() * 2));
  }
  std::uint8_t& count = seen[*serial];
  if (count == 0) {
    counters_.recipients.add();
  } else {
    counters_.duplicates.add();
  }
  count = static_cast<std::uint8_t>(std::min(count + 1, 255));
}

void Arrivals::note(const Connection& connection, std::uint64_t id, std::string_view recipient,
                    bool intact, Instant now) {
  std::string& line = ledger_.buffer();
  const std::size_t at = line.size();
  line.resize(at + id_digits);
  write_hex(line.data() + at, id);
  fmt::format_to(std::back_inserter(line), " {} {} {} {} {}\n", recipient,
                 intact ? "ok" : "corrupt", connection.number, connection.transactions,
                 now.time_since_epoch() / 1us);
  ledger_.line_done();
}

const std::vector<std::uint8_t>& Arrivals::seen(std::uint32_t run) {
  return seen_[run];
}

}  // namespace ringpost::bench
