// Stored formats are read back exactly, and a short one never reads past its end.
#include "ringpost/base/bytes.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace ringpost {
namespace {

using std::string_view_literals::operator""sv;

std::string sample() {
  std::string out;
  ByteWriter writer(out);
  writer.put(std::uint8_t{7});
  writer.put(std::uint16_t{0x1234});
  writer.put(std::uint32_t{0xdeadbeef});
  writer.put(std::numeric_limits<std::uint64_t>::max());
  writer.put_string("a\0b"sv);
  writer.put_bytes("end");
  return out;
}

TEST(Bytes, AreLittleEndianWithoutPadding) {
  std::string out;
  ByteWriter writer(out);
  writer.put(std::uint32_t{0x01020304});
  writer.put_string("xy");
  EXPECT_EQ(out, "\x04\x03\x02\x01\x02\0\0\0xy"sv);
}

TEST(Bytes, WriterAppends) {
  std::string out = "kept";
  ByteWriter(out).put(std::uint8_t{'!'});
  EXPECT_EQ(out, "kept!");
}

TEST(Bytes, ReadBackWhatWasWritten) {
  const std::string bytes = sample();
  ByteReader reader(bytes);
  EXPECT_EQ(reader.get<std::uint8_t>(), 7);
  EXPECT_EQ(reader.get<std::uint16_t>(), 0x1234);
  EXPECT_EQ(reader.get<std::uint32_t>(), 0xdeadbeef);
  EXPECT_EQ(reader.get<std::uint64_t>(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(reader.get_string(), "a\0b"sv);
  EXPECT_EQ(reader.rest(), "end");
  EXPECT_EQ(reader.get_bytes(3), "end");
  EXPECT_TRUE(reader.ok());
  EXPECT_TRUE(reader.rest().empty());
}

TEST(Bytes, CutAnywhereTheReaderFails) {
  const std::string bytes = sample();
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    ByteReader reader(std::string_view(bytes).substr(0, length));
    (void)reader.get<std::uint8_t>();
    (void)reader.get<std::uint16_t>();
    (void)reader.get<std::uint32_t>();
    (void)reader.get<std::uint64_t>();
    (void)reader.get_string();
    (void)reader.get_bytes(3);
    EXPECT_FALSE(reader.ok()) << "cut to " << length;
  }
}

TEST(Bytes, AFailedReaderStaysFailed) {
  ByteReader reader("abc");
  EXPECT_EQ(reader.get<std::uint32_t>(), 0U);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.get<std::uint8_t>(), 0);
  EXPECT_EQ(reader.get_bytes(1), "");
  EXPECT_FALSE(reader.ok());
}

TEST(Bytes, ALengthBeyondTheEndIsNoString) {
  ByteReader reader(
      "\xff\xff\xff\xff"
      "abc"sv);
  EXPECT_EQ(reader.get_string(), "");
  EXPECT_FALSE(reader.ok());
}

}  // namespace
}  // namespace ringpost
