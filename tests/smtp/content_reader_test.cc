#include "ringpost/smtp/content_reader.h"

#include <gtest/gtest.h>

#include <functional>

#include "ringpost/base/random.h"
#include "ringpost/smtp/dot_stuffing.h"

namespace ringpost::smtp {
namespace {

using namespace std::string_literals;

struct Reading {
  bool done = false;
  std::size_t consumed = 0;
  ContentFault fault = ContentFault::none;
  std::uint64_t line = 0;
  std::string content;
  bool eight_bit = false;

  bool operator==(const Reading&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Reading& reading) {
  return out << "done " << reading.done << " consumed " << reading.consumed << " fault "
             << static_cast<int>(reading.fault) << " line " << reading.line << " content "
             << testing::PrintToString(reading.content) << " eight_bit " << reading.eight_bit;
}

constexpr ContentReader::Limits small_limits{60, 20};
constexpr std::string_view prefix = "P: p\r\n";

// `next_piece` says how many bytes come at once.
Reading read(std::string_view input, const std::function<std::size_t()>& next_piece,
             ContentReader::Limits limits = small_limits) {
  ContentReader reader;
  reader.start(prefix, 0, limits);
  Reading reading;
  while (reading.consumed < input.size() && !reading.done) {
    const std::string_view piece = input.substr(reading.consumed, next_piece());
    const auto progress = reader.feed(piece);
    EXPECT_TRUE(progress.done || progress.consumed == piece.size());
    reading.consumed += progress.consumed;
    reading.done = progress.done;
  }
  reading.fault = reader.fault();
  reading.line = reading.fault == ContentFault::none ? 0 : reader.fault_line();
  if (reading.done && reading.fault == ContentFault::none) {
    reading.content = reader.take_content();
    EXPECT_TRUE(reading.content.starts_with(prefix));
    reading.content.erase(0, prefix.size());
    reading.eight_bit = reader.eight_bit();
  }
  return reading;
}

// What RFC 5321 says, told in the plainest way: cut at CRLF, look at each line.
Reading model(std::string_view input, ContentReader::Limits limits = small_limits) {
  Reading reading;
  const auto fault = [&](ContentFault what, std::uint64_t line) {
    if (reading.fault == ContentFault::none) {
      reading.fault = what;
      reading.line = line;
    }
  };
  std::size_t begin = 0;
  for (std::uint64_t number = 1;; ++number) {
    const std::size_t end = input.find("\r\n", begin);
    const bool whole = end != std::string_view::npos;
    std::string_view line = input.substr(begin, whole ? end - begin : input.size() - begin);
    if (whole && line == ".") {
      reading.done = true;
      reading.consumed = end + 2;
      break;
    }
    if (line.starts_with('.')) {
      line.remove_prefix(1);
    }
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (line[i] == '\r' && i + 1 == line.size() && !whole) {
        break;  // its LF may come yet
      }
      if (line[i] == '\r' && (whole || i + 1 < line.size())) {
        fault(ContentFault::bare_cr, number);
      }
      if (line[i] == '\n') {
        fault(ContentFault::bare_lf, number);
      } else if (line[i] == '\0') {
        fault(ContentFault::nul, number);
      } else if (i + 1 + 2 > limits.line_length) {
        fault(ContentFault::long_line, number);
      } else if (reading.content.size() + i + 1 > limits.size) {
        fault(ContentFault::too_big, number);
      }
      reading.eight_bit = reading.eight_bit || static_cast<unsigned char>(line[i]) > 127;
    }
    if (!whole) {
      reading.consumed = input.size();
      break;
    }
    if (reading.content.size() + line.size() + 2 > limits.size) {
      fault(ContentFault::too_big, number);
    }
    reading.content.append(line).append("\r\n");
    begin = end + 2;
  }
  if (!reading.done || reading.fault != ContentFault::none) {
    reading.content.clear();
    reading.eight_bit = false;
  }
  return reading;
}

void expect_same_in_all_pieces(const std::string& input, const Reading& expected) {
  for (std::size_t piece = 1; piece <= input.size(); ++piece) {
    ASSERT_EQ(read(input, [&] { return piece; }), expected)
        << testing::PrintToString(input) << " in pieces of " << piece;
  }
  for (std::size_t first = 1; first < input.size(); ++first) {
    bool begun = false;
    const auto two = [&] { return std::exchange(begun, true) ? input.size() : first; };
    ASSERT_EQ(read(input, two), expected) << testing::PrintToString(input) << " split at " << first;
  }
}

TEST(ContentReader, TakesDotStuffingOut) {
  struct Case {
    std::string input;
    std::string content;
  };
  const Case cases[] = {
      {".\r\n", ""},
      {"\r\n.\r\n", "\r\n"},
      {"a\r\n.\r\n", "a\r\n"},
      {"..\r\n.\r\n", ".\r\n"},
      {"...a\r\n..b\r\nc..\r\n.\r\n", "..a\r\n.b\r\nc..\r\n"},
      {".a\r\n.\r\n", "a\r\n"},
      {"a.\r\n.\r\n", "a.\r\n"},
      {"caf\xc3\xa9\r\n.\r\n", "caf\xc3\xa9\r\n"},
      {std::string(18, 'x') + "\r\n." + std::string(18, 'x') + "\r\n.\r\n",
       std::string(18, 'x') + "\r\n" + std::string(18, 'x') + "\r\n"},
  };
  for (const Case& c : cases) {
    const Reading expected{true, c.input.size(), ContentFault::none,
                           0,    c.content,      c.content.find('\xc3') != std::string::npos};
    expect_same_in_all_pieces(c.input, expected);
    EXPECT_EQ(model(c.input), expected);
    // What stands behind the dot is not touched.
    EXPECT_EQ(read(c.input + ".\r\nMAIL", [] { return 1000U; }).consumed, c.input.size());
  }
}

TEST(ContentReader, NothingElseEndsDataAndNothingBareIsTaken) {
  struct Case {
    std::string input;  // followed by a true end
    ContentFault fault;
    std::uint64_t line;
  };
  const std::string fine = "one\r\n";
  const Case cases[] = {
      {"\n.\n", ContentFault::bare_lf, 2},
      {"x\n.\n", ContentFault::bare_lf, 2},
      {"x\n.\r\n", ContentFault::bare_lf, 2},
      {".\n", ContentFault::bare_lf, 2},
      {"x\r\n.\n", ContentFault::bare_lf, 3},
      {"x\r.\r\n", ContentFault::bare_cr, 2},
      {"\r.\r", ContentFault::bare_cr, 2},
      {".\r", ContentFault::bare_cr, 2},
      {".\r\r\n", ContentFault::bare_cr, 2},
      {".\rx\r\n", ContentFault::bare_cr, 2},
      {"x\r\r\n.\r\r\n", ContentFault::bare_cr, 2},
      {"x\n\r\n.\rQ", ContentFault::bare_lf, 2},
      {"\0.\r\n"s, ContentFault::nul, 2},
      {"\r\n\0.\r\n"s, ContentFault::nul, 3},
      {"\r\n.\0\r\n"s, ContentFault::nul, 3},
      {"\r\0\n.\r\n"s, ContentFault::bare_cr, 2},
      {"two\r\nx\ry\nz\0"s, ContentFault::bare_cr, 3},
      {std::string(19, 'x'), ContentFault::long_line, 2},
      {"." + std::string(19, 'x'), ContentFault::long_line, 2},
      {std::string(90, 'x') + "\n", ContentFault::long_line, 2},
      {"a\r\n" + std::string(18, 'b') + "\r\n" + std::string(18, 'c') + "\r\n" +
           std::string(18, 'd'),
       ContentFault::too_big, 5},
  };
  for (const Case& c : cases) {
    const std::string input = fine + c.input + "\r\n.\r\n";
    const Reading expected{true, input.size(), c.fault, c.line, "", false};
    expect_same_in_all_pieces(input, expected);
    EXPECT_EQ(model(input), expected);
    // Cut before its true end the same input never ends, however it is read.
    EXPECT_FALSE(read(input.substr(0, input.size() - 3), [] { return 1000U; }).done);
  }
}

TEST(ContentReader, SizeCountsWhatTheClientMeant) {
  const std::string line = std::string(13, 'x') + "\r\n";
  std::string exact = "." + line + line + line + line;  // 60 without the stuffing
  EXPECT_EQ(read(exact + ".\r\n", [] { return 1000U; }).fault, ContentFault::none);
  EXPECT_EQ(read(exact + "y\r\n.\r\n", [] { return 1000U; }).fault, ContentFault::too_big);
  expect_same_in_all_pieces(exact + ".\r\n", model(exact + ".\r\n"));
  expect_same_in_all_pieces(exact + "\r\n.\r\n", model(exact + "\r\n.\r\n"));
}

TEST(ContentReader, AgreesWithTheModelOnRandomInput) {
  Random random(Random::seed_from(5321));
  static constexpr std::string_view alphabet("\r\n\r\n\r\n..xyzx\xff\0\r\n", 17);
  for (int round = 0; round < 100'000; ++round) {
    std::string input;
    const std::size_t parts = random.below(24);
    // Mostly sound pieces, so that faults come late and long lines come at all.
    const std::uint64_t fault_rate = 2 + random.below(40);
    for (std::size_t i = 0; i < parts; ++i) {
      if (random.below(fault_rate) == 0) {
        input += alphabet[random.below(alphabet.size())];
      } else {
        static constexpr std::string_view pieces[] = {"\r\n", "\r\n.", "\r\n..", "x", "yz\xc3\xa9"};
        input += pieces[random.below(std::size(pieces))];
      }
    }
    input += random.below(2) == 0 ? "\r\n.\r\n" : "";
    const Reading expected = model(input);
    ASSERT_EQ(read(input, [&] { return input.size() + 1; }), expected)
        << testing::PrintToString(input);
    ASSERT_EQ(read(input, [] { return 1U; }), expected) << testing::PrintToString(input);
    ASSERT_EQ(read(input, [&] { return 1 + random.below(6); }), expected)
        << testing::PrintToString(input);
  }
}

Reading read_chunks(std::string_view input, const std::function<std::size_t()>& next_piece,
                    ContentReader::Limits limits) {
  ContentReader reader;
  reader.start(prefix, 0, limits, ContentEnd::last_chunk);
  for (std::size_t at = 0; at < input.size();) {
    const std::string_view piece = input.substr(at, next_piece());
    reader.announce(piece.size());
    EXPECT_EQ(reader.feed(piece).consumed, piece.size());
    at += piece.size();
  }
  reader.finish();
  Reading reading{.done = true, .consumed = input.size(), .fault = reader.fault()};
  reading.line = reading.fault == ContentFault::none ? 0 : reader.fault_line();
  if (reading.fault == ContentFault::none) {
    reading.content = reader.take_content().substr(prefix.size());
    reading.eight_bit = reader.eight_bit();
  }
  return reading;
}

// Chunks carry what DATA would, as it is: no stuffing, and no dot that ends anything.
TEST(ContentReader, ChunksAreReadAsDataIs) {
  Random random(Random::seed_from(3030));
  static constexpr std::string_view alphabet("\r\n.x\0\xff", 6);
  static constexpr std::string_view pieces[] = {"\r\n", ".\r\n", "\r\n.\r\n", "x", "yz\xc3\xa9"};
  constexpr ContentReader::Limits limits{1000, 20};
  for (int round = 0; round < 50'000; ++round) {
    std::string input;
    const std::size_t parts = random.below(24);
    const std::uint64_t fault_rate = 2 + random.below(40);
    for (std::size_t i = 0; i < parts; ++i) {
      if (random.below(fault_rate) == 0) {
        input += alphabet[random.below(alphabet.size())];
      } else {
        input += pieces[random.below(std::size(pieces))];
      }
    }
    input += input.ends_with('\r') ? "x" : "";  // which DATA cannot say
    DotStuffer stuffer;
    std::string stuffed;
    stuffer.append(stuffed, input);
    stuffer.finish(stuffed);
    Reading expected = model(stuffed, limits);
    expected.consumed = input.size();
    ASSERT_EQ(read_chunks(
                  input, [&] { return input.size(); }, limits),
              expected)
        << testing::PrintToString(input);
    ASSERT_EQ(read_chunks(
                  input, [] { return 1U; }, limits),
              expected)
        << testing::PrintToString(input);
    ASSERT_EQ(read_chunks(
                  input, [&] { return 1 + random.below(6); }, limits),
              expected)
        << testing::PrintToString(input);
  }
}

TEST(ContentReader, ChunksBeyondTheLimitAreNotEvenKept) {
  const auto whole = [] { return 1000U; };
  const std::string line = std::string(13, 'x') + "\r\n";
  const std::string exact = line + line + line + line;  // 60
  EXPECT_EQ(read_chunks(exact, whole, small_limits).content, exact);
  EXPECT_EQ(read_chunks(exact + "\r", whole, small_limits).fault, ContentFault::too_big);
  // The CRLF that is added is not the client's.
  const std::string open_end = line + line + line + std::string(15, 'x');
  EXPECT_EQ(read_chunks(open_end, whole, small_limits).content, open_end + "\r\n");
  ContentReader reader;
  reader.start(prefix, 0, small_limits, ContentEnd::last_chunk);
  reader.announce(60);
  reader.feed(line);
  EXPECT_EQ(reader.fault(), ContentFault::none);
  reader.announce(46);
  EXPECT_EQ(reader.fault(), ContentFault::too_big);
  reader.announce(~std::uint64_t{0});
  EXPECT_EQ(reader.fault(), ContentFault::too_big);
}

TEST(ContentReader, BigContentSurvivesAnyBuffers) {
  Random random(Random::seed_from(7));
  std::string content;
  std::string input;
  while (content.size() < 300'000) {
    std::string line(random.below(200), 'm');
    if (random.below(5) == 0) {
      line.insert(0, ".");
    }
    content += line + "\r\n";
    input += (line.starts_with('.') ? "." : "") + line + "\r\n";
  }
  input += ".\r\n";
  for (int round = 0; round < 20; ++round) {
    const std::uint64_t most = 1 + random.below(20'000);
    const Reading reading =
        read(input, [&] { return 1 + random.below(most); }, {content.size(), 1000});
    ASSERT_TRUE(reading.done);
    ASSERT_EQ(reading.content, content);
  }
}

}  // namespace
}  // namespace ringpost::smtp
