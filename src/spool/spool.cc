#include "ringpost/spool/spool.h"

#include <fmt/format.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "ringpost/base/log.h"

namespace ringpost::spool {
namespace {

constexpr std::uint64_t smallest_segment = 64 << 10;
constexpr std::uint64_t largest_segment = (std::uint64_t{4} << 30) - block_size;

Result<> check_settings(const SpoolSettings& settings) {
  if (settings.segment_size % block_size != 0 || settings.segment_size < smallest_segment ||
      settings.segment_size > largest_segment) {
    return fail(fmt::format("spool.segment_size is {}", settings.segment_size),
                "set a multiple of 4096 from 65536 to 4294963200");
  }
  return {};
}

}  // namespace

Spool::Spool(ring::Reactor& reactor, SpoolSettings settings)
    : reactor_(reactor),
      settings_(std::move(settings)),
      queue_(settings_.segment_size),
      supply_(reactor, settings_.directory, settings_.segment_size, settings_.minimum_free),
      commit_(reactor, gate_, queue_, supply_, table_, files_),
      compaction_(reactor, *this, queue_, commit_, table_, files_, supply_, settings_.compaction),
      gate_(reactor.ready()) {}

ring::Task<Result<>> Spool::prepare_directory() {
  const Result<> settings = check_settings(settings_);
  if (!settings) {
    co_return settings;
  }
  const int made = reactor_.kernel().make_directory(settings_.directory);
  if (made < 0) {
    co_return fail_errno(made, fmt::format("{} cannot be made", settings_.directory),
                         "make its parent belong to Ringpost's user, or set spool.directory");
  }
  int error = co_await sync_directory(reactor_, settings_.directory);
  // Any of those above may be new as well. One that we may not even read is not.
  std::filesystem::path above = settings_.directory;
  while (error == 0 && above.has_relative_path()) {
    above = above.parent_path();
    const std::string path = above.empty() ? "." : above.string();
    error = co_await sync_directory(reactor_, path);
    error = error == -EACCES ? 0 : error;
  }
  if (error < 0) {
    co_return fail_errno(error, fmt::format("{} cannot be synced", settings_.directory));
  }
  co_return Result<>();
}

ring::Task<Result<Recovered>> Spool::open(RecoverySink sink) {
  Result<> prepared = co_await prepare_directory();
  if (!prepared) {
    co_return Failure(std::move(prepared.error()));
  }
  Recovery recovery(reactor_, settings_.directory, supply_, table_, files_);
  Result<> run = co_await recovery.run(std::move(sink));
  if (!run) {
    co_return Failure(std::move(run.error()));
  }
  std::uint64_t spool = recovery.spool();
  while (spool == 0) {
    spool = reactor_.random()();
  }
  if (recovery.next_segment() > UINT32_MAX / 2) {
    log::warning("spool: {} has used half of its segment numbers", settings_.directory);
  }
  quarantined_ = recovery.recovered().quarantined;
  supply_.start(spool, recovery.next_file());
  queue_.start(static_cast<std::uint32_t>(recovery.next_segment()));
  commit_.start(spool, recovery.next_batch(), recovery.voids());
  gate_.spawn(supply_.run());
  gate_.spawn(commit_.run());
  gate_.spawn(retire_loop());
  gate_.spawn(compaction_.run());
  co_return recovery.recovered();
}

bool Spool::can_hold(const mail::Message& message) const {
  constexpr std::size_t fixed = 128;  // more than a message's meta takes beside its strings
  const mail::Envelope& envelope = message.envelope;
  std::size_t head = fixed + envelope.sender.size() + envelope.tenant.size() + envelope.job.size() +
                     envelope.envid.size();
  for (const std::string& recipient : envelope.recipients) {
    head += recipient.size() + 2 * sizeof(std::uint32_t);
  }
  for (const mail::RecipientRequest& request : envelope.reports.recipients) {
    head += request.original.size() + 2 * sizeof(std::uint32_t) + 1;
  }
  return envelope.recipients.size() <= most_recipients &&
         queue_.can_hold(head, message.content.size());
}

Appended Spool::append(const mail::Message& message, std::uint32_t part, std::uint32_t hop,
                       const std::vector<std::uint32_t>& parts) {
  scratch_.clear();
  const PartKey key{message.id, part, hop};
  encode_message(scratch_, key, message.arrived, message.envelope, parts, message.content);
  const Location location = queue_.add(scratch_, message.content, true);
  return {queue_.newest(), location};
}

Ticket Spool::append(const OutcomeRecord& record, const Location& message) {
  scratch_.clear();
  encode(scratch_, record);
  return add(message);
}

Ticket Spool::append(const DeferralRecord& record, const Location& message) {
  scratch_.clear();
  encode(scratch_, record);
  return add(message);
}

Ticket Spool::append(const ReportDischarged& record, const Location& message) {
  scratch_.clear();
  encode(scratch_, record);
  return add(message);
}

Ticket Spool::append(const HandOverRecord& record, const Location& message) {
  scratch_.clear();
  encode(scratch_, record);
  return add(message);
}

Ticket Spool::add(const Location& message) {
  const Location place = queue_.resolve(message);
  compaction_.note(scratch_, message);
  queue_.add(scratch_, {}, false);
  queue_.add_reference(place.segment);
  if (const auto copy = queue_.relocations().copy_of(place)) {
    queue_.add_reference(queue_.resolve(*copy).segment);
  }
  return queue_.newest();
}

ring::Task<void> Spool::room() {
  while (!has_room() && !stopping_) {
    co_await queue_.room().wait();
  }
}

void Spool::finished(const Location& location, Ticket after) {
  const Location now = queue_.resolve(location);
  if (!queue_.finish_after(now, after) && queue_.error_of(after) == 0) {
    commit_.finish(now);
  }
}

ring::Task<Result<std::string>> Spool::read_content(Location location) {
  location = queue_.resolve(location);
  const auto found = files_.find(location.segment);
  if (found == files_.end()) {
    co_return fail(fmt::format("segment {} is not in use", location.segment));
  }
  const int fd = found->second->fd;
  const std::string path = found->second->path;
  const std::uint64_t from = location.offset - content_checksum_size;
  const std::uint64_t begin = from / block_size * block_size;
  const std::uint64_t end = round_up_to_block(std::uint64_t{location.offset} + location.length);
  AlignedBuffer bytes;
  table_.pin(location.segment);
  const int got = co_await read_blocks(reactor_, fd, bytes, begin, end - begin);
  table_.unpin(location.segment);
  if (table_.live_in(location.segment) == 0) {
    commit_.retirable().notify_all();
  }
  if (got < 0) {
    ++quarantined_;
    co_return fail_errno(got, fmt::format("{} cannot be read at {}", path, location.offset));
  }
  std::string content;
  std::uint64_t checksum = 0;
  if (bytes.size() == end - begin) {
    std::memcpy(&checksum, bytes.data() + (from - begin), sizeof(checksum));
    content = bytes.view().substr(location.offset - begin, location.length);
  }
  if (content.size() != location.length || checksum_of(content) != checksum) {
    ++quarantined_;
    const auto damaged = files_.find(location.segment);
    if (damaged != files_.end()) {
      damaged->second->damaged = true;
    }
    co_return fail(fmt::format("{} is damaged at {}", path, location.offset));
  }
  co_return std::move(content);
}

ring::Task<void> Spool::retire_loop() {
  while (!stopping_) {
    const auto number = table_.next_to_retire();
    if (!number) {
      co_await commit_.retirable().wait();
      continue;
    }
    std::unique_ptr<SegmentFile> file = std::move(files_.at(*number));
    files_.erase(*number);
    const int error = co_await supply_.retire(std::move(file), *number);
    if (error != 0) {
      log::error("spool: segment {} could not be retired (errno {})", *number, -error);
      continue;
    }
    table_.retired(*number);
    queue_.segment_retired(*number);
    commit_.segment_retired(*number);
  }
}

ring::Task<void> Spool::close() {
  compaction_.stop();
  if (supply_.free_files() == 0 && supply_.short_of_space()) {
    supply_.stop();  // what waits for space would wait for ever
  }
  while (compaction_.busy()) {
    co_await compaction_.ended().wait();
  }
  commit_.stop();
  while (!queue_.empty()) {
    co_await committed(queue_.newest());
  }
  stopping_ = true;
  supply_.stop();
  commit_.retirable().notify_all();
  queue_.room().notify_all();
  co_await gate_.close();
  co_await supply_.close();
  for (const auto& [number, file] : files_) {
    co_await reactor_.close_file(file->fd);
  }
  files_.clear();
}

SpoolCounters Spool::counters() const {
  SpoolCounters counters;
  counters.live_messages = table_.live_messages();
  counters.live_bytes = table_.live_bytes();
  counters.free_bytes = supply_.free_bytes();
  counters.quarantined_total = quarantined_;
  counters.segments = table_.size();
  counters.commits = commit_.counters();
  counters.compaction = compaction_.counters();
  return counters;
}

}  // namespace ringpost::spool
