#include "harness/source.h"

#include <fmt/format.h>

#include <cstring>

#include "ringpost/net/socket.h"

namespace ringpost::bench {
namespace {

// How long the source waits for an answer before it takes the server for dead.
constexpr Duration answer_deadline = 5min;
constexpr Duration pause_after_refusal = 100ms;
constexpr Duration pause_before_reconnect = 50ms;

}  // namespace

ring::Task<void> Source::run() {
  ring::Gate watcher(reactor_.ready());
  watcher.spawn(abort_when_stopped());
  for (std::uint32_t i = 0; i < settings_.connections; ++i) {
    gate_.spawn(connection());
  }
  co_await gate_.close();
  stop_.request_here();
  co_await watcher.close();
  workload_.ledger().flush();
}

ring::Task<void> Source::abort_when_stopped() {
  co_await stop_.wait();
  for (Open& open : open_) {
    open.stream.abort();
  }
}

void Source::complain(std::string_view why) {
  if (first_complaint_.empty()) {
    first_complaint_ = why;
  }
}

ring::Task<void> Source::connection() {
  Instant reached = reactor_.now();
  while (may_go_on()) {
    const Instant deadline = reactor_.now() + 30s;
    const int fd = co_await net::connect_to(reactor_, settings_.to, std::nullopt, deadline);
    if (fd >= 0) {
      workload_.counters().connections.add();
      const bool well = co_await converse(fd);
      if (well) {
        co_return;
      }
      reached = reactor_.now();
      workload_.counters().connection_losses.add();
    } else {
      complain(
          fmt::format("cannot connect to {}: {}", settings_.to.to_string(), std::strerror(-fd)));
    }
    if (reactor_.now() - reached >= settings_.reconnect) {
      co_return;
    }
    co_await reactor_.sleep(pause_before_reconnect);
  }
}

ring::Task<bool> Source::converse(int fd) {
  Open open(reactor_, fd);
  open_.push_back(open);
  if (stop_.requested()) {
    open.stream.abort();  // while it was connecting: nobody will look at it any more
  }
  SourceSession session(workload_, maker_, settings_.pipelining);
  int failed = 0;
  while (!session.ended() && failed == 0) {
    const Instant deadline = reactor_.now() + answer_deadline;
    net::Received received = co_await open.stream.receive(deadline);
    if (received.result() <= 0) {
      failed = received.result() == 0 ? -ECONNRESET : received.result();
      break;
    }
    std::string flight;
    session.feed(received.bytes(), reactor_.now(), flight);
    received.release();
    workload_.ledger().flush_if_sync();
    if (session.take_pause()) {
      co_await reactor_.sleep(pause_after_refusal);
    }
    if (!flight.empty()) {
      open.stream.write(std::move(flight));
    }
  }
  session.abandon(settings_.reconnect > Duration::zero() && !stop_.requested());
  open.unlink();
  co_await open.stream.close();
  if (session.done()) {
    co_return true;
  }
  if (!stop_.requested()) {
    complain(failed != 0 ? std::string(std::strerror(-failed)) : session.complaint());
  }
  co_return false;
}

}  // namespace ringpost::bench
