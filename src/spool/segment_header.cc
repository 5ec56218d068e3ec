#include "ringpost/spool/segment_header.h"

#include "ringpost/base/bytes.h"
#include "ringpost/spool/record.h"

namespace ringpost::spool {
namespace {

constexpr std::uint64_t header_magic = 0x544e454d47455352;  // "RSEGMENT"
constexpr std::uint64_t seal_magic = 0x4c414553544e5052;    // "RPNTSEAL"

void close_block(std::string& block) {
  ByteWriter(block).put(checksum_of(block));
  block.resize(block_size);
}

// Whether the checksum that follows what `reader` has read of `block` holds.
bool checksum_holds(ByteReader& reader, std::string_view block) {
  const std::size_t covered = block.size() - reader.rest().size();
  const std::uint64_t checksum = reader.get<std::uint64_t>();
  return reader.ok() && checksum == checksum_of(block.substr(0, covered));
}

std::optional<SegmentHeader> read_copy(std::string_view block) {
  ByteReader reader(block);
  if (reader.get<std::uint64_t>() != header_magic ||
      reader.get<std::uint16_t>() != format_version) {
    return std::nullopt;
  }
  SegmentHeader header;
  const auto state = reader.get<std::uint8_t>();
  header.state = static_cast<SegmentHeader::State>(state);
  header.spool = reader.get<std::uint64_t>();
  header.segment = reader.get<std::uint64_t>();
  header.size = reader.get<std::uint64_t>();
  if (!checksum_holds(reader, block) || state < 1 || state > 2) {
    return std::nullopt;
  }
  return header;
}

}  // namespace

std::string encode(const SegmentHeader& header) {
  std::string block;
  block.reserve(SegmentHeader::area);
  ByteWriter writer(block);
  writer.put(header_magic);
  writer.put(format_version);
  writer.put(static_cast<std::uint8_t>(header.state));
  writer.put(header.spool);
  writer.put(header.segment);
  writer.put(header.size);
  close_block(block);
  return block + block;
}

std::optional<SegmentHeader> read_segment_header(std::string_view bytes) {
  if (bytes.size() < SegmentHeader::area) {
    return std::nullopt;
  }
  const auto first = read_copy(bytes.substr(0, block_size));
  const auto second = read_copy(bytes.substr(block_size, block_size));
  if (!first || !second) {
    return first ? first : second;
  }
  if (first->segment != second->segment) {
    return first->segment > second->segment ? first : second;
  }
  return first->state == SegmentHeader::State::free ? first : second;
}

std::string encode(const Seal& seal) {
  std::string block;
  block.reserve(block_size);
  ByteWriter writer(block);
  writer.put(seal_magic);
  writer.put(format_version);
  writer.put(seal.spool);
  writer.put(seal.segment);
  writer.put(seal.index_offset);
  writer.put(seal.index_length);
  writer.put(seal.last_batch);
  close_block(block);
  return block;
}

std::optional<Seal> read_seal(std::string_view block) {
  if (block.size() < block_size) {
    return std::nullopt;
  }
  ByteReader reader(block);
  if (reader.get<std::uint64_t>() != seal_magic || reader.get<std::uint16_t>() != format_version) {
    return std::nullopt;
  }
  Seal seal;
  seal.spool = reader.get<std::uint64_t>();
  seal.segment = reader.get<std::uint64_t>();
  seal.index_offset = reader.get<std::uint64_t>();
  seal.index_length = reader.get<std::uint64_t>();
  seal.last_batch = reader.get<std::uint64_t>();
  return checksum_holds(reader, block) ? std::optional(seal) : std::nullopt;
}

}  // namespace ringpost::spool
