// The files of a spool directory that are ready to become segments. Keeps two in reserve, so that
// the shard never waits for a file to be made and a full disk never stops deliveries from being
// recorded; takes retired files back. Called by GroupCommit and Spool.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ringpost/ring/event.h"
#include "ringpost/ring/reactor.h"
#include "ringpost/ring/task.h"
#include "ringpost/spool/segment_file.h"

namespace ringpost::spool {

class SegmentSupply {
 public:
  static constexpr std::size_t reserve = 2;
  static constexpr std::size_t most_free = 8;  // more are removed

  SegmentSupply(ring::Reactor& reactor, std::string directory, std::uint64_t segment_size,
                std::uint64_t minimum_free);

  // From recovery: the spool's name, the first unused file number, and files found free.
  void start(std::uint64_t spool, std::uint64_t next_file);
  void add_free(std::unique_ptr<SegmentFile> file);

  // Makes files as they are needed, until stop().
  ring::Task<void> run();
  void stop();

  // A file whose header says, durably, that it is `segment`. Waits while there is no space. Null
  // with `error` set if the file system fails otherwise, or after stop().
  ring::Task<std::unique_ptr<SegmentFile>> take(std::uint64_t segment, int& error);
  // Nothing in the file is needed any more: makes that durable and keeps it for reuse, or sets it
  // aside. 0 or a negative errno.
  ring::Task<int> retire(std::unique_ptr<SegmentFile> file, std::uint64_t segment);

  // Closes the free files.
  ring::Task<void> close();

  // Free space is below the minimum and the reserve is touched.
  [[nodiscard]] bool short_of_space() const { return space_short_ && free_.size() < reserve; }
  [[nodiscard]] std::uint64_t free_bytes() const {
    return free_.size() * segment_size_ + disk_free_;
  }
  [[nodiscard]] std::uint64_t segment_size() const { return segment_size_; }
  [[nodiscard]] std::size_t free_files() const { return free_.size(); }
  [[nodiscard]] std::string path_of(std::uint64_t file_number) const;

 private:
  ring::Task<int> create();
  ring::Task<void> prewrite(int fd);
  ring::Task<int> remove(std::unique_ptr<SegmentFile> file);
  bool space_for_another();

  ring::Reactor& reactor_;
  std::string directory_;
  std::uint64_t segment_size_;
  std::uint64_t minimum_free_;
  std::uint64_t spool_ = 0;
  std::uint64_t next_file_ = 1;
  std::vector<std::unique_ptr<SegmentFile>> free_;
  std::size_t takers_ = 0;
  int last_error_ = 0;
  bool space_short_ = false;
  std::uint64_t disk_free_ = 0;
  bool stopping_ = false;
  ring::Event wanted_;     // to run()
  ring::Event available_;  // to take()
};

}  // namespace ringpost::spool
