// A shard's spool on a kernel of the test's, and coroutines that use it as the other rooms do.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "disk_kernel.h"
#include "ringpost/spool/spool.h"
#include "samples.h"

namespace ringpost::spool {

inline SpoolSettings small_spool(std::uint64_t segment_size = 128 << 10) {
  SpoolSettings settings;
  settings.directory = "/spool/shard-0";
  settings.segment_size = segment_size;
  settings.minimum_free = 1 << 20;
  return settings;
}

class Harness {
 public:
  explicit Harness(std::uint64_t seed = 1, Disk disk = {}, SpoolSettings settings = small_spool())
      : Harness(std::make_unique<DiskKernel>(seed, std::move(disk)), std::move(settings)) {}
  Harness(std::unique_ptr<DiskKernel> own, SpoolSettings settings)
      : owned_(std::move(own)),
        reactor_(*owned_, {.receive_buffers = 2, .receive_buffer_size = 16}),
        spool_(reactor_, std::move(settings)),
        gate_(reactor_.ready()) {
    EXPECT_TRUE(reactor_.start());
  }

  DiskKernel& kernel() { return *owned_; }
  ring::Reactor& reactor() { return reactor_; }
  Spool& spool() { return spool_; }

  // Recovers; what was found is in messages(), by key.
  Result<Recovered> open() {
    Result<Recovered> result;
    reactor_.run(open_into(result));
    return result;
  }
  void close() { reactor_.run(spool_.close()); }

  std::map<PartKey, RecoveredMessage>& messages() { return messages_; }

  int wait(Ticket ticket) {
    int error = 0;
    reactor_.run(wait_into(ticket, error));
    return error;
  }
  // Appends a message and waits for it, as a session does before it answers 250.
  Location store(const mail::Message& message) {
    const Appended appended = spool_.append(message);
    EXPECT_EQ(wait(appended.ticket), 0);
    return appended.location;
  }
  Result<std::string> read(const Location& location) {
    Result<std::string> result;
    reactor_.run(read_into(location, result));
    return result;
  }
  // Some turns, without waiting for anything in particular.
  void turns(int count) {
    for (int turn = 0; turn < count; ++turn) {
      reactor_.turn(std::chrono::milliseconds(10));
    }
  }

 private:
  ring::Task<void> open_into(Result<Recovered>& result) {
    RecoverySink sink = [this](RecoveredMessage&& message) {
      const PartKey key = message.key;
      EXPECT_TRUE(messages_.emplace(key, std::move(message)).second) << "given twice";
    };
    result = co_await spool_.open(std::move(sink));
  }
  ring::Task<void> wait_into(Ticket ticket, int& error) {
    error = co_await spool_.committed(ticket);
  }
  ring::Task<void> read_into(Location location, Result<std::string>& result) {
    result = co_await spool_.read_content(location);
  }

  std::unique_ptr<DiskKernel> owned_;
  ring::Reactor reactor_;
  Spool spool_;
  ring::Gate gate_;
  std::map<PartKey, RecoveredMessage> messages_;
};

}  // namespace ringpost::spool
