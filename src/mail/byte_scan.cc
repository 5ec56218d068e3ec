#include "ringpost/mail/byte_scan.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace ringpost::mail {
namespace {

// The compilers' own vectors: SSE2 on x86-64, NEON on ARM, no intrinsics.
constexpr std::size_t block_size = 16;
using Block [[gnu::vector_size(block_size)]] = std::uint8_t;
using Lanes = std::array<std::uint8_t, block_size>;

// A lane counts to 255, so at most that many blocks come between two sums.
constexpr std::size_t blocks_per_sum = 255;

Block load(const char* from) {
  Block block;
  std::memcpy(&block, from, block_size);
  return block;
}

Lanes lanes_of(Block block) {
  Lanes lanes;
  std::memcpy(lanes.data(), &block, block_size);
  return lanes;
}

bool any(Block block) {
  std::array<std::uint64_t, 2> halves;
  std::memcpy(halves.data(), &block, block_size);
  return (halves[0] | halves[1]) != 0;
}

void summarize_rest(std::string_view text, ByteSummary& summary) {
  for (const char c : text) {
    summary.carriage_returns += c == '\r' ? 1 : 0;
    summary.nul = summary.nul || c == '\0';
    summary.eight_bit = summary.eight_bit || static_cast<unsigned char>(c) > 127;
  }
}

}  // namespace

ByteSummary summarize_bytes(std::string_view text) {
  ByteSummary summary;
  Block zeros{};
  Block all_bits{};
  while (text.size() >= block_size) {
    const std::size_t blocks = std::min(text.size() / block_size, blocks_per_sum);
    Block returns{};
    for (std::size_t i = 0; i < blocks; ++i) {
      const Block block = load(text.data() + i * block_size);
      returns -= reinterpret_cast<Block>(block == '\r');  // true is all ones: -1
      zeros |= reinterpret_cast<Block>(block == 0);
      all_bits |= block;
    }
    for (const std::uint8_t count : lanes_of(returns)) {
      summary.carriage_returns += count;
    }
    text.remove_prefix(blocks * block_size);
  }
  summary.nul = any(zeros);
  summary.eight_bit = any(all_bits & 0x80);
  summarize_rest(text, summary);
  return summary;
}

bool has_eight_bit(std::string_view text) {
  Block all_bits{};
  while (text.size() >= block_size) {
    all_bits |= load(text.data());
    text.remove_prefix(block_size);
  }
  return any(all_bits & 0x80) ||
         std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) > 127; });
}

}  // namespace ringpost::mail
