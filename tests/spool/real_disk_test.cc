// The spool on the real kernel and a real directory, and the lock on it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "ringpost/ring/linux_kernel.h"
#include "ringpost/spool/spool.h"
#include "ringpost/spool/spool_lock.h"
#include "samples.h"

namespace ringpost::spool {
namespace {

using ::testing::HasSubstr;

class Directory {
 public:
  Directory() {
    std::string name = (std::filesystem::temp_directory_path() / "ringpost-spool-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct Shard {
  explicit Shard(const std::string& directory)
      : kernel(std::move(
            ring::LinuxKernel::create({.submission_entries = 64, .completion_entries = 256})
                .value())),
        reactor(*kernel, {.receive_buffers = 4, .receive_buffer_size = 16}),
        spool(reactor, settings(directory)) {
    EXPECT_TRUE(reactor.start());
  }
  static SpoolSettings settings(const std::string& directory) {
    SpoolSettings settings;
    settings.directory = directory + "/shard-0";
    settings.segment_size = 1 << 20;
    settings.minimum_free = 1 << 20;
    return settings;
  }

  std::unique_ptr<ring::LinuxKernel> kernel;
  ring::Reactor reactor;
  Spool spool;
};

ring::Task<void> store_many(Spool& spool, std::uint64_t first, std::uint64_t last) {
  RecoverySink nothing = [](RecoveredMessage&&) {};
  const Result<Recovered> opened = co_await spool.open(std::move(nothing));
  EXPECT_TRUE(opened);
  for (std::uint64_t id = first; id <= last; ++id) {
    const Appended appended = spool.append(samples::message(id, 5000));
    if (id % 50 == 0 || id == last) {
      const int error = co_await spool.committed(appended.ticket);
      EXPECT_EQ(error, 0);
    }
  }
}

ring::Task<void> recover(Spool& spool, std::set<std::uint64_t>& ids) {
  std::vector<std::pair<std::uint64_t, Location>> places;
  RecoverySink sink = [&places](RecoveredMessage&& message) {
    places.emplace_back(message.key.message.value, message.location);
  };
  const Result<Recovered> opened = co_await spool.open(std::move(sink));
  EXPECT_TRUE(opened);
  for (const auto& [id, location] : places) {
    const Result<std::string> content = co_await spool.read_content(location);
    EXPECT_TRUE(content && *content == samples::message(id, 5000).content);
    ids.insert(id);
    const Ticket done = spool.append(samples::delivered(samples::key(id)), location);
    spool.finished(location, done);
  }
  co_await spool.close();
}

TEST(RealDiskTest, MessagesSurviveAKillAndSpaceComesBack) {
  const Directory directory;
  const pid_t child = ::fork();
  if (child == 0) {
    Shard shard(directory.path());
    shard.reactor.run(store_many(shard.spool, 1, 1000));
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);  // without closing anything
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  std::set<std::uint64_t> ids;
  {
    Shard shard(directory.path());
    shard.reactor.run(recover(shard.spool, ids));
  }
  EXPECT_EQ(ids.size(), 1000);
  ids.clear();
  Shard shard(directory.path());
  shard.reactor.run(recover(shard.spool, ids));
  EXPECT_TRUE(ids.empty());
}

TEST(SpoolLockTest, SecondHolderIsToldWhoTheFirstIs) {
  const Directory directory;
  {
    const Result<SpoolLock> first = SpoolLock::take(directory.path() + "/new");
    ASSERT_TRUE(first);
    const Result<SpoolLock> second = SpoolLock::take(directory.path() + "/new");
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error().message, HasSubstr("process " + std::to_string(::getpid())));
    EXPECT_FALSE(second.error().remedy.empty());
  }
  EXPECT_TRUE(SpoolLock::take(directory.path() + "/new")) << "the lock went with its holder";
  EXPECT_FALSE(SpoolLock::take("/proc/ringpost")) << "no directory can be made there";
}

}  // namespace
}  // namespace ringpost::spool
