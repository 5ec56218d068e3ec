#include "ringpost/spool/spool_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "ringpost/base/text.h"

namespace ringpost::spool {
namespace {

constexpr std::string_view permissions_remedy =
    "make the directory belong to Ringpost's user, or set spool.directory";

std::string holder_of(int fd) {
  char text[32] = {};
  const ssize_t length = ::pread(fd, text, sizeof(text), 0);
  const auto pid =
      length > 0 ? parse_number(trim(std::string_view(text, static_cast<std::size_t>(length) - 1)))
                 : std::nullopt;
  return pid ? fmt::format("process {}", *pid) : "another process";
}

}  // namespace

Result<SpoolLock> SpoolLock::take(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return fail_errno(error.value(),
                      fmt::format("the spool directory {} cannot be made", directory),
                      std::string(permissions_remedy));
  }
  const std::string path = directory + "/lock";
  SpoolLock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (lock.fd_ < 0) {
    return fail_errno(errno, fmt::format("{} cannot be opened", path),
                      std::string(permissions_remedy));
  }
  if (::flock(lock.fd_, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return fail(
          fmt::format("the spool directory {} is in use by {}", directory, holder_of(lock.fd_)),
          "stop that daemon, or set another spool.directory");
    }
    return fail_errno(errno, fmt::format("{} cannot be locked", path));
  }
  const std::string pid = fmt::format("{}\n", ::getpid());
  if (::ftruncate(lock.fd_, 0) != 0 ||
      ::pwrite(lock.fd_, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return fail_errno(errno, fmt::format("{} cannot be written", path));
  }
  return lock;
}

SpoolLock::~SpoolLock() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

}  // namespace ringpost::spool
