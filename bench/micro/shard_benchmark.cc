// What a shard does with a message between its two sides: records, event lines and timers.
#include <benchmark/benchmark.h>

#include <deque>
#include <string>

#include "ringpost/events/event.h"
#include "ringpost/ring/timer_wheel.h"
#include "ringpost/spool/record.h"

namespace ringpost {
namespace {

constexpr WallTime arrived{std::chrono::milliseconds(1'700'000'000'000)};

mail::Envelope envelope() {
  return {.sender = "news@source.test", .recipients = {"reader-number-17@d1.test"}};
}

void encode_message_record(benchmark::State& state) {
  const mail::Envelope one = envelope();
  const std::string content(5 * 1024, 'x');
  const std::vector<std::uint32_t> parts = {0};
  std::string out;
  for (auto _ : state) {
    out.clear();
    spool::encode_message(out, {.message = {17}}, arrived, one, parts, content);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * content.size()));
}
BENCHMARK(encode_message_record);

void encode_outcome_record(benchmark::State& state) {
  spool::OutcomeRecord record{.key = {.message = {17}}, .recipients = {{}}};
  std::string out;
  for (auto _ : state) {
    out.clear();
    spool::encode(out, record);
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(encode_outcome_record);

void decode_message_record(benchmark::State& state) {
  std::string out;
  spool::encode_message(out, {.message = {17}}, arrived, envelope(), {0}, "content");
  const std::optional<spool::RecordHeader> header = spool::read_record_header(out);
  const std::string_view meta =
      std::string_view(out).substr(spool::RecordHeader::size, header->meta_length);
  for (auto _ : state) {
    benchmark::DoNotOptimize(spool::decode_message(meta));
  }
}
BENCHMARK(decode_message_record);

void event_line(benchmark::State& state) {
  const events::Event event{.time = arrived,
                            .kind = events::EventKind::delivered,
                            .id = {0x1234'5678'9abc},
                            .sender = "news@source.test",
                            .recipient = "reader-number-17@d1.test",
                            .group = "default-3",
                            .shard = 1,
                            .destination = "mx.d1.test",
                            .mx = "mx.d1.test",
                            .address = "127.1.0.7:2525",
                            .reply = "250 2.0.0 Ok: queued as 0123456789",
                            .status = {2, 0, 0},
                            .attempt = 1,
                            .size = 5 * 1024,
                            .connection = 17,
                            .transaction = 4'711,
                            .queued_ms = 5,
                            .attempt_ms = 3};
  std::string out;
  for (auto _ : state) {
    if (out.size() > 64 * 1024) {
      out.clear();
    }
    events::append_line(out, event);
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(event_line);

class Deadline final : public ring::Timer {
  void expired() override {}
};

// Re-arming one of many deadlines, as each command of each connection does.
void timer_wheel_rearm(benchmark::State& state) {
  ring::TimerWheel wheel{Instant{}};
  std::deque<Deadline> deadlines(static_cast<std::size_t>(state.range(0)));
  Instant now{};
  std::size_t next = 0;
  for (auto _ : state) {
    now += 1us;
    wheel.arm(deadlines[next], now + 5min);
    next = next + 1 == deadlines.size() ? 0 : next + 1;
    wheel.advance(now);
  }
}
BENCHMARK(timer_wheel_rearm)->Arg(100)->Arg(10'000);

}  // namespace
}  // namespace ringpost
