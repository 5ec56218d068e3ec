#include "ringpost/spool/batch.h"

#include <cstring>

#include "ringpost/base/bytes.h"
#include "ringpost/spool/record.h"

namespace ringpost::spool {
namespace {

constexpr std::uint32_t batch_magic = 0x54424752;  // "RGBT"

}  // namespace

void encode(const BatchHeader& header, char* out) {
  std::string bytes;
  bytes.reserve(BatchHeader::size);
  ByteWriter writer(bytes);
  writer.put(batch_magic);
  writer.put(format_version);
  writer.put(static_cast<std::uint16_t>(header.kind));
  writer.put(header.spool);
  writer.put(header.segment);
  writer.put(header.batch);
  writer.put(header.payload_length);
  writer.put(header.record_count);
  writer.put(header.payload_checksum);
  writer.put(std::uint64_t{0});
  writer.put(checksum_of(bytes));
  std::memcpy(out, bytes.data(), BatchHeader::size);
}

std::optional<BatchHeader> read_batch_header(std::string_view bytes) {
  if (bytes.size() < BatchHeader::size) {
    return std::nullopt;
  }
  bytes = bytes.substr(0, BatchHeader::size);
  ByteReader reader(bytes);
  if (reader.get<std::uint32_t>() != batch_magic || reader.get<std::uint16_t>() != format_version) {
    return std::nullopt;
  }
  BatchHeader header;
  header.kind = static_cast<BatchHeader::Kind>(reader.get<std::uint16_t>());
  header.spool = reader.get<std::uint64_t>();
  header.segment = reader.get<std::uint64_t>();
  header.batch = reader.get<std::uint64_t>();
  header.payload_length = reader.get<std::uint32_t>();
  header.record_count = reader.get<std::uint32_t>();
  header.payload_checksum = reader.get<std::uint64_t>();
  reader.get<std::uint64_t>();
  const std::uint64_t checksum = reader.get<std::uint64_t>();
  if (checksum != checksum_of(bytes.substr(0, BatchHeader::size - sizeof(checksum)))) {
    return std::nullopt;
  }
  return header;
}

std::optional<std::string_view> verified_payload(const BatchHeader& header,
                                                 std::string_view bytes) {
  if (bytes.size() < BatchHeader::size + std::uint64_t{header.payload_length}) {
    return std::nullopt;
  }
  const std::string_view payload = bytes.substr(BatchHeader::size, header.payload_length);
  if (checksum_of(payload) != header.payload_checksum) {
    return std::nullopt;
  }
  return payload;
}

}  // namespace ringpost::spool
