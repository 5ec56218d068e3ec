#include "ringpost/events/writer.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "ringpost/base/log.h"

namespace ringpost::events {
namespace {

constexpr mode_t log_mode = 0640;
constexpr Duration pause_after_error = 1s;
// A write costs a switch to a kernel thread and back, whatever its size: under load lines gather
// for this long. A lone line leaves at once.
constexpr Duration shortest_interval = 2ms;

}  // namespace

EventWriter::EventWriter(ring::Reactor& reactor, std::string path)
    : reactor_(reactor), path_(std::move(path)), gate_(reactor.ready()) {}

ring::Task<int> EventWriter::open_file() {
  co_return co_await reactor_.open(path_, O_WRONLY | O_APPEND | O_CREAT, log_mode);
}

ring::Task<Result<>> EventWriter::open() {
  if (path_.empty()) {
    co_return Result<>();
  }
  fd_ = co_await open_file();
  if (fd_ < 0) {
    co_return fail_errno(fd_, fmt::format("cannot open the event log {}", path_),
                         "create its directory, or set log.events to a writable path");
  }
  gate_.spawn(run());
  co_return Result<>();
}

std::uint64_t EventWriter::append(const Event& event) {
  ++lines_;
  if (path_.empty()) {
    return 0;
  }
  const std::size_t before = pending_.size();
  append_line(pending_, event);
  appended_ += pending_.size() - before;
  if (before == 0) {
    work_.notify_one();
  }
  return appended_;
}

ring::Task<bool> EventWriter::written(std::uint64_t position, Instant deadline) {
  while (written_ < position && !(closing_ && fd_ < 0)) {
    const bool notified = co_await progress_.wait_until(reactor_.timers(), deadline);
    if (!notified) {
      co_return false;
    }
  }
  co_return true;
}

ring::Task<void> EventWriter::room() {
  while (full() && !closing_) {
    co_await progress_.wait();
  }
}

void EventWriter::reopen() {
  reopen_ = true;
  work_.notify_one();
}

ring::Task<void> EventWriter::run() {
  while (!closing_ || !pending_.empty()) {
    if (reopen_) {
      reopen_ = false;
      const int fresh = co_await open_file();
      if (fresh >= 0) {
        const int old = std::exchange(fd_, fresh);
        co_await reactor_.close_file(old);
      } else {
        log::error("cannot reopen the event log {}: {}; going on in the old file", path_,
                   std::strerror(-fresh));
      }
    }
    if (pending_.empty()) {
      co_await work_.wait();
      continue;
    }
    if (reactor_.now() < next_batch_ && !closing_) {
      co_await reactor_.sleep(next_batch_ - reactor_.now());
    }
    next_batch_ = reactor_.now() + shortest_interval;
    std::swap(pending_, writing_);
    pending_.clear();
    co_await write_batch();
    if (reactor_.now() >= give_up_) {
      break;
    }
  }
  const int old = std::exchange(fd_, -1);
  co_await reactor_.close_file(old);
  progress_.notify_all();
}

ring::Task<void> EventWriter::write_batch() {
  std::size_t done = 0;
  while (done < writing_.size() && reactor_.now() < give_up_) {
    const std::string_view rest = std::string_view(writing_).substr(done);
    const int result = co_await reactor_.write(fd_, rest, ring::Reactor::at_end);
    if (result > 0) {
      done += static_cast<std::size_t>(result);
      written_ += static_cast<std::uint64_t>(result);
      complained_ = false;
      continue;
    }
    if (!complained_) {
      complained_ = true;
      log::error("cannot write the event log {}: {}; deliveries wait until it can be written",
                 path_, std::strerror(-result));
    }
    co_await reactor_.sleep(pause_after_error);
  }
  writing_.clear();
  progress_.notify_all();
}

ring::Task<void> EventWriter::close(Duration at_most) {
  closing_ = true;
  give_up_ = reactor_.now() + at_most;
  work_.notify_one();
  progress_.notify_all();
  co_await gate_.close();
}

}  // namespace ringpost::events
