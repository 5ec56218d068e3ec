// A batch: what one write of the group commit puts on disk. A header, then records one after the
// other, filled up with zeros to a multiple of the block. Its header names spool, segment and its
// number in the spool, so that what an earlier use of the file left behind can never pass for it.
// The layout is described in docs/SPOOL_FORMAT.md. (pure)
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ringpost::spool {

inline constexpr std::size_t block_size = 4096;  // what O_DIRECT and every disk can write whole
inline constexpr std::uint16_t format_version = 1;

[[nodiscard]] constexpr std::uint64_t round_up_to_block(std::uint64_t bytes) {
  return (bytes + block_size - 1) / block_size * block_size;
}

struct BatchHeader {
  static constexpr std::size_t size = 64;

  enum class Kind : std::uint16_t { records = 1, index = 2 };

  Kind kind = Kind::records;
  std::uint64_t spool = 0;    // a random number that is the spool's name
  std::uint64_t segment = 0;  // the number of the segment, never used twice in a spool
  std::uint64_t batch = 0;    // grows by one with every batch of the spool
  std::uint32_t payload_length = 0;
  std::uint32_t record_count = 0;
  std::uint64_t payload_checksum = 0;

  // On disk, header and padding included.
  [[nodiscard]] std::uint64_t stored_length() const {
    return round_up_to_block(size + std::uint64_t{payload_length});
  }
};

// Writes `header` into the first BatchHeader::size bytes at `out`.
void encode(const BatchHeader& header, char* out);

// The header at the start of `bytes`, if it is one and its own checksum holds. Says nothing about
// the payload.
[[nodiscard]] std::optional<BatchHeader> read_batch_header(std::string_view bytes);

// The payload of the batch at the start of `bytes`, if it is all there and its checksum holds.
[[nodiscard]] std::optional<std::string_view> verified_payload(const BatchHeader& header,
                                                               std::string_view bytes);

}  // namespace ringpost::spool
