#include "ringpost/spool/compaction.h"

#include <algorithm>
#include <utility>

#include "ringpost/base/check.h"
#include "ringpost/spool/message_copy.h"
#include "ringpost/spool/spool.h"

namespace ringpost::spool {
namespace {

// What is copied with one commit.
constexpr std::size_t most_messages = 64;
constexpr std::size_t most_bytes = 1 << 20;

}  // namespace

Compaction::Compaction(ring::Reactor& reactor, Spool& spool, CommitQueue& queue,
                       GroupCommit& commit, SegmentTable& table, SegmentFiles& files,
                       SegmentSupply& supply, CompactionSettings settings)
    : reactor_(reactor),
      spool_(spool),
      queue_(queue),
      commit_(commit),
      table_(table),
      files_(files),
      supply_(supply),
      settings_(settings) {}

void Compaction::stop() {
  stopping_ = true;
  wake_.notify_all();
}

ring::Task<void> Compaction::run() {
  while (!stopping_) {
    const std::uint64_t segment = choose();
    if (segment == 0) {
      co_await wake_.wait_until(reactor_.timers(), reactor_.now() + settings_.look_every);
      continue;
    }
    table_.pin(segment);
    segment_ = segment;
    const bool done = co_await compact(segment);
    segment_ = 0;
    found_.clear();
    noted_.clear();
    metas_.clear();
    table_.unpin(segment);
    commit_.retirable().notify_all();
    ended_.notify_all();
    candidates_.erase(segment);
    counters_.segments += done ? 1 : 0;
    if (done && table_.live_in(segment) > 0) {
      hopeless_.insert(segment);  // something in it can be neither recovered nor forgotten
    }
    if (!done && !stopping_) {
      co_await wake_.wait_until(reactor_.timers(), reactor_.now() + settings_.look_every);
    }
  }
}

// The one with the least in it, of those that have waited long enough; 0 if there is none.
std::uint64_t Compaction::choose() {
  const std::uint64_t most = supply_.segment_size() * settings_.most_live_percent / 100;
  std::erase_if(hopeless_, [this](std::uint64_t segment) { return !table_.contains(segment); });
  std::map<std::uint64_t, Instant> candidates;
  std::uint64_t chosen = 0;
  std::uint64_t least = most + 1;
  const bool at_once = supply_.short_of_space();
  for (const auto& [segment, live_bytes] : table_.mostly_dead(most)) {
    if (hopeless_.contains(segment)) {
      continue;
    }
    const auto known = candidates_.find(segment);
    const Instant since = known == candidates_.end() ? reactor_.now() : known->second;
    candidates.emplace(segment, since);
    if (live_bytes < least && (at_once || reactor_.now() - since >= settings_.patience)) {
      chosen = segment;
      least = live_bytes;
    }
  }
  candidates_ = std::move(candidates);
  return spool_.has_room() ? chosen : 0;
}

ring::Task<bool> Compaction::compact(std::uint64_t segment) {
  const bool gathered = co_await gather(segment);
  if (!gathered) {
    co_return false;
  }
  std::vector<RecoveredMessage> open = open_messages();
  std::size_t at = 0;
  while (at < open.size() && !stopping_) {
    std::vector<RecoveredMessage> some;
    std::size_t bytes = 0;
    while (at < open.size() && some.size() < most_messages && bytes < most_bytes) {
      bytes += open[at].location.length;
      some.push_back(std::move(open[at++]));
    }
    const bool copied = co_await copy_some(std::move(some));
    if (!copied) {
      co_return false;
    }
  }
  co_return !stopping_;
}

// --- what is known of its messages
// -----------------------------------------------------------------

ring::Task<bool> Compaction::gather(std::uint64_t segment) {
  // From now on note() is told of everything; what was appended before must be on disk to be read.
  const Ticket newest = queue_.newest();
  if (!queue_.settled(newest)) {
    co_await spool_.committed(newest);
  }
  if (queue_.error_of(newest) != 0) {
    co_return false;
  }
  const std::vector<std::uint64_t> holders = table_.referring_to(segment);
  const std::string active_index = commit_.active_index();
  const std::uint64_t active = commit_.active_segment();
  SegmentContents own;
  SegmentBytes own_bytes;
  const bool own_read = co_await read(segment, own, own_bytes);
  if (!own_read) {
    hopeless_.insert(segment);
    co_return false;
  }
  keep(own, true);
  for (const std::uint64_t holder : holders) {
    SegmentContents contents;
    SegmentBytes bytes;
    bool read_it = false;
    if (holder == active) {
      auto items = read_index(active_index);
      const SegmentName name(commit_.spool(), holder);
      const SegmentFile& file = *files_.at(holder);
      read_it = co_await read_items(reactor_, file, name, std::move(*items), contents, bytes);
    } else {
      read_it = co_await read(holder, contents, bytes);
    }
    if (!read_it) {
      hopeless_.insert(segment);
      co_return false;
    }
    keep(contents, false);
  }
  co_return true;
}

ring::Task<bool> Compaction::read(std::uint64_t segment, SegmentContents& contents,
                                  SegmentBytes& bytes) {
  const SegmentFile& file = *files_.at(segment);
  const SegmentName name(commit_.spool(), segment);
  const std::uint64_t first_void = commit_.first_void_of(segment);
  bool whole = false;
  if (first_void == no_void) {
    whole = co_await read_sealed(reactor_, file, name, contents, bytes);
  }
  if (!whole) {
    contents = SegmentContents();
    co_await read_whole(reactor_, file, name, first_void, contents, bytes);
  }
  co_return contents.damaged == 0;
}

// The segment's own records come first, with its messages; of other segments what is about those.
void Compaction::keep(const SegmentContents& contents, bool with_messages) {
  for (const StoredRecord& record : contents.records) {
    const bool is_message = record.kind == RecordKind::message;
    const auto key = record.kind == RecordKind::voided ? std::nullopt : key_of(record.meta);
    if (!key) {
      continue;
    }
    if (is_message && !with_messages) {
      found_.erase(*key);  // if it is here, it has been copied already
    } else if (is_message || found_.contains(*key)) {
      add(found_[*key], record);
    }
  }
}

void Compaction::add(Records& records, const StoredRecord& record) {
  StoredRecord kept = record;
  kept.meta = metas_.emplace_back(record.meta);
  records.push_back(kept);
}

void Compaction::note(std::string_view head, const Location& message) {
  if (segment_ == 0 || queue_.resolve(message).segment != segment_) {
    return;
  }
  const auto header = read_record_header(head);
  const std::string_view meta = head.substr(RecordHeader::size);
  const auto key = key_of(meta);
  check(header.has_value() && key.has_value(), "a record was appended that cannot be read");
  StoredRecord record;
  record.kind = header->kind;
  record.meta = meta;
  add(noted_[*key], record);
}

// What is still to be done about a message, going by all its records; nothing if it is done with.
std::optional<RecoveredMessage> Compaction::state_of(const PartKey& key) const {
  Records records = found_.at(key);
  const auto noted = noted_.find(key);
  if (noted != noted_.end()) {
    records.insert(records.end(), noted->second.begin(), noted->second.end());
  }
  SegmentTable scratch;
  scratch.add(segment_);
  std::optional<RecoveredMessage> found;
  Replay replay(scratch, [&found](RecoveredMessage&& message) { found = std::move(message); });
  replay.segment(segment_, records);
  return found;
}

std::vector<RecoveredMessage> Compaction::open_messages() const {
  std::vector<RecoveredMessage> open;
  for (const auto& [key, records] : found_) {
    auto message = state_of(key);
    // One that was copied before this segment could be retired lies elsewhere by now.
    if (message && queue_.resolve(message->location) == message->location) {
      open.push_back(std::move(*message));
    }
  }
  std::ranges::sort(open, {}, [](const RecoveredMessage& m) { return m.location.offset; });
  return open;
}

// --- copying
// ---------------------------------------------------------------------------------------

ring::Task<bool> Compaction::copy_some(std::vector<RecoveredMessage> some) {
  std::vector<std::string> contents;
  for (const RecoveredMessage& message : some) {
    Result<std::string> content = co_await spool_.read_content(message.location);
    if (!content) {
      hopeless_.insert(segment_);
      co_return false;
    }
    contents.push_back(std::move(*content));
  }
  if (!spool_.has_room() || stopping_) {
    co_return false;
  }
  for (std::size_t at = 0; at < some.size(); ++at) {
    copy(some[at], contents[at]);
  }
  const Ticket newest = queue_.newest();
  int error = queue_.error_of(newest);
  if (!queue_.settled(newest)) {
    error = co_await spool_.committed(newest);
  }
  if (error != 0) {
    queue_.relocations().end();
    co_return false;
  }
  settle_copies();
  co_return true;
}

// What has happened meanwhile was noted, so that the copy tells all that was appended before it.
void Compaction::copy(const RecoveredMessage& as_found, std::string_view content) {
  const std::optional<RecoveredMessage> message = state_of(as_found.key);
  if (!message) {
    return;
  }
  std::uint16_t generation = 0;
  for (const StoredRecord& record : found_.at(as_found.key)) {
    generation = std::max(generation, record.generation);
  }
  const std::vector<std::string> heads =
      encode_copy(*message, content, static_cast<std::uint16_t>(generation + 1));
  const auto place = queue_.add_together(heads, content);
  if (place) {
    // Were the copy forgotten first, the message would come back from here.
    queue_.add_reference(static_cast<std::uint32_t>(segment_));
    queue_.relocations().begin(message->location, *place);
  }
}

void Compaction::settle_copies() {
  for (const Relocations::Copy& copy : queue_.relocations().end()) {
    const Location place = queue_.resolve(copy.new_place);
    ++counters_.messages;
    counters_.bytes += copy.old_place.length;
    if (copy.finished) {
      table_.message_finished(place.segment, place.length);
      continue;
    }
    table_.message_finished(copy.old_place.segment, copy.old_place.length);
    for (const Location& name : queue_.names_of(copy.old_place)) {
      queue_.relocations().add(name, place);
    }
  }
}

}  // namespace ringpost::spool
