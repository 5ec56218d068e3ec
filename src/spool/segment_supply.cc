#include "ringpost/spool/segment_supply.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "ringpost/base/log.h"

namespace ringpost::spool {
namespace {

// Small enough not to hold a loop turn up.
constexpr std::size_t zero_piece = 256 << 10;
constexpr Duration retry_after = 1s;

bool no_space(int error) {
  return error == -ENOSPC || error == -EDQUOT;
}

}  // namespace

SegmentSupply::SegmentSupply(ring::Reactor& reactor, std::string directory,
                             std::uint64_t segment_size, std::uint64_t minimum_free)
    : reactor_(reactor),
      directory_(std::move(directory)),
      segment_size_(segment_size),
      minimum_free_(minimum_free) {}

void SegmentSupply::start(std::uint64_t spool, std::uint64_t next_file) {
  spool_ = spool;
  next_file_ = next_file;
}

void SegmentSupply::add_free(std::unique_ptr<SegmentFile> file) {
  free_.push_back(std::move(file));
}

std::string SegmentSupply::path_of(std::uint64_t file_number) const {
  return fmt::format("{}/{:08}.segment", directory_, file_number);
}

void SegmentSupply::stop() {
  stopping_ = true;
  wanted_.notify_all();
  available_.notify_all();
}

// The minimum is kept from new mail, not from the outcomes of mail we have.
bool SegmentSupply::space_for_another() {
  const std::int64_t space = reactor_.kernel().free_space(directory_);
  disk_free_ = space < 0 ? 0 : static_cast<std::uint64_t>(space);
  return takers_ > 0 || disk_free_ >= minimum_free_ + segment_size_;
}

ring::Task<void> SegmentSupply::run() {
  while (!stopping_) {
    const bool wanted = takers_ > 0 && free_.empty();
    if (free_.size() >= reserve && !wanted) {
      co_await wanted_.wait();
      continue;
    }
    const int previous_error = last_error_;
    last_error_ = 0;
    const bool space = space_for_another();
    if (space) {
      last_error_ = co_await create();
    }
    if (last_error_ != 0 && last_error_ != previous_error) {
      log::warning("spool: no segment can be made in {} (errno {})", directory_, -last_error_);
    }
    space_short_ = !space || no_space(last_error_);
    available_.notify_all();
    if (!space || last_error_ != 0) {
      const Instant next_try = reactor_.now() + retry_after;
      co_await wanted_.wait_until(reactor_.timers(), next_try);
    }
  }
}

ring::Task<int> SegmentSupply::create() {
  auto file = std::make_unique<SegmentFile>();
  file->path = path_of(next_file_++);
  file->size = segment_size_;
  file->fd = co_await open_segment_file(reactor_, file->path, O_CREAT | O_EXCL);
  if (file->fd < 0) {
    co_return file->fd;
  }
  int error = co_await reactor_.allocate(file->fd, 0, 0, segment_size_);
  if (error == 0 && takers_ == 0) {
    co_await prewrite(file->fd);
  }
  if (error == -EOPNOTSUPP) {
    error = 0;
  }
  if (error == 0) {
    SegmentHeader header;
    header.spool = spool_;
    header.size = segment_size_;
    error = co_await write_header(reactor_, file->fd, header);
  }
  if (error == 0) {
    error = co_await reactor_.sync(file->fd, false);
  }
  if (error == 0) {
    error = co_await sync_directory(reactor_, directory_);
  }
  if (error != 0) {
    co_await remove(std::move(file));
    co_return error;
  }
  add_free(std::move(file));
  co_return 0;
}

// Writing into blocks that were written before takes half the time of writing into blocks that
// were only allocated. Stops when somebody waits: an allocated file is right, only slower.
ring::Task<void> SegmentSupply::prewrite(int fd) {
  AlignedBuffer zeros;
  zeros.append_zeros(std::min<std::uint64_t>(zero_piece, segment_size_));
  for (std::uint64_t at = 0; at < segment_size_ && takers_ == 0 && !stopping_; at += zeros.size()) {
    const std::size_t length = std::min<std::uint64_t>(zeros.size(), segment_size_ - at);
    const std::string_view bytes = zeros.view().substr(0, length);
    const int written = co_await reactor_.write(fd, bytes, at, 0);
    if (written < 0) {
      co_return;
    }
  }
}

ring::Task<std::unique_ptr<SegmentFile>> SegmentSupply::take(std::uint64_t segment, int& error) {
  error = 0;
  ++takers_;
  wanted_.notify_all();
  while (free_.empty() && !stopping_) {
    co_await available_.wait();
    if (free_.empty() && last_error_ != 0 && !no_space(last_error_)) {
      break;
    }
  }
  --takers_;
  if (free_.empty()) {
    error = last_error_ != 0 ? last_error_ : -ECANCELED;
    co_return nullptr;
  }
  std::unique_ptr<SegmentFile> file = std::move(free_.back());
  free_.pop_back();
  wanted_.notify_all();
  SegmentHeader header;
  header.state = SegmentHeader::State::in_use;
  header.spool = spool_;
  header.segment = segment;
  header.size = file->size;
  error = co_await write_header(reactor_, file->fd, header);
  if (error != 0) {
    co_await remove(std::move(file));
    co_return nullptr;
  }
  co_return std::move(file);
}

ring::Task<int> SegmentSupply::retire(std::unique_ptr<SegmentFile> file, std::uint64_t segment) {
  if (file->damaged) {
    const std::string aside = file->path + ".damaged";
    co_await reactor_.close_file(file->fd);
    int error = co_await reactor_.rename(file->path, aside);
    if (error == 0) {
      error = co_await sync_directory(reactor_, directory_);
    }
    co_return error;
  }
  if (file->poisoned || file->size != segment_size_ || free_.size() >= most_free) {
    co_return co_await remove(std::move(file));
  }
  SegmentHeader header;
  header.spool = spool_;
  header.segment = segment;
  header.size = file->size;
  const int error = co_await write_header(reactor_, file->fd, header);
  if (error != 0) {
    co_return co_await remove(std::move(file));
  }
  add_free(std::move(file));
  available_.notify_all();
  co_return 0;
}

// As long as it may still be there, what speaks of its messages must be kept.
ring::Task<int> SegmentSupply::remove(std::unique_ptr<SegmentFile> file) {
  const int error = co_await reactor_.unlink(file->path);
  co_await reactor_.close_file(file->fd);
  if (error != 0) {
    co_return error;
  }
  co_return co_await sync_directory(reactor_, directory_);
}

ring::Task<void> SegmentSupply::close() {
  for (const auto& file : free_) {
    co_await reactor_.close_file(file->fd);
  }
  free_.clear();
}

}  // namespace ringpost::spool
