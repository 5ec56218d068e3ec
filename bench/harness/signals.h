// INT and TERM as something to wait for. Made first, in the main thread: the threads that follow
// inherit that these signals are blocked.
#pragma once

#include "ringpost/base/time.h"

namespace ringpost::bench {

class Signals {
 public:
  Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  ~Signals();

  enum class Event { time_out, stop, report };

  // At most `longest`. INT and TERM say stop, USR1 and a line on standard input report.
  Event wait(Duration longest);
  void read_standard_input() { reads_input_ = true; }

 private:
  int fd_;
  bool reads_input_ = false;
};

}  // namespace ringpost::bench
