#include "ringpost/base/random.h"

#include <bit>
#include <cstring>

#include "ringpost/base/check.h"

namespace ringpost {
namespace {

// RFC 8439 section 2.1.
void quarter_round(std::uint32_t& a, std::uint32_t& b, std::uint32_t& c, std::uint32_t& d) {
  a += b, d = std::rotl(d ^ a, 16);
  c += d, b = std::rotl(b ^ c, 12);
  a += b, d = std::rotl(d ^ a, 8);
  c += d, b = std::rotl(b ^ c, 7);
}

}  // namespace

Random::Random(const Seed& seed) noexcept {
  state_[0] = 0x61707865, state_[1] = 0x3320646e, state_[2] = 0x79622d32, state_[3] = 0x6b206574;
  std::memcpy(&state_[4], seed.data(), seed.size());
}

Random::Seed Random::seed_from(std::uint64_t number) noexcept {
  Seed seed{};
  std::memcpy(seed.data(), &number, sizeof(number));
  return seed;
}

// RFC 8439 section 2.3, with a 64-bit block counter in words 12 and 13.
void Random::refill() noexcept {
  std::array<std::uint32_t, 16> x = state_;
  for (int double_round = 0; double_round < 10; ++double_round) {
    for (std::size_t column = 0; column < 4; ++column) {
      quarter_round(x[column], x[4 + column], x[8 + column], x[12 + column]);
    }
    for (std::size_t diagonal = 0; diagonal < 4; ++diagonal) {
      quarter_round(x[diagonal], x[4 + (diagonal + 1) % 4], x[8 + (diagonal + 2) % 4],
                    x[12 + (diagonal + 3) % 4]);
    }
  }
  for (std::size_t word = 0; word < x.size(); ++word) {
    x[word] += state_[word];
  }
  if (++state_[12] == 0) {
    ++state_[13];
  }
  std::memcpy(block_.data(), x.data(), sizeof(x));
  used_ = 0;
}

std::uint64_t Random::operator()() noexcept {
  if (used_ == block_.size()) {
    refill();
  }
  return block_[used_++];
}

std::uint64_t Random::below(std::uint64_t bound) noexcept {
  check(bound != 0, "a random number below 0 was asked for");
  // Rejects the uneven tail, so that the result is uniform.
  const std::uint64_t limit = max() - (max() % bound + 1) % bound;
  std::uint64_t number = (*this)();
  while (number > limit) {
    number = (*this)();
  }
  return number % bound;
}

double Random::fraction() noexcept {
  return static_cast<double>((*this)() >> 11) * 0x1.0p-53;
}

}  // namespace ringpost
