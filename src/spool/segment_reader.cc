#include "ringpost/spool/segment_reader.h"

#include <utility>

#include "ringpost/spool/record.h"
#include "ringpost/spool/segment_header.h"

namespace ringpost::spool {

ring::Task<bool> read_sealed(ring::Reactor& reactor, const SegmentFile& file, SegmentName name,
                             SegmentContents& contents, SegmentBytes& bytes) {
  if (file.size < SegmentHeader::area + block_size) {
    co_return false;
  }
  AlignedBuffer block;
  co_await read_blocks(reactor, file.fd, block, file.size - block_size, block_size);
  const auto seal = read_seal(block.view());
  if (!seal || seal->spool != name.spool || seal->segment != name.segment ||
      seal->index_offset > file.size || seal->index_length > file.size - seal->index_offset) {
    co_return false;
  }
  AlignedBuffer& stored = bytes.buffers.emplace_back();
  AlignedBuffer index;
  co_await read_blocks(reactor, file.fd, index, seal->index_offset, seal->index_length);
  stored = std::move(index);
  const auto header = read_batch_header(stored.view());
  if (!header || header->spool != name.spool || header->segment != name.segment ||
      header->kind != BatchHeader::Kind::index) {
    co_return false;
  }
  const auto payload = verified_payload(*header, stored.view());
  auto items = payload ? read_index(*payload) : std::nullopt;
  if (!items) {
    co_return false;
  }
  contents.last_batch = seal->last_batch;
  co_return co_await read_items(reactor, file, name, std::move(*items), contents, bytes);
}

ring::Task<bool> read_items(ring::Reactor& reactor, const SegmentFile& file, SegmentName name,
                            std::vector<IndexItem> items, SegmentContents& contents,
                            SegmentBytes& bytes) {
  for (const IndexItem& item : items) {
    if (item.head.empty()) {
      if (item.offset > file.size || item.length > file.size - item.offset) {
        co_return false;
      }
      AlignedBuffer range;
      co_await read_blocks(reactor, file.fd, range, item.offset, item.length);
      scan_batches(range.view(), item.offset, name, no_void, contents);
      // What a sealed segment holds was durable: anything missing is for the full scan to judge.
      if (contents.damaged > 0 || contents.end != item.offset + item.length) {
        co_return false;
      }
      bytes.buffers.push_back(std::move(range));
      continue;
    }
    const auto record = read_record_header(item.head);
    if (!record) {
      co_return false;
    }
    StoredRecord known;
    known.kind = record->kind;
    known.generation = record->generation;
    known.content_length = record->content_length;
    known.content_offset = item.offset + item.head.size();
    known.meta = item.head.substr(RecordHeader::size);
    contents.records.push_back(known);
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

}  // namespace ringpost::spool
