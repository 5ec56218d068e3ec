#include "harness/disk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <utility>
#include <vector>

namespace ringpost::bench {
namespace {

constexpr int canary_writes = 50;
constexpr std::size_t canary_size = 16 * 1024;

struct Magic {
  std::uint64_t number;
  const char* name;
};
constexpr Magic known[] = {
    {EXT4_SUPER_MAGIC, "ext4"}, {XFS_SUPER_MAGIC, "xfs"},   {BTRFS_SUPER_MAGIC, "btrfs"},
    {TMPFS_MAGIC, "tmpfs"},     {RAMFS_MAGIC, "ramfs"},     {OVERLAYFS_SUPER_MAGIC, "overlayfs"},
    {NFS_SUPER_MAGIC, "nfs"},   {F2FS_SUPER_MAGIC, "f2fs"}, {FUSE_SUPER_MAGIC, "fuse"},
    {0x2fc12fc1, "zfs"},
};

}  // namespace

Result<std::string> file_system_of(const std::string& directory) {
  struct statfs status{};
  if (::statfs(directory.c_str(), &status) < 0) {
    return fail_errno(errno, fmt::format("cannot look at {}", directory));
  }
  const auto magic = static_cast<std::uint64_t>(status.f_type);
  for (const Magic& one : known) {
    if (one.number == magic) {
      return one.name;
    }
  }
  return fmt::format("{:#x}", magic);
}

Result<double> disk_sync_us(const std::string& directory) {
  const std::string path = directory + "/canary";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) {
    return fail_errno(errno, fmt::format("cannot write to {}", directory));
  }
  const std::string bytes(canary_size, 'c');
  std::vector<double> times_us;
  int error = 0;
  for (int i = 0; i < canary_writes && error == 0; ++i) {
    const auto start = std::chrono::steady_clock::now();
    if (::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(i) * 16 * 1024) < 0 ||
        ::fdatasync(fd) < 0) {
      error = errno;
    }
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
    times_us.push_back(took.count());
  }
  ::close(fd);
  ::unlink(path.c_str());
  if (error != 0) {
    return fail_errno(error, fmt::format("cannot sync a file in {}", directory));
  }
  std::nth_element(times_us.begin(), times_us.begin() + canary_writes / 2, times_us.end());
  return times_us[canary_writes / 2];
}

Result<TemporaryDirectory> TemporaryDirectory::create(const std::string& parent) {
  std::string path = parent + "/ringpost-bench.XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) {
    return fail_errno(errno, fmt::format("cannot make a directory in {}", parent),
                      "name another one with --spool");
  }
  return TemporaryDirectory(std::move(path));
}

TemporaryDirectory::TemporaryDirectory(TemporaryDirectory&& other) noexcept
    : path_(std::exchange(other.path_, {})), keep_(other.keep_) {}

TemporaryDirectory::~TemporaryDirectory() {
  if (!path_.empty() && !keep_) {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
}

std::string default_spool_parent() {
  const char* const variable = std::getenv("TMPDIR");
  const std::string first = variable != nullptr ? variable : "/tmp";
  for (const std::string& directory : {first, std::string("/tmp"), std::string("/var/tmp")}) {
    const Result<std::string> system = file_system_of(directory);
    if (system && *system != "tmpfs" && *system != "ramfs") {
      return directory;
    }
  }
  return first;
}

}  // namespace ringpost::bench
