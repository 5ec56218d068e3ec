// The progress bar on standard error, when that is a terminal; nothing otherwise.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace ringpost::bench {

class Progress {
 public:
  Progress(std::string label, std::uint64_t total);
  ~Progress() { finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `in`: messages acknowledged to the source, `out`: arrived at the sink.
  void update(std::uint64_t in, std::uint64_t out);
  void finish();

 private:
  using Clock = std::chrono::steady_clock;

  std::string label_;
  std::uint64_t total_;
  bool terminal_;
  bool drawn_ = false;
  Clock::time_point last_time_;
  std::uint64_t last_in_ = 0;
  std::uint64_t last_out_ = 0;
};

}  // namespace ringpost::bench
