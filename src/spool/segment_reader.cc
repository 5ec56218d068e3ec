#include "ringpost/spool/segment_reader.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "ringpost/spool/record.h"
#include "ringpost/spool/segment_header.h"
#include "ringpost/spool/segment_index.h"

namespace ringpost::spool {
namespace {

// Records of an index that are looked at before everybody else gets a turn.
constexpr std::size_t portion = 2000;
constexpr Duration pause = 1ms;

// The payload of the index batch of a sealed segment, in `bytes`; nothing if it is not whole.
struct FoundIndex {
  AlignedBuffer bytes;
  std::optional<std::string_view> payload;
  std::uint64_t last_batch = 0;
};

ring::Task<FoundIndex> find_index(ring::Reactor& reactor, const SegmentFile& file,
                                  SegmentName name) {
  FoundIndex found;
  if (file.size < SegmentHeader::area + block_size) {
    co_return std::move(found);
  }
  AlignedBuffer block;
  co_await read_blocks(reactor, file.fd, block, file.size - block_size, block_size);
  const auto seal = read_seal(block.view());
  if (!seal || seal->spool != name.spool || seal->segment != name.segment ||
      seal->index_offset > file.size || seal->index_length > file.size - seal->index_offset) {
    co_return std::move(found);
  }
  co_await read_blocks(reactor, file.fd, found.bytes, seal->index_offset, seal->index_length);
  const auto header = read_batch_header(found.bytes.view());
  if (header && header->spool == name.spool && header->segment == name.segment &&
      header->kind == BatchHeader::Kind::index) {
    found.payload = verified_payload(*header, found.bytes.view());
    found.last_batch = seal->last_batch;
  }
  co_return std::move(found);
}

bool take_head(const IndexItem& item, SegmentContents& contents) {
  const auto record = read_record_header(item.head);
  if (!record) {
    return false;
  }
  StoredRecord known;
  known.kind = record->kind;
  known.generation = record->generation;
  known.content_length = record->content_length;
  known.content_offset = item.offset + item.head.size();
  known.meta = item.head.substr(RecordHeader::size);
  contents.records.push_back(known);
  return true;
}

// What a sealed segment holds was durable: anything missing is for the full scan to judge.
ring::Task<bool> read_range(ring::Reactor& reactor, const SegmentFile& file, SegmentName name,
                            IndexItem item, AlignedBuffer& bytes, SegmentContents& contents) {
  if (item.offset > file.size || item.length > file.size - item.offset) {
    co_return false;
  }
  co_await read_blocks(reactor, file.fd, bytes, item.offset, item.length);
  scan_batches(bytes.view(), item.offset, name, no_void, contents);
  co_return contents.damaged == 0 && contents.end == item.offset + item.length;
}

}  // namespace

ring::Task<bool> read_sealed(ring::Reactor& reactor, const SegmentFile& file, SegmentName name,
                             SegmentContents& contents, SegmentBytes& bytes) {
  FoundIndex found = co_await find_index(reactor, file, name);
  const auto items = found.payload ? read_index(*found.payload) : std::nullopt;
  if (!items) {
    co_return false;
  }
  contents.last_batch = found.last_batch;
  bytes.buffers.push_back(std::move(found.bytes));
  for (const IndexItem& item : *items) {
    bool whole = false;
    if (item.head.empty()) {
      AlignedBuffer range;
      whole = co_await read_range(reactor, file, name, item, range, contents);
      bytes.buffers.push_back(std::move(range));
    } else {
      whole = take_head(item, contents);
    }
    if (!whole) {
      co_return false;
    }
  }
  co_return true;
}

ring::Task<void> read_whole(ring::Reactor& reactor, const SegmentFile& file, SegmentName name,
                            std::uint64_t first_void, SegmentContents& contents,
                            SegmentBytes& bytes) {
  bytes.image = co_await read_image(reactor, file.fd, file.size);
  contents.damaged += bytes.image.unreadable;
  if (bytes.image.bytes.size() <= SegmentHeader::area) {
    co_return;
  }
  const std::string_view batches = bytes.image.bytes.view().substr(SegmentHeader::area);
  scan_batches(batches, SegmentHeader::area, name, first_void, contents);
}

ring::Task<bool> read_by_index(ring::Reactor& reactor, const SegmentFile& file, SegmentName name,
                               std::string index, PortionTaker& taker) {
  const auto items = read_index(index);
  if (!items) {
    co_return false;
  }
  SegmentContents heads;
  for (const IndexItem& item : *items) {
    if (!item.head.empty()) {
      if (!take_head(item, heads)) {
        co_return false;
      }
      if (heads.records.size() < portion) {
        continue;
      }
    }
    taker.take(heads);
    heads.records.clear();
    if (item.head.empty()) {
      SegmentContents contents;
      AlignedBuffer bytes;
      const bool whole = co_await read_range(reactor, file, name, item, bytes, contents);
      if (!whole) {
        co_return false;
      }
      taker.take(contents);
    }
    co_await reactor.sleep(pause);
  }
  taker.take(heads);
  co_return true;
}

ring::Task<bool> read_in_portions(ring::Reactor& reactor, const SegmentFile& file, SegmentName name,
                                  std::uint64_t first_void, PortionTaker& taker) {
  if (first_void == no_void) {
    const FoundIndex found = co_await find_index(reactor, file, name);
    if (found.payload) {
      std::string index(*found.payload);
      co_return co_await read_by_index(reactor, file, name, std::move(index), taker);
    }
  }
  FileImage image = co_await read_image(reactor, file.fd, file.size);
  const std::string_view bytes = image.bytes.view();
  std::uint64_t at = SegmentHeader::area;
  while (image.unreadable == 0 && at < bytes.size()) {
    const auto header = read_batch_header(bytes.substr(at));
    if (!header || header->spool != name.spool || header->segment != name.segment) {
      break;
    }
    const std::uint64_t length = std::min(header->stored_length(), bytes.size() - at);
    SegmentContents contents;
    scan_batches(bytes.substr(at, length), at, name, first_void, contents);
    if (contents.end != at + length) {
      break;
    }
    taker.take(contents);
    at += length;
    co_await reactor.sleep(pause);
  }
  // A torn tail, or nothing: looking at the blocks' headers takes no time. Or damage.
  SegmentContents rest;
  scan_batches(bytes.substr(std::min<std::uint64_t>(at, bytes.size())), at, name, first_void, rest);
  co_return image.unreadable == 0 && rest.damaged == 0 && rest.end == 0;
}

}  // namespace ringpost::spool
