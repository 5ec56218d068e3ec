#include "ringpost/spool/recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "ringpost/base/log.h"
#include "ringpost/base/text.h"

namespace ringpost::spool {
namespace {

constexpr std::string_view suffix = ".segment";

// The number of a segment's file, nothing for other names.
std::optional<std::uint64_t> file_number(std::string_view name) {
  if (!name.ends_with(suffix)) {
    return std::nullopt;
  }
  name.remove_suffix(suffix.size());
  return parse_number(name);
}

}  // namespace

Recovery::Recovery(ring::Reactor& reactor, std::string directory, SegmentSupply& supply,
                   SegmentTable& table, SegmentFiles& files)
    : reactor_(reactor),
      directory_(std::move(directory)),
      supply_(supply),
      table_(table),
      files_(files) {}

ring::Task<Result<>> Recovery::run(RecoverySink sink) {
  std::vector<std::string> names;
  const int listed = reactor_.kernel().list_directory(directory_, names);
  if (listed < 0) {
    co_return fail_errno(listed, fmt::format("the spool directory {} cannot be read", directory_));
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    const auto number = file_number(name);
    if (!number) {
      continue;
    }
    highest_file_ = std::max(highest_file_, *number);
    Result<> opened = co_await open_file(name);
    if (!opened) {
      co_return opened;
    }
  }
  for (std::unique_ptr<SegmentFile>& file : unnamed_) {
    Result<> salvaged = co_await salvage(std::move(file));
    if (!salvaged) {
      co_return salvaged;
    }
  }
  Replay replay(table_, std::move(sink));
  for (auto at = files_.rbegin(); at != files_.rend(); ++at) {
    const std::uint64_t number = at->first;
    SegmentFile& file = *at->second;
    SegmentContents contents;
    SegmentBytes bytes;
    const SegmentName name(spool_, number);
    const std::uint64_t first_void = first_void_of(number);
    bool sealed = false;
    if (first_void == no_void) {
      sealed = co_await read_sealed(reactor_, file, name, contents, bytes);
    }
    if (sealed) {
      ++recovered_.sealed;
    } else {
      contents = SegmentContents();
      co_await make_durable(file);
      co_await read_whole(reactor_, file, name, first_void, contents, bytes);
    }
    const std::uint64_t malformed = replay.malformed();
    replay.segment(number, contents.records);
    contents.damaged += replay.malformed() - malformed;
    file.damaged |= contents.damaged > 0;
    recovered_.quarantined += contents.damaged;
    recovered_.torn_tails += contents.torn_tail ? 1 : 0;
    highest_batch_ = std::max(highest_batch_, contents.last_batch);
    if (contents.damaged > 0) {
      log::error("spool: {} places in {} are damaged; what was there is lost, the file is kept",
                 contents.damaged, file.path);
    }
    table_.settled(number);
  }
  for (const Void& voided : voids_) {
    highest_batch_ = std::max(highest_batch_, voided.first_batch);
  }
  recovered_.highest_id = replay.highest_id();
  recovered_.messages = replay.messages();
  recovered_.segments = files_.size();
  co_return Result<>();
}

ring::Task<Result<>> Recovery::open_file(std::string name) {
  auto file = std::make_unique<SegmentFile>();
  file->path = directory_ + "/" + name;
  file->fd = co_await open_segment_file(reactor_, file->path, 0);
  if (file->fd < 0) {
    co_return fail_errno(file->fd, fmt::format("{} cannot be opened", file->path),
                         "make the spool directory and all in it belong to Ringpost's user");
  }
  const std::int64_t size = reactor_.kernel().file_size(file->fd);
  file->size = size < 0 ? 0 : static_cast<std::uint64_t>(size) / block_size * block_size;
  co_return co_await identify(std::move(file));
}

ring::Task<Result<>> Recovery::identify(std::unique_ptr<SegmentFile> file) {
  AlignedBuffer start;
  co_await read_blocks(reactor_, file->fd, start, 0, SegmentHeader::area + block_size);
  const auto header = read_segment_header(start.view());
  if (!header) {
    unnamed_.push_back(std::move(file));
    co_return Result<>();
  }
  if (spool_ == 0) {
    spool_ = header->spool;
  }
  if (header->spool != spool_) {
    co_return fail(fmt::format("{} belongs to another spool", file->path),
                   "move the files that do not belong here to a directory of their own");
  }
  highest_segment_ = std::max(highest_segment_, header->segment);
  const bool whole = header->size <= file->size;
  if (header->state == SegmentHeader::State::free) {
    // A file that is too short was being made when the daemon died.
    if (whole && header->size == supply_.segment_size()) {
      file->size = header->size;
      // That it is free is relied on from now on: it must not be taken back by a power cut after
      // a kill that came before the header was durable.
      const int error = co_await reactor_.sync(file->fd, true);
      if (error < 0) {
        co_return fail_errno(error, fmt::format("{} cannot be synced", file->path));
      }
      supply_.add_free(std::move(file));
    } else {
      co_await discard(std::move(file));
    }
    co_return Result<>();
  }
  if (whole) {
    file->size = header->size;
  } else {
    log::error("spool: {} is shorter than its header says", file->path);
    ++recovered_.quarantined;
    file->damaged = true;
  }
  const SegmentName name(header->spool, header->segment);
  if (start.size() > SegmentHeader::area) {
    note_voids(start.view().substr(SegmentHeader::area), name);
  }
  co_return accept(std::move(file), name);
}

// A file without a header was being made when the daemon died, or both copies are damaged. What it
// holds of a segment that no other file claims is taken.
ring::Task<Result<>> Recovery::salvage(std::unique_ptr<SegmentFile> file) {
  const FileImage image = co_await read_image(reactor_, file->fd, file->size);
  const SegmentName name = newest_segment_in(image.bytes.view(), spool_);
  if (name.segment == 0 && image.unreadable == 0) {
    co_await discard(std::move(file));
    co_return Result<>();
  }
  ++recovered_.quarantined;
  file->damaged = true;
  if (name.segment == 0 || files_.contains(name.segment)) {
    log::error("spool: the header of {} is lost and nothing in it could be recovered", file->path);
    co_await reactor_.close_file(file->fd);
    co_return Result<>();
  }
  log::error("spool: the header of {} is lost; it is taken for segment {}", file->path,
             name.segment);
  spool_ = name.spool;
  highest_segment_ = std::max(highest_segment_, name.segment);
  co_return accept(std::move(file), name);
}

Result<> Recovery::accept(std::unique_ptr<SegmentFile> file, const SegmentName& name) {
  if (name.segment > UINT32_MAX) {
    return fail(fmt::format("{} has a segment number out of bounds", file->path));
  }
  if (files_.contains(name.segment)) {
    return fail(fmt::format("{} and {} both hold segment {}", files_.at(name.segment)->path,
                            file->path, name.segment),
                "one of them is a copy: move it out of the spool directory");
  }
  table_.add(name.segment);
  files_[name.segment] = std::move(file);
  return {};
}

ring::Task<void> Recovery::discard(std::unique_ptr<SegmentFile> file) {
  co_await reactor_.unlink(file->path);
  co_await reactor_.close_file(file->fd);
}

void Recovery::note_voids(std::string_view first_batch, const SegmentName& name) {
  SegmentContents contents;
  scan_batches(first_batch, SegmentHeader::area, name, no_void, contents);
  if (contents.records.empty() || contents.records[0].kind != RecordKind::voided) {
    return;
  }
  const auto record = decode_voided(contents.records[0].meta);
  if (record) {
    voids_.insert(voids_.end(), record->voids.begin(), record->voids.end());
  }
}

std::uint64_t Recovery::first_void_of(std::uint64_t segment) const {
  std::uint64_t first = no_void;
  for (const Void& voided : voids_) {
    if (voided.segment == segment) {
      first = std::min(first, voided.first_batch);
    }
  }
  return first;
}

// A daemon that was killed may leave writes behind that are not durable yet. What is read here is
// relied on from now on, so it must not vanish in a power cut that comes next.
ring::Task<void> Recovery::make_durable(SegmentFile& file) {
  const int error = co_await reactor_.sync(file.fd, true);
  if (error < 0) {
    log::error("{} could not be synced before it was read: errno {}", file.path, -error);
  }
}

}  // namespace ringpost::spool
