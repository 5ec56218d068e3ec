#include "ringpost/smtp/dot_stuffing.h"

#include <gtest/gtest.h>

#include <string>

#include "ringpost/base/random.h"

namespace ringpost::smtp {
namespace {

std::string stuffed(std::string_view content) {
  std::string out;
  DotStuffer stuffer;
  stuffer.append(out, content);
  stuffer.finish(out);
  return out;
}

TEST(DotStuffing, Lines) {
  EXPECT_EQ(stuffed("a\r\nb\r\n"), "a\r\nb\r\n.\r\n");
  EXPECT_EQ(stuffed(".a\r\n.\r\n..\r\nx.\r\n"), "..a\r\n..\r\n...\r\nx.\r\n.\r\n");
  EXPECT_EQ(stuffed("\r\n.\r\n"), "\r\n..\r\n.\r\n");
}

TEST(DotStuffing, TheEndIsAlwaysALineOfItsOwn) {
  EXPECT_EQ(stuffed(""), ".\r\n");
  EXPECT_EQ(stuffed("a"), "a\r\n.\r\n");
  EXPECT_EQ(stuffed("a\r"), "a\r\n.\r\n");
  EXPECT_EQ(stuffed("\n"), "\n\r\n.\r\n") << "a bare LF ends no line";
  EXPECT_EQ(stuffed("a\n"), "a\n\r\n.\r\n");
  EXPECT_EQ(stuffed("."), "..\r\n.\r\n");
}

TEST(DotStuffing, SmuggledEndOfDataIsDefused) {
  EXPECT_EQ(stuffed("a\n.\r\nMAIL"), "a\n..\r\nMAIL\r\n.\r\n");
  EXPECT_EQ(stuffed("a\n.\nMAIL"), "a\n..\nMAIL\r\n.\r\n");
}

// One byte at a time, as plainly as the rule can be written.
std::string model(std::string_view content) {
  std::string out;
  bool at_start = true;
  for (const char c : content) {
    if (at_start && c == '.') {
      out += '.';
    }
    out += c;
    at_start = c == '\n';
  }
  if (!content.empty() && !content.ends_with("\r\n")) {
    out += content.ends_with('\r') ? "\n" : "\r\n";
  }
  return out + ".\r\n";
}

TEST(DotStuffing, RandomContentInRandomPieces) {
  Random random(Random::seed_from(7));
  constexpr std::string_view alphabet = "\r\n.abcdefgh";
  for (int round = 0; round < 2000; ++round) {
    // Few line ends leave whole blocks without any; many exercise the borders.
    const std::size_t letters = round % 2 == 0 ? alphabet.size() : 4;
    std::string content(random.below(400), 'x');
    for (char& c : content) {
      if (random.below(4) != 0 || round % 4 == 1) {
        c = alphabet[random.below(letters)];
      }
    }
    ASSERT_EQ(stuffed(content), model(content));
    std::string pieces;
    DotStuffer stuffer;
    for (std::string_view rest = content; !rest.empty();) {
      const std::size_t size = random.below(std::min<std::size_t>(rest.size(), 90) + 1);
      stuffer.append(pieces, rest.substr(0, size));
      rest.remove_prefix(size);
    }
    stuffer.finish(pieces);
    ASSERT_EQ(pieces, model(content));
  }
}

TEST(DotStuffing, DotsAtEveryOffsetOfABlock) {
  for (std::size_t at = 0; at < 200; ++at) {
    std::string content(260, 'x');
    content.replace(at, 3, "\r\n.");
    ASSERT_EQ(stuffed(content), model(content)) << at;
  }
}

}  // namespace
}  // namespace ringpost::smtp
