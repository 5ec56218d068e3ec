// The disk below a measurement: which file system, and how fast it syncs at this moment.
#pragma once

#include <cstdint>
#include <string>

#include "ringpost/base/result.h"

namespace ringpost::bench {

// "ext4", "tmpfs", …; the number in hexadecimal for those this does not know.
Result<std::string> file_system_of(const std::string& directory);
// The median of a few synced writes of 16 KiB each to a file in `directory`, in microseconds.
Result<double> disk_sync_us(const std::string& directory);

// A new directory that is removed, with all in it, at the end.
class TemporaryDirectory {
 public:
  static Result<TemporaryDirectory> create(const std::string& parent);
  TemporaryDirectory(TemporaryDirectory&& other) noexcept;
  TemporaryDirectory& operator=(TemporaryDirectory&&) = delete;
  ~TemporaryDirectory();

  [[nodiscard]] const std::string& path() const { return path_; }
  void keep() { keep_ = true; }

 private:
  explicit TemporaryDirectory(std::string path) : path_(std::move(path)) {}

  std::string path_;
  bool keep_ = false;
};

// $TMPDIR, /tmp or /var/tmp: the first that is on a real disk.
std::string default_spool_parent();

}  // namespace ringpost::bench
