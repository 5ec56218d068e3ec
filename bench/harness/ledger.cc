#include "harness/ledger.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "ringpost/base/check.h"

namespace ringpost::bench {

constexpr std::size_t flush_at = 256 * 1024;

Result<Ledger> Ledger::open(const std::string& path, Mode mode) {
  Ledger ledger;
  ledger.fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (ledger.fd_ < 0) {
    return fail_errno(errno, fmt::format("cannot create the ledger {}", path));
  }
  ledger.mode_ = mode;
  ledger.buffer_.reserve(flush_at + 4096);
  return ledger;
}

Ledger::Ledger(Ledger&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), mode_(other.mode_), buffer_(std::move(other.buffer_)) {}

Ledger::~Ledger() {
  if (fd_ >= 0) {
    flush();
    ::close(fd_);
  }
}

void Ledger::line_done() {
  if (buffer_.size() >= flush_at) {
    flush();
  }
}

void Ledger::flush() {
  std::string_view rest = buffer_;
  while (fd_ >= 0 && !rest.empty()) {
    const ssize_t written = ::write(fd_, rest.data(), rest.size());
    check(written > 0 || errno == EINTR, "the ledger cannot be written");
    if (written > 0) {
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
  }
  buffer_.clear();
}

}  // namespace ringpost::bench
