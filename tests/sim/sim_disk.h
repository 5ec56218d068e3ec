// The disk of a simulated host: a tree of files whose contents and directory entries are volatile
// until they are synced. At a power cut each unsynced 4 KiB sector is kept, lost or torn by seed,
// and so is each unsynced change of a directory. Survives the kernels that use it; knows nothing of
// rings or time.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/base/random.h"
#include "ringpost/base/time.h"

namespace ringpost::sim {

struct DiskFaults {
  double write_error = 0;       // chance of -EIO
  double sync_error = 0;        // of -EIO; what was to be synced is then lost at a power cut
  double short_write = 0;       // of whole sectors only
  bool refuses_direct = false;  // O_DIRECT, as tmpfs does
  std::uint64_t capacity = 8ULL << 30;
  Duration least_latency = 40us;
  Duration most_latency = 400us;
  double stall = 0.01;  // chance of a request that takes up to `longest_stall`
  Duration longest_stall = 15ms;
};

class SimFile {
 public:
  static constexpr std::size_t sector_size = 4096;

  SimFile(std::uint64_t number, bool directory) : number_(number), directory_(directory) {}

  [[nodiscard]] std::uint64_t number() const { return number_; }
  [[nodiscard]] bool is_directory() const { return directory_; }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  bool locked = false;

  void write(std::uint64_t offset, std::string_view bytes);
  void resize(std::uint64_t size);
  // What was written to these bytes before is durable, and the file's size with it.
  void sync_range(std::uint64_t offset, std::uint64_t length);

  // What a sync must make durable: everything up to the moment when it began.
  struct SyncPoint {
    std::uint64_t writes = 0;
    std::uint64_t size = 0;
    std::map<std::uint64_t, std::string> sectors;
  };
  [[nodiscard]] SyncPoint sync_point() const;
  void synced(const SyncPoint& point);
  // The sync failed: the sectors count as clean but never reached the disk.
  void sync_failed(const SyncPoint& point);

  void power_cut(Random& random);
  // Turns one bit of what is stored.
  void rot(std::uint64_t offset, unsigned bit);

 private:
  struct Dirty {
    std::string durable;      // what the disk holds
    std::uint64_t write = 0;  // the last one to it
    bool forgotten = false;   // by a failed sync
  };
  [[nodiscard]] std::string sector(std::uint64_t number) const;
  void touch(std::uint64_t offset, std::uint64_t length);

  std::uint64_t number_;
  bool directory_;
  std::string bytes_;
  std::map<std::uint64_t, Dirty> dirty_;
  std::uint64_t durable_size_ = 0;
  std::uint64_t writes_ = 0;
};

using FilePointer = std::shared_ptr<SimFile>;

class SimDisk {
 public:
  explicit SimDisk(Random& random);

  DiskFaults faults;

  // As openat(2): 0 or a negative errno.
  int open(const std::string& path, int flags, FilePointer& file);
  int make_directory(const std::string& path);
  int list(const std::string& path, std::vector<std::string>& names) const;
  int rename(const std::string& from, const std::string& to);
  int unlink(const std::string& path);
  // Null when there is none.
  [[nodiscard]] FilePointer find(const std::string& path) const;
  // -ENOSPC if the file may not grow to `size`.
  [[nodiscard]] int may_grow(const SimFile& file, std::uint64_t size) const;
  [[nodiscard]] std::uint64_t free_space() const;

  // How many changes of directories there have been; a sync of a directory covers those before it.
  [[nodiscard]] std::uint64_t changes() const { return changes_; }
  void sync_directory(const SimFile& directory, std::uint64_t up_to);

  void power_cut();
  // Every file by its path, directories too.
  [[nodiscard]] const std::map<std::string, FilePointer>& entries() const { return entries_; }

 private:
  struct Change {
    std::uint64_t number;
    std::string removed;  // path, empty if none
    std::string added;
    FilePointer file;  // that `added` names from now on
  };
  using Entries = std::map<std::string, FilePointer>;

  static std::string directory_of(const std::string& path);
  static void apply(const Change& change, Entries& entries);
  void record(std::string removed, std::string added, FilePointer file);
  [[nodiscard]] bool concerns(const Change& change, const SimFile& directory) const;
  FilePointer make(const std::string& path, bool directory);

  Random& random_;
  Entries entries_;
  Entries durable_;
  std::vector<Change> pending_;
  std::uint64_t changes_ = 0;
  std::uint64_t files_made_ = 0;
};

}  // namespace ringpost::sim
