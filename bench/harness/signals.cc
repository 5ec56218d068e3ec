#include "harness/signals.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

#include "ringpost/base/check.h"

namespace ringpost::bench {
namespace {

sigset_t watched() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) {
    ::sigaddset(&set, signal);
  }
  return set;
}

}  // namespace

Signals::Signals() {
  ::signal(SIGPIPE, SIG_IGN);
  const sigset_t set = watched();
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  fd_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  check(fd_ >= 0, "signalfd failed");
}

Signals::~Signals() {
  ::close(fd_);
}

Signals::Event Signals::wait(Duration longest) {
  pollfd polled[2] = {{fd_, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
  const int ready = ::poll(polled, reads_input_ ? 2 : 1, static_cast<int>(longest / 1ms));
  if (ready <= 0) {
    return Event::time_out;
  }
  if (signalfd_siginfo info;
      polled[0].revents != 0 && ::read(fd_, &info, sizeof(info)) == sizeof(info)) {
    return info.ssi_signo == SIGUSR1 ? Event::report : Event::stop;
  }
  if (polled[1].revents != 0) {
    char line[256];
    if (::read(STDIN_FILENO, line, sizeof(line)) > 0) {
      return Event::report;
    }
    reads_input_ = false;  // its end: from now on only signals
  }
  return Event::time_out;
}

}  // namespace ringpost::bench
