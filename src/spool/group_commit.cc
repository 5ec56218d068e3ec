#include "ringpost/spool/group_commit.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "ringpost/base/log.h"
#include "ringpost/spool/record.h"
#include "ringpost/spool/segment_scan.h"

namespace ringpost::spool {
namespace {

constexpr Duration retry_after = 1s;
constexpr std::size_t most_voids = 200;  // so that their batch is one block

}  // namespace

GroupCommit::GroupCommit(ring::Reactor& reactor, ring::Gate& gate, CommitQueue& queue,
                         SegmentSupply& supply, SegmentTable& table, SegmentFiles& files)
    : reactor_(reactor),
      gate_(gate),
      queue_(queue),
      supply_(supply),
      table_(table),
      files_(files) {}

void GroupCommit::start(std::uint64_t spool, std::uint64_t next_batch, std::vector<Void> voids) {
  spool_ = spool;
  next_batch_ = next_batch;
  for (const Void& voided : voids) {
    add_void(voided);
  }
}

void GroupCommit::add_void(const Void& voided) {
  const auto known = std::find_if(voids_.begin(), voids_.end(),
                                  [&](const Void& v) { return v.segment == voided.segment; });
  if (known != voids_.end()) {
    known->first_batch = std::min(known->first_batch, voided.first_batch);
    return;
  }
  if (!table_.contains(voided.segment)) {
    return;  // retired: there is nothing left to void
  }
  if (voids_.size() == most_voids) {
    voids_.erase(voids_.begin());
  }
  voids_.push_back(voided);
}

void GroupCommit::stop() {
  stopping_ = true;
  queue_.work().notify_all();
}

ring::Task<void> GroupCommit::run() {
  while (true) {
    while (queue_.empty() && !stopping_) {
      co_await queue_.work().wait();
    }
    if (queue_.empty()) {
      break;
    }
    BatchBuilder& batch = queue_.front();
    int error = co_await put(batch);
    if (error != 0 && !stopping_) {
      log::error("spool: a batch could not be written (errno {}), trying a fresh segment", -error);
      queue_.move_to_fresh_segment();
      error = co_await put(batch);
    }
    if (error == 0) {
      settle(batch);
      continue;
    }
    log::error("spool: writing failed (errno {}); no new mail is accepted until it works", -error);
    suspended_ = true;
    queue_.fail_all(error);
    if (!stopping_) {
      co_await wait_for_disk();
    }
  }
  seal_active();
}

// Tries fresh segments until one can be opened, which then also holds the voids durably.
ring::Task<void> GroupCommit::wait_for_disk() {
  while (suspended_) {
    const Instant next_try = reactor_.now() + retry_after;
    bool waiting = true;
    while (waiting && !stopping_) {
      waiting = co_await queue_.work().wait_until(reactor_.timers(), next_try);
    }
    if (stopping_) {
      co_return;
    }
    const std::uint32_t fresh = queue_.move_to_fresh_segment();
    const int error = co_await open_segment(fresh);
    if (error == 0) {
      log::info("spool: writing works again");
      suspended_ = false;
      queue_.room().notify_all();
    }
  }
}

ring::Task<int> GroupCommit::put(BatchBuilder& batch) {
  if (active_ == nullptr || active_number_ != batch.segment()) {
    const int error = co_await open_segment(batch.segment());
    if (error != 0) {
      co_return error;
    }
  }
  const std::uint64_t number = next_batch_++;
  batch.seal(spool_, number);
  const int error = co_await write_durably(reactor_, active_->fd, batch.bytes(), batch.offset());
  if (error != 0) {
    poison_active(number);
  }
  co_return error;
}

ring::Task<int> GroupCommit::open_segment(std::uint32_t number) {
  seal_active();
  int error = 0;
  std::unique_ptr<SegmentFile> file = co_await supply_.take(number, error);
  if (file == nullptr) {
    ++counters_.failures;
    voids_due_ = true;  // the batches that wait were moved behind a block that must not stay empty
    co_return error;
  }
  active_ = file.get();
  active_number_ = number;
  active_end_ = SegmentHeader::area;
  active_index_ = SegmentIndex();
  table_.add(number);
  files_[number] = std::move(file);
  if (voids_due_) {
    error = co_await write_voids(*active_, number);
    if (error != 0) {
      poison_active(next_batch_);
    }
  }
  co_return error;
}

ring::Task<int> GroupCommit::write_voids(SegmentFile& file, std::uint64_t number) {
  std::string head;
  encode(head, VoidRecord{voids_});
  BatchBuilder batch(block_size);
  batch.begin(Ticket(), static_cast<std::uint32_t>(number), SegmentHeader::area);
  batch.add(head, {}, false);
  for (const Void& voided : voids_) {
    batch.add_reference(static_cast<std::uint32_t>(voided.segment));
  }
  batch.seal(spool_, next_batch_++);
  const int error = co_await write_durably(reactor_, file.fd, batch.bytes(), batch.offset());
  if (error == 0) {
    batch.enter(table_);
    batch.describe(active_index_);
    active_end_ += batch.stored_length();
    voids_due_ = false;
  }
  co_return error;
}

// Nothing more is ever written to it. Whatever of its batches from `first_batch` on has reached the
// disk does not count.
void GroupCommit::poison_active(std::uint64_t first_batch) {
  ++counters_.failures;
  active_->poisoned = true;
  add_void(Void{active_number_, first_batch});
  voids_due_ = true;
  table_.settled(active_number_);
  active_ = nullptr;
}

void GroupCommit::settle(BatchBuilder& batch) {
  batch.describe(active_index_);
  batch.enter(table_);
  active_end_ = batch.offset() + batch.stored_length();
  ++counters_.batches;
  counters_.records += batch.records();
  counters_.bytes += batch.stored_length();
  for (const Location& location : batch.finished()) {
    finish(location);
  }
  queue_.settle_front(0);
}

std::string GroupCommit::active_index() const {
  SegmentIndex index = active_index_;
  index.close();
  return index.payload();
}

std::uint64_t GroupCommit::first_void_of(std::uint64_t segment) const {
  const auto known = std::ranges::find(voids_, segment, &Void::segment);
  return known == voids_.end() ? no_void : known->first_batch;
}

void GroupCommit::finish(const Location& named) {
  const Location location = queue_.resolve(named);
  queue_.relocations().finished(location);
  if (table_.message_finished(location.segment, location.length)) {
    retirable_.notify_all();
  }
}

void GroupCommit::segment_retired(std::uint64_t segment) {
  std::erase_if(voids_, [&](const Void& voided) { return voided.segment == segment; });
}

void GroupCommit::seal_active() {
  if (active_ == nullptr) {
    return;
  }
  gate_.spawn(seal(active_number_, active_end_, std::move(active_index_), next_batch_ - 1));
  active_ = nullptr;
}

// An unsealed segment is right, only slower to recover: a failure here is no loss.
ring::Task<void> GroupCommit::seal(std::uint64_t number, std::uint64_t offset, SegmentIndex index,
                                   std::uint64_t last_batch) {
  const SegmentFile& file = *files_.at(number);
  index.close();
  BatchHeader header;
  header.kind = BatchHeader::Kind::index;
  header.spool = spool_;
  header.segment = number;
  header.batch = last_batch;
  header.payload_length = static_cast<std::uint32_t>(index.payload().size());
  header.payload_checksum = checksum_of(index.payload());
  AlignedBuffer bytes(header.stored_length());
  bytes.append_zeros(BatchHeader::size);
  encode(header, bytes.data());
  bytes.append(index.payload());
  bytes.pad_to_block();
  int error = -ENOSPC;
  if (offset + bytes.size() + block_size <= file.size) {
    error = co_await write_durably(reactor_, file.fd, bytes.view(), offset);
  }
  if (error == 0) {
    Seal mark;
    mark.spool = spool_;
    mark.segment = number;
    mark.index_offset = offset;
    mark.index_length = bytes.size();
    mark.last_batch = last_batch;
    const std::string block = encode(mark);
    const AlignedBuffer aligned(block);
    error = co_await write_durably(reactor_, file.fd, aligned.view(), file.size - block_size);
  }
  if (error != 0) {
    log::warning("spool: segment {} could not be sealed (errno {})", number, -error);
  }
  table_.settled(number);
  retirable_.notify_all();
}

}  // namespace ringpost::spool
