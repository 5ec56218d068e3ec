// The event log of one shard: lines are appended to a bounded buffer and written in batches by one
// coroutine, whole lines at a time, to a file that all shards share (O_APPEND). Nothing is dropped:
// while the file cannot be written the writer tries again, and when full() the shard starts no new
// transaction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "ringpost/base/result.h"
#include "ringpost/events/event.h"
#include "ringpost/ring/reactor.h"

namespace ringpost::events {

class EventWriter {
 public:
  static constexpr std::size_t most_pending_bytes = std::size_t{8} << 20;

  // An empty path means that nobody wants a log: every line counts as written.
  EventWriter(ring::Reactor& reactor, std::string path);

  ring::Task<Result<>> open();
  // Returns the position up to which written() must wait for this line.
  std::uint64_t append(const Event& event);
  [[nodiscard]] bool full() const { return pending_.size() >= most_pending_bytes; }
  // Waits until it is not full(), or closing.
  ring::Task<void> room();
  // Waits until the log holds everything up to `position`, or until `deadline`: false.
  ring::Task<bool> written(std::uint64_t position, Instant deadline);
  // The file was renamed: go on in a new one of the old name, from the next batch on.
  void reopen();
  // Writes what is left, for `at_most`, and closes.
  ring::Task<void> close(Duration at_most);

  [[nodiscard]] std::uint64_t lines_total() const { return lines_; }

 private:
  ring::Task<void> run();
  ring::Task<void> write_batch();
  ring::Task<int> open_file();

  ring::Reactor& reactor_;
  std::string path_;
  int fd_ = -1;
  std::string pending_;
  std::string writing_;
  std::uint64_t appended_ = 0;  // bytes, since the start
  std::uint64_t written_ = 0;
  std::uint64_t lines_ = 0;
  bool reopen_ = false;
  bool closing_ = false;
  bool complained_ = false;
  Instant give_up_ = never;
  Instant next_batch_;
  ring::Event work_;
  ring::Event progress_;
  ring::Gate gate_;
};

}  // namespace ringpost::events
