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
// Histories that are looked at before everybody else gets a turn.
constexpr std::size_t portion = 500;
constexpr Duration pause = 1ms;

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
    candidates_.erase(segment);  // what is left in it has patience anew
    counters_.segments += done && table_.live_in(segment) == 0 ? 1 : 0;
    if (!stopping_) {
      co_await wake_.wait_until(reactor_.timers(), reactor_.now() + settings_.look_every);
    }
  }
}

// The one with the least in it, of those that have waited long enough; 0 if there is none.
std::uint64_t Compaction::choose() {
  std::erase_if(hopeless_, [this](std::uint64_t segment) { return !table_.contains(segment); });
  std::map<std::uint64_t, Instant> candidates;
  std::uint64_t chosen = 0;
  std::uint64_t least = UINT64_MAX;
  const bool at_once = supply_.short_of_space();
  for (const auto& [segment, live_bytes] :
       table_.mostly_dead(supply_.segment_size(), settings_.most_live_percent)) {
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
  std::vector<RecoveredMessage> open = co_await open_messages();
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

// The segment's own records come first, with its messages; of other segments what is about those.
class Compaction::Keeper final : public PortionTaker {
 public:
  Keeper(Compaction& compaction, bool own) : compaction_(compaction), own_(own) {}

  void take(const SegmentContents& portion) override {
    Histories& found = compaction_.found_;
    for (const StoredRecord& record : portion.records) {
      const bool is_message = record.kind == RecordKind::message;
      const auto key = record.kind == RecordKind::voided ? std::nullopt : key_of(record.meta);
      if (!key) {
        continue;
      }
      if (is_message && !own_) {
        found.erase(*key);  // it has been copied to there already
      } else if (is_message) {
        compaction_.add(found[*key], record);
      } else if (const auto known = found.find(*key); known != found.end()) {
        compaction_.add(known->second, record);
      }
    }
  }

 private:
  Compaction& compaction_;
  bool own_;
};

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
  std::string active_index = commit_.active_index();
  const std::uint64_t active = commit_.active_segment();
  const std::uint64_t spool = commit_.spool();
  Keeper own(*this, true);
  bool whole = co_await read_in_portions(reactor_, *files_.at(segment), SegmentName(spool, segment),
                                         commit_.first_void_of(segment), own);
  Keeper others(*this, false);
  for (const std::uint64_t holder : holders) {
    // It speaks of a segment that is still there, and so it is there itself.
    const SegmentFile& file = *files_.at(holder);
    const SegmentName name(spool, holder);
    if (!whole || stopping_) {
      break;
    }
    if (holder == active) {
      whole = co_await read_by_index(reactor_, file, name, std::move(active_index), others);
    } else {
      const std::uint64_t first_void = commit_.first_void_of(holder);
      whole = co_await read_in_portions(reactor_, file, name, first_void, others);
    }
  }
  if (!whole) {
    hopeless_.insert(segment);
  }
  co_return whole && !stopping_;
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

ring::Task<std::vector<RecoveredMessage>> Compaction::open_messages() {
  std::vector<RecoveredMessage> open;
  std::size_t looked_at = 0;
  for (const auto& [key, records] : found_) {
    auto message = state_of(key);
    // One that was copied before this segment could be retired lies elsewhere by now.
    if (message && queue_.resolve(message->location) == message->location) {
      open.push_back(std::move(*message));
    }
    if (++looked_at % portion == 0) {
      co_await reactor_.sleep(pause);
    }
  }
  std::ranges::sort(open, {}, [](const RecoveredMessage& m) { return m.location.offset; });
  co_return std::move(open);
}

// --- copying
// ---------------------------------------------------------------------------------------

ring::Task<bool> Compaction::copy_some(std::vector<RecoveredMessage> some) {
  std::vector<std::optional<std::string>> contents;
  for (const RecoveredMessage& message : some) {
    Result<std::string> content = co_await spool_.read_content(message.location);
    contents.emplace_back();
    if (content) {
      contents.back() = std::move(*content);
    } else {
      hopeless_.insert(segment_);  // it stays where it is
    }
  }
  if (!spool_.has_room() || stopping_) {
    co_return false;
  }
  for (std::size_t at = 0; at < some.size(); ++at) {
    if (contents[at]) {
      copy(some[at], *contents[at]);
    }
  }
  const Ticket newest = queue_.newest();
  if (!queue_.settled(newest)) {
    co_await spool_.committed(newest);
  }
  co_return settle_copies();
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
    queue_.relocations().begin(message->location, *place, queue_.newest());
  } else {
    hopeless_.insert(segment_);
  }
}

// Each copy by itself: of several batches the first ones may be durable though a later one failed,
// and what is durable wins in recovery. To go on with the old place of such a message would let its
// outcome be forgotten together with the old segment, while the copy is still there.
bool Compaction::settle_copies() {
  bool all = true;
  for (const Relocations::Copy& copy : queue_.relocations().end()) {
    if (queue_.error_of(copy.ticket) != 0) {
      all = false;
      continue;
    }
    const Location place = queue_.resolve(copy.new_place);
    ++counters_.messages;
    counters_.bytes += copy.old_place.length;
    if (copy.finished) {
      table_.message_finished(place.segment, place.length);
      continue;
    }
    table_.message_finished(copy.old_place.segment, copy.old_place.length);
    queue_.relocations().add(copy.old_place, queue_.names_of(copy.old_place), place);
  }
  return all;
}

}  // namespace ringpost::spool
