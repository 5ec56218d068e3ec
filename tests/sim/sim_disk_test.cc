// The simulated disk: what is durable survives every power cut, the rest may not.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>

#include <cerrno>
#include <set>

#include "sim/sim_process.h"

namespace ringpost::sim {
namespace {

using ring::Task;

constexpr std::size_t sector = SimFile::sector_size;

struct alignas(sector) Block {
  explicit Block(char fill) { std::fill_n(bytes, sizeof(bytes), fill); }
  [[nodiscard]] std::string_view view() const { return {bytes, sizeof(bytes)}; }
  char bytes[2 * sector];
};

Task<void> write_direct(ring::Reactor& reactor, std::string_view bytes, std::uint64_t offset,
                        int& result) {
  const std::string path = "/file";
  const int fd = co_await reactor.open(path, O_RDWR | O_CREAT | O_DIRECT, 0600);
  result = co_await reactor.write(fd, bytes, offset, RWF_DSYNC);
  co_await reactor.close_file(fd);
}

TEST(SimDisk, RefusesMisalignedDirectWrites) {
  SimWorld world(1);
  SimProcess process(world.add_host("host", {}));
  const Block block('x');
  int result = 0;
  EXPECT_TRUE(process.run(write_direct(process.reactor, block.view(), 0, result)));
  EXPECT_EQ(result, 2 * static_cast<int>(sector));
  EXPECT_TRUE(process.run(write_direct(process.reactor, block.view(), 512, result)));
  EXPECT_EQ(result, -EINVAL);
  EXPECT_TRUE(process.run(write_direct(process.reactor, block.view().substr(0, 700), 0, result)));
  EXPECT_EQ(result, -EINVAL);
  EXPECT_TRUE(
      process.run(write_direct(process.reactor, block.view().substr(8, sector), 0, result)));
  EXPECT_EQ(result, -EINVAL);
}

TEST(SimDisk, IsFullWhenItIsFull) {
  SimWorld world(1);
  SimHost& host = world.add_host("host", {});
  SimProcess process(host);
  host.disk().faults.capacity = 3 * sector;
  const Block block('x');
  int result = 0;
  EXPECT_TRUE(process.run(write_direct(process.reactor, block.view(), 0, result)));
  EXPECT_TRUE(process.run(write_direct(process.reactor, block.view(), 2 * sector, result)));
  EXPECT_EQ(result, -ENOSPC);
  EXPECT_EQ(process.kernel.free_space("/"), static_cast<std::int64_t>(sector));
}

Task<void> sync_root(ring::Reactor& reactor) {
  const std::string path = "/";
  const int fd = co_await reactor.open(path, O_RDONLY | O_DIRECTORY, 0);
  const int error = co_await reactor.sync(fd, false);
  EXPECT_EQ(error, 0);
  co_await reactor.close_file(fd);
}

// A durable block of a durable file, then what is still volatile.
Task<void> write_both(ring::Reactor& reactor, const Block& durable, const Block& later,
                      bool& synced) {
  const std::string path = "/file";
  const int fd = co_await reactor.open(path, O_RDWR | O_CREAT | O_DIRECT, 0600);
  int written = co_await reactor.write(fd, durable.view(), 0, RWF_DSYNC);
  EXPECT_EQ(written, 2 * static_cast<int>(sector));
  co_await sync_root(reactor);
  synced = true;
  written = co_await reactor.write(fd, later.view(), sector, 0);
  EXPECT_EQ(written, 2 * static_cast<int>(sector));
  const std::string volatile_path = "/volatile";
  const int other = co_await reactor.open(volatile_path, O_RDWR | O_CREAT, 0600);
  EXPECT_GE(other, 0);
  const std::string moved_path = "/moved";
  co_await reactor.rename(path, moved_path);
  while (true) {
    co_await reactor.write(fd, durable.view(), 3 * sector, RWF_DSYNC);
  }
}

TEST(SimDisk, APowerCutKeepsWhatIsDurableAndTearsTheRestBySeed) {
  std::set<std::string> second_sectors;
  std::set<std::size_t> sizes;
  std::set<bool> volatile_there;
  std::set<bool> moved;
  const Block durable('d');
  const Block later('l');
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    SimWorld world(seed);
    SimHost& host = world.add_host("host", {});
    {
      SimProcess process(host);
      bool synced = false;
      process.spawn(write_both(process.reactor, durable, later, synced));
      EXPECT_TRUE(world.run_until([&] { return synced; }, 1s));
      world.run_for(between(world.random(), 500us, 5ms));
      host.crash(Crash::power_cut);
    }
    const FilePointer stayed = host.disk().find("/file");
    const FilePointer gone = host.disk().find("/moved");
    ASSERT_NE(stayed == nullptr, gone == nullptr) << "renaming is atomic";
    const std::string& bytes = (stayed ? stayed : gone)->bytes();
    ASSERT_GE(bytes.size(), 2 * sector);
    EXPECT_EQ(bytes.substr(0, sector), std::string(sector, 'd'));
    second_sectors.insert(bytes.substr(sector, sector));
    sizes.insert(bytes.size());
    volatile_there.insert(host.disk().find("/volatile") != nullptr);
    moved.insert(gone != nullptr);
  }
  EXPECT_GT(second_sectors.size(), 3U) << "kept, lost, and torn in many ways";
  EXPECT_TRUE(second_sectors.contains(std::string(sector, 'd')));
  EXPECT_TRUE(second_sectors.contains(std::string(sector, 'l')));
  EXPECT_GT(sizes.size(), 1U);
  EXPECT_EQ(volatile_there.size(), 2U);
  EXPECT_EQ(moved.size(), 2U);
}

Task<void> write_and_sync(ring::Reactor& reactor, const Block& block, int& error, bool& done) {
  const std::string path = "/file";
  const int fd = co_await reactor.open(path, O_RDWR | O_CREAT, 0600);
  co_await reactor.write(fd, block.view(), 0, 0);
  error = co_await reactor.sync(fd, true);
  co_await sync_root(reactor);
  done = true;
  co_await reactor.close_file(fd);
}

TEST(SimDisk, ASyncMakesWritesDurable) {
  const Block block('x');
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    SimWorld world(seed);
    SimHost& host = world.add_host("host", {});
    SimProcess process(host);
    int error = 0;
    bool done = false;
    EXPECT_TRUE(process.run(write_and_sync(process.reactor, block, error, done)));
    host.crash(Crash::power_cut);
    EXPECT_EQ(host.disk().find("/file")->bytes(), block.view());
  }
}

