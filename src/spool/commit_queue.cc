#include "ringpost/spool/commit_queue.h"

#include <algorithm>
#include <utility>

#include "ringpost/base/check.h"
#include "ringpost/spool/segment_header.h"

namespace ringpost::spool {
namespace {

constexpr std::size_t spare_batches = 9;
constexpr std::size_t first_capacity = 256 << 10;

}  // namespace

bool Committed::await_ready() const {
  return queue_.settled(ticket_);
}
int Committed::await_resume() const {
  return queue_.error_of(ticket_);
}
void Committed::enlist() {
  queue_.wait(*this);
}

CommitQueue::CommitQueue(std::uint64_t segment_size, std::size_t batch_bound,
                         std::size_t waiting_bound)
    : segment_size_(segment_size), batch_bound_(batch_bound), waiting_bound_(waiting_bound) {}

void CommitQueue::start(std::uint32_t next_segment) {
  check(pending_.empty(), "records were appended before recovery had ended");
  next_segment_ = next_segment;
  position_ = Position{next_segment_++, SegmentHeader::area, 0};
}

// A segment ends in its index and the seal.
bool CommitQueue::fits(std::uint64_t offset, std::uint64_t length, std::uint64_t index) const {
  return offset + length + round_up_to_block(BatchHeader::size + index) + block_size <=
         segment_size_;
}

bool CommitQueue::can_hold(std::size_t head, std::size_t content) const {
  return fits(SegmentHeader::area + block_size,
              round_up_to_block(BatchHeader::size + head + content),
              SegmentIndex::range_size + SegmentIndex::record_overhead + head);
}

// It must also fit behind the voids of a fresh segment, should its write fail.
bool CommitQueue::takes_another(const BatchBuilder& batch, std::size_t head,
                                std::size_t content) const {
  const std::uint64_t length = batch.length_with(head, content);
  const std::uint64_t index = batch.index_size_with(head, content);
  return batch.bytes().size() < batch_bound_ &&
         fits(position_.offset, length, position_.index_size + index) &&
         fits(SegmentHeader::area + block_size, length, SegmentIndex::range_size + index);
}

Location CommitQueue::add(std::string_view head, std::string_view content, bool is_message) {
  check(can_hold(head.size(), content.size()), "a record is larger than a segment");
  make_room(head.size(), content.size());
  waiting_bytes_ += head.size() + content.size();
  return pending_.back()->add(head, content, is_message);
}

std::optional<Location> CommitQueue::add_together(std::span<const std::string> heads,
                                                  std::string_view content) {
  // Each further record takes as much more in the index as if the first head were longer.
  std::size_t head = heads.size() * SegmentIndex::record_overhead;
  for (const std::string& one : heads) {
    head += one.size();
  }
  if (!can_hold(head, content.size())) {
    return std::nullopt;
  }
  make_room(head, content.size());
  BatchBuilder& batch = *pending_.back();
  const Location place = batch.add(heads.front(), content, true);
  for (const std::string& one : heads.subspan(1)) {
    batch.add(one, {}, false);
  }
  for (const std::string& one : heads) {
    waiting_bytes_ += one.size();
  }
  waiting_bytes_ += content.size();
  return place;
}

void CommitQueue::make_room(std::size_t head, std::size_t content) {
  if (filling_ && !takes_another(*pending_.back(), head, content)) {
    close_filling();
  }
  if (!filling_) {
    const std::uint64_t length = round_up_to_block(BatchHeader::size + head + content);
    const std::uint64_t index = position_.index_size + SegmentIndex::record_overhead + head;
    if (!fits(position_.offset, length, std::max<std::uint64_t>(index, SegmentIndex::range_size))) {
      position_ = Position{next_segment_++, SegmentHeader::area, 0};
    }
    begin_batch();
  }
}

void CommitQueue::begin_batch() {
  std::unique_ptr<BatchBuilder> batch;
  if (spare_.empty()) {
    batch = std::make_unique<BatchBuilder>(first_capacity);
  } else {
    batch = std::move(spare_.back());
    spare_.pop_back();
  }
  batch->begin(Ticket{next_ticket_++}, position_.segment,
               static_cast<std::uint32_t>(position_.offset));
  waiting_bytes_ += batch->bytes().size();
  const bool first = pending_.empty();
  pending_.push_back(std::move(batch));
  filling_ = true;
  if (first) {
    work_.notify_all();
  }
}

void CommitQueue::advance(const BatchBuilder& batch) {
  position_.offset += batch.stored_length();
  position_.index_size += batch.index_size();
}

void CommitQueue::close_filling() {
  if (filling_) {
    advance(*pending_.back());
    filling_ = false;
  }
}

BatchBuilder& CommitQueue::front() {
  if (pending_.size() == 1) {
    close_filling();
  }
  return *pending_.front();
}

bool CommitQueue::finish_after(const Location& location, Ticket ticket) {
  if (settled(ticket)) {
    return false;
  }
  pending_[ticket.batch - settled_ - 1]->add_finished(location);
  return true;
}

int CommitQueue::error_of(Ticket ticket) const {
  for (const FailedTickets& failed : failed_) {
    if (ticket.batch >= failed.first && ticket.batch <= failed.last) {
      return failed.error;
    }
  }
  return 0;
}

void CommitQueue::wait(Committed& waiter) {
  check(waiter.ticket_.batch < next_ticket_, "a commit was awaited that nobody asked for");
  pending_[waiter.ticket_.batch - settled_ - 1]->waiters().push_back(waiter);
}

void CommitQueue::recycle_front() {
  std::unique_ptr<BatchBuilder> batch = std::move(pending_.front());
  pending_.pop_front();
  waiting_bytes_ -= batch->record_bytes();
  if (spare_.size() < spare_batches && batch->capacity() <= 2 * batch_bound_) {
    spare_.push_back(std::move(batch));
  }
}

void CommitQueue::settle_front(int error) {
  check(!pending_.empty() && !(filling_ && pending_.size() == 1), "no batch was being written");
  ++settled_;
  if (error != 0) {
    if (!failed_.empty() && failed_.back().last + 1 == settled_ && failed_.back().error == error) {
      failed_.back().last = settled_;
    } else {
      failed_.push_back({settled_, settled_, error});
    }
  }
  auto& waiters = pending_.front()->waiters();
  while (!waiters.empty()) {
    waiters.pop_front().settled(error);
  }
  recycle_front();
  if (has_room()) {
    room_.notify_all();
  }
}

void CommitQueue::fail_all(int error) {
  close_filling();
  while (!pending_.empty()) {
    settle_front(error);
  }
}

std::uint32_t CommitQueue::move_to_fresh_segment() {
  close_filling();
  const std::uint32_t fresh = next_segment_++;
  position_ = Position{fresh, SegmentHeader::area + block_size, SegmentIndex::range_size};
  std::vector<std::pair<std::uint32_t, std::uint32_t>> moved;
  for (const auto& batch : pending_) {
    if (!fits(position_.offset, batch->stored_length(),
              position_.index_size + batch->index_size())) {
      position_ = Position{next_segment_++, SegmentHeader::area, 0};
    }
    const auto new_offset = static_cast<std::uint32_t>(position_.offset);
    redirect(*batch, position_.segment, new_offset);
    moved.emplace_back(batch->segment(), position_.segment);
    batch->move_to(position_.segment, new_offset);
    advance(*batch);
  }
  for (const auto& [old_segment, new_segment] : moved) {
    for (const auto& batch : pending_) {
      batch->follow_reference(old_segment, new_segment);
    }
  }
  return fresh;
}

// A batch's records were told one place, the first; so one redirect for each batch is enough.
void CommitQueue::redirect(const BatchBuilder& batch, std::uint32_t segment, std::uint32_t offset) {
  for (Redirect& known : redirects_) {
    if (known.new_segment == batch.segment() && known.new_offset == batch.offset()) {
      known.new_segment = segment;
      known.new_offset = offset;
      return;
    }
  }
  redirects_.push_back({batch.segment(), batch.offset(),
                        static_cast<std::uint32_t>(batch.stored_length()), segment, offset});
}

std::vector<Location> CommitQueue::names_of(const Location& place) const {
  std::vector<Location> names;
  for (const Redirect& redirect : redirects_) {
    if (place.segment == redirect.new_segment && place.offset >= redirect.new_offset &&
        place.offset - redirect.new_offset < redirect.length) {
      names.push_back({redirect.old_segment,
                       place.offset - redirect.new_offset + redirect.old_offset, place.length});
    }
  }
  return names;
}

Location CommitQueue::resolve(Location location) const {
  if (const auto relocated = relocations_.find(location)) {
    return *relocated;
  }
  for (const Redirect& redirect : redirects_) {
    if (location.segment == redirect.old_segment && location.offset >= redirect.old_offset &&
        location.offset - redirect.old_offset < redirect.length) {
      location.segment = redirect.new_segment;
      location.offset = location.offset - redirect.old_offset + redirect.new_offset;
      break;
    }
  }
  return relocations_.find(location).value_or(location);
}

void CommitQueue::segment_retired(std::uint64_t segment) {
  std::erase_if(redirects_, [&](const Redirect& r) { return r.new_segment == segment; });
}

}  // namespace ringpost::spool
