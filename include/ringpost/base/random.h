// A random generator that serves DNS ids as well as jitter: the ChaCha20 key stream of a 32-byte
// seed. The kernel seeds it in production; the simulator seeds it from a number, and the same seed
// gives the same stream. One per shard, not thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace ringpost {

class Random {
 public:
  using Seed = std::array<std::byte, 32>;
  using result_type = std::uint64_t;

  explicit Random(const Seed& seed) noexcept;
  // For tests and simulations: a seed spread from one number.
  [[nodiscard]] static Seed seed_from(std::uint64_t number) noexcept;

  std::uint64_t operator()() noexcept;
  // Uniform in [0, bound); bound must not be 0.
  std::uint64_t below(std::uint64_t bound) noexcept;
  // Uniform in [0, 1).
  double fraction() noexcept;

  static constexpr result_type min() noexcept { return 0; }
  static constexpr result_type max() noexcept { return std::numeric_limits<result_type>::max(); }

 private:
  void refill() noexcept;

  std::array<std::uint32_t, 16> state_{};
  std::array<std::uint64_t, 8> block_{};
  std::size_t used_ = 8;
};

}  // namespace ringpost
