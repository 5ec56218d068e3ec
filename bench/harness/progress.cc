#include "harness/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "harness/units.h"

namespace ringpost::bench {
namespace {

constexpr std::size_t bar_width = 30;

std::string bar(double share) {
  const auto full = static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * bar_width);
  return std::string(full, '#') + std::string(bar_width - full, '.');
}

}  // namespace

Progress::Progress(std::string label, std::uint64_t total)
    : label_(std::move(label)),
      total_(std::max<std::uint64_t>(total, 1)),
      terminal_(::isatty(STDERR_FILENO) == 1),
      last_time_(Clock::now()) {}

void Progress::update(std::uint64_t in, std::uint64_t out) {
  if (!terminal_) {
    return;
  }
  const Clock::time_point now = Clock::now();
  const double seconds = std::max(std::chrono::duration<double>(now - last_time_).count(), 1e-3);
  const auto rate = [seconds](std::uint64_t before, std::uint64_t after) {
    return grouped(static_cast<std::uint64_t>(static_cast<double>(after - before) / seconds));
  };
  fmt::print(stderr, "\r{} [{}] {:3.0f}%  in {} ({}/s)  out {} ({}/s)\x1b[K", label_,
             bar(static_cast<double>(out) / static_cast<double>(total_)),
             100.0 * static_cast<double>(out) / static_cast<double>(total_), grouped(in),
             rate(last_in_, in), grouped(out), rate(last_out_, out));
  std::fflush(stderr);
  drawn_ = true;
  last_time_ = now;
  last_in_ = in;
  last_out_ = out;
}

void Progress::finish() {
  if (drawn_) {
    fmt::print(stderr, "\r\x1b[K");
    std::fflush(stderr);
    drawn_ = false;
  }
}

}  // namespace ringpost::bench
