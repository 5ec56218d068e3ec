// A batch while it fills, is written and is waited for: the bytes that will go to disk, what the
// tables must learn when they are there, and the coroutines that wait for it. (no I/O)
#pragma once

#include <coroutine>
#include <cstdint>
#include <string_view>
#include <vector>

#include "ringpost/base/intrusive_list.h"
#include "ringpost/spool/aligned_buffer.h"
#include "ringpost/spool/batch.h"
#include "ringpost/spool/location.h"
#include "ringpost/spool/segment_index.h"
#include "ringpost/spool/segment_table.h"

namespace ringpost::spool {

struct CommitWaiterTag;

struct CommitWaiter : ListHook<CommitWaiterTag> {
  virtual void settled(int error) = 0;

 protected:
  ~CommitWaiter() = default;
};

class BatchBuilder {
 public:
  explicit BatchBuilder(std::size_t capacity) : bytes_(capacity) {}

  // Begins anew, keeping the memory. The batch will lie at `offset` of `segment`.
  void begin(Ticket ticket, std::uint32_t segment, std::uint32_t offset);

  // `head` is an encoded header and meta; returns where the content lies.
  Location add(std::string_view head, std::string_view content, bool is_message);
  void add_reference(std::uint32_t segment);
  // What lies in the one segment, or part of it, will lie in the other.
  void follow_reference(std::uint32_t old_segment, std::uint32_t new_segment);
  void add_finished(const Location& location) { finished_.push_back(location); }

  // What the batch would take with another record, on disk and in the index.
  [[nodiscard]] std::uint64_t length_with(std::size_t head, std::size_t content) const;
  [[nodiscard]] std::uint64_t index_size_with(std::size_t head, std::size_t content) const;

  // Fills in header and padding; the bytes are ready to be written. May be called again after
  // move_to().
  void seal(std::uint64_t spool, std::uint64_t number);
  void move_to(std::uint32_t segment, std::uint32_t offset);

  void describe(SegmentIndex& index) const;
  void enter(SegmentTable& table) const;

  [[nodiscard]] Ticket ticket() const { return ticket_; }
  [[nodiscard]] std::uint32_t segment() const { return segment_; }
  [[nodiscard]] std::uint32_t offset() const { return offset_; }
  [[nodiscard]] std::uint32_t records() const { return static_cast<std::uint32_t>(heads_.size()); }
  [[nodiscard]] std::string_view bytes() const { return bytes_.view(); }
  [[nodiscard]] std::uint64_t record_bytes() const { return used_; }  // without padding
  [[nodiscard]] std::uint64_t stored_length() const { return round_up_to_block(bytes_.size()); }
  [[nodiscard]] std::uint64_t index_size() const { return index_size_with(0, 0); }
  [[nodiscard]] std::size_t capacity() const { return bytes_.capacity(); }
  [[nodiscard]] const std::vector<Location>& finished() const { return finished_; }
  [[nodiscard]] IntrusiveList<CommitWaiter, CommitWaiterTag>& waiters() { return waiters_; }

 private:
  struct Head {
    std::uint32_t position;  // in the batch
    std::uint32_t length;
    std::uint32_t content_length;
    bool is_message;
  };

  Ticket ticket_;
  std::uint32_t segment_ = 0;
  std::uint32_t offset_ = 0;
  AlignedBuffer bytes_;
  std::size_t used_ = 0;  // header and records, without padding
  std::vector<Head> heads_;
  std::size_t heads_length_ = 0;
  bool has_content_ = false;
  std::vector<std::uint32_t> references_;
  std::vector<Location> finished_;
  IntrusiveList<CommitWaiter, CommitWaiterTag> waiters_;
};

}  // namespace ringpost::spool
