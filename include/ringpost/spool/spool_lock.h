// Keeps a second daemon out of a spool directory. Taken once, at start-up, by plain system calls;
// the lock goes when the process does, however it ends.
#pragma once

#include <string>
#include <utility>

#include "ringpost/base/result.h"

namespace ringpost::spool {

class SpoolLock {
 public:
  // Creates `directory` if it is missing and locks the file `lock` in it. If another process has
  // it, the error names that process.
  static Result<SpoolLock> take(const std::string& directory);

  SpoolLock(SpoolLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  SpoolLock& operator=(SpoolLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~SpoolLock();

 private:
  explicit SpoolLock(int fd) : fd_(fd) {}

  int fd_;
};

}  // namespace ringpost::spool