TEST(SimDisk, AFailedSyncLosesWhatItWasToSyncAlthoughTheNextOneSucceeds) {
  const Block block('x');
  SimWorld world(5);
  SimHost& host = world.add_host("host", {});
  SimProcess process(host);
  int error = 0;
  bool done = false;
  EXPECT_TRUE(process.run(write_and_sync(process.reactor, Block('o'), error, done)));
  FilePointer file = host.disk().find("/file");
  file->write(0, block.view());
  const SimFile::SyncPoint point = file->sync_point();
  file->sync_failed(point);
  EXPECT_EQ(file->bytes(), block.view());
  file->synced(file->sync_point());
  host.crash(Crash::power_cut);
  EXPECT_EQ(file->bytes(), Block('o').view());
}

TEST(SimDisk, AKilledProcessLosesNothingThatItWrote) {
  const Block block('x');
  SimWorld world(5);
  SimHost& host = world.add_host("host", {});
  SimProcess process(host);
  int error = 0;
  bool done = false;
  process.spawn(write_and_sync(process.reactor, block, error, done));
  world.run_until(
      [&] {
        return host.disk().find("/file") != nullptr && !host.disk().find("/file")->bytes().empty();
      },
      1s);
  host.crash(Crash::killed);
  EXPECT_EQ(host.disk().find("/file")->bytes(), block.view());
}

}  // namespace
}  // namespace ringpost::sim
