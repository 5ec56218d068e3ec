// The stream is ChaCha20's, byte for byte: DNS ids and ports hang on it.
#include "ringpost/base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace ringpost {
namespace {

std::string hex_of_stream(Random& random, std::size_t words) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string hex;
  for (std::size_t i = 0; i < words; ++i) {
    const std::uint64_t word = random();
    std::array<unsigned char, sizeof(word)> bytes;
    std::memcpy(bytes.data(), &word, sizeof(word));
    for (const unsigned char byte : bytes) {
      hex += digits[byte >> 4];
      hex += digits[byte & 15];
    }
  }
  return hex;
}

// RFC 8439 appendix A.1, test vectors 1 and 2: key and nonce of zeros, block counter 0 and 1.
TEST(Random, IsTheChaCha20StreamOfRfc8439) {
  Random random(Random::Seed{});
  EXPECT_EQ(hex_of_stream(random, 8),
            "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
            "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586");
  EXPECT_EQ(hex_of_stream(random, 8),
            "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
            "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f");
}

// RFC 8439 appendix A.1, test vector 4: key 00 ff 00 …, block counter 2.
TEST(Random, TakesTheSeedAsTheKey) {
  Random::Seed seed{};
  seed[1] = std::byte{0xff};
  Random random(seed);
  (void)hex_of_stream(random, 16);
  EXPECT_EQ(hex_of_stream(random, 8),
            "72d54dfbf12ec44b362692df94137f328fea8da73990265ec1bbbea1ae9af0ca"
            "13b25aa26cb4a648cb9b9d1be65b2c0924a66c54d545ec1b7374f4872e99f096");
}

TEST(Random, TheSameSeedGivesTheSameStream) {
  Random one(Random::seed_from(42)), same(Random::seed_from(42)), other(Random::seed_from(43));
  const std::string stream = hex_of_stream(one, 100);
  EXPECT_EQ(stream, hex_of_stream(same, 100));
  EXPECT_NE(stream, hex_of_stream(other, 100));
}

TEST(Random, BelowStaysBelowAndIsEven) {
  Random random(Random::seed_from(1));
  std::array<int, 7> seen{};
  for (int i = 0; i < 70'000; ++i) {
    ++seen.at(random.below(seen.size()));
  }
  // Ten standard deviations of a fair seven-sided die.
  EXPECT_GT(*std::ranges::min_element(seen), 9'070);
  EXPECT_LT(*std::ranges::max_element(seen), 10'930);
  EXPECT_EQ(random.below(1), 0U);
}

TEST(Random, BelowAHugeBoundTakesBothHalves) {
  Random random(Random::seed_from(1));
  const std::uint64_t bound = (std::uint64_t{1} << 63) + 1;
  int upper = 0;
  for (int i = 0; i < 1'000; ++i) {
    const std::uint64_t number = random.below(bound);
    ASSERT_LT(number, bound);
    upper += number >= bound / 2 ? 1 : 0;
  }
  EXPECT_GT(upper, 340);
  EXPECT_LT(upper, 660);
}

TEST(Random, FractionIsInTheUnitInterval) {
  Random random(Random::seed_from(1));
  double sum = 0;
  for (int i = 0; i < 10'000; ++i) {
    const double fraction = random.fraction();
    ASSERT_GE(fraction, 0.0);
    ASSERT_LT(fraction, 1.0);
    sum += fraction;
  }
  EXPECT_NEAR(sum / 10'000, 0.5, 0.03);
}

TEST(RandomDeathTest, BelowZeroIsAProgrammersError) {
  Random random(Random::seed_from(1));
  EXPECT_DEATH((void)random.below(0), "below 0");
}

}  // namespace
}  // namespace ringpost
