// Reading a segment: torn tails, damage, and what an earlier use of the file left behind.
#include "ringpost/spool/segment_scan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "segment_image.h"

namespace ringpost::spool {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr SegmentName name{0x1234567890abcdef, 7};
constexpr std::size_t size = 96 << 10;

// Three batches with two messages, one large message, and an outcome.
struct ThreeBatches {
  ThreeBatches() {
    image.add(samples::message(1)).add(samples::message(2));
    first = image.commit();
    image.add(samples::message(3, 9000));
    second = image.commit();
    image.add(samples::message(4)).add(samples::delivered(samples::key(1)));
    third = image.commit();
  }
  SegmentImage image{name, size};
  std::size_t first, second, third;
};

TEST(SegmentScanTest, FindsWhatWasWrittenAndWhere) {
  ThreeBatches batches;
  const SegmentContents contents = batches.image.scan();
  EXPECT_THAT(ids_in(contents), ElementsAre(1, 2, 3, 4, 1));
  EXPECT_EQ(contents.last_batch, 3);
  EXPECT_EQ(contents.damaged, 0);
  EXPECT_FALSE(contents.torn_tail);
  EXPECT_EQ(contents.end, batches.image.end());
  const StoredRecord& large = contents.records[2];
  EXPECT_EQ(batches.image.bytes().substr(large.content_offset, large.content_length),
            samples::message(3, 9000).content);
}

TEST(SegmentScanTest, EmptySegmentHoldsNothing) {
  const SegmentContents contents = SegmentImage(name, size).scan();
  EXPECT_THAT(contents.records, IsEmpty());
  EXPECT_FALSE(contents.torn_tail);
  EXPECT_EQ(contents.damaged, 0);
}

// A write that was cut anywhere was never answered: all of its batch is dropped, nothing else is.
TEST(SegmentScanTest, LastBatchCutAtEveryByteIsATornTail) {
  ThreeBatches batches;
  const std::string whole = batches.image.bytes();
  const std::size_t last_byte = batches.image.scan().records.back().content_offset;
  for (std::size_t cut = batches.third; cut < last_byte; ++cut) {
    batches.image.bytes() = whole;
    batches.image.bytes().replace(cut, std::string::npos, size - cut, '\0');
    const SegmentContents contents = batches.image.scan();
    // The checksum may happen to end in zeros, as the rest of the block does.
    if (contents.records.size() == 5) {
      EXPECT_EQ(batches.image.bytes(), whole);
      continue;
    }
    EXPECT_THAT(ids_in(contents), ElementsAre(1, 2, 3)) << "cut at " << cut;
    EXPECT_EQ(contents.damaged, 0);
    EXPECT_EQ(contents.torn_tail, cut >= batches.third + BatchHeader::size);
  }
}

TEST(SegmentScanTest, AnyFlippedBitInTheLastBatchDropsIt) {
  ThreeBatches batches;
  const std::string whole = batches.image.bytes();
  const std::size_t last_byte = batches.image.scan().records.back().content_offset;
  for (std::size_t at = batches.third; at < last_byte; ++at) {
    batches.image.bytes() = whole;
    batches.image.bytes()[at] = static_cast<char>(whole[at] ^ (1 << at % 8));
    EXPECT_THAT(ids_in(batches.image.scan()), ElementsAre(1, 2, 3)) << "flipped at " << at;
  }
}

// Damage before the end was durable and answered: as much as possible is kept, the loss counted.
TEST(SegmentScanTest, AnyFlippedBitInTheMiddleCostsOneRecordAtMostOfThoseBeforeIt) {
  ThreeBatches batches;
  const std::string whole = batches.image.bytes();
  const std::vector<StoredRecord> records = batches.image.scan().records;
  const std::size_t first_ends = records[0].content_offset + records[0].content_length;
  const std::size_t second_ends = records[1].content_offset + records[1].content_length;
  for (std::size_t at = batches.first; at < second_ends; ++at) {
    batches.image.bytes() = whole;
    batches.image.bytes()[at] = static_cast<char>(whole[at] ^ (1 << at % 8));
    const SegmentContents contents = batches.image.scan();
    EXPECT_EQ(contents.damaged, 1) << "flipped at " << at;
    EXPECT_FALSE(contents.torn_tail);
    if (at < batches.first + BatchHeader::size) {
      EXPECT_THAT(ids_in(contents), ElementsAre(3, 4, 1)) << "flipped at " << at;
    } else if (at >= records[0].content_offset && at < first_ends) {
      EXPECT_THAT(ids_in(contents), ElementsAre(2, 3, 4, 1)) << "flipped at " << at;
    } else if (at < records[0].content_offset) {
      EXPECT_THAT(ids_in(contents), ElementsAre(3, 4, 1)) << "flipped at " << at;
    } else {
      EXPECT_THAT(ids_in(contents), ElementsAre(1, 3, 4, 1)) << "flipped at " << at;
    }
  }
}

TEST(SegmentScanTest, LostBlocksInTheMiddleAreDamage) {
  ThreeBatches batches;
  batches.image.bytes().replace(batches.second, block_size, block_size, '\xff');
  const SegmentContents contents = batches.image.scan();
  EXPECT_THAT(ids_in(contents), ElementsAre(1, 2, 4, 1));
  EXPECT_EQ(contents.damaged, 1);
}

// The first batch of the new use is one block long: behind it lie whole batches of the old use.
TEST(SegmentScanTest, EarlierUseOfTheFileIsNotResurrected) {
  ThreeBatches batches;
  batches.image.reuse_as(8);
  EXPECT_THAT(ids_in(batches.image.scan()), IsEmpty());
  batches.image.add(samples::message(11));
  batches.image.commit();
  const SegmentContents contents = batches.image.scan();
  EXPECT_THAT(ids_in(contents), ElementsAre(11));
  EXPECT_EQ(contents.damaged, 0);
  EXPECT_FALSE(contents.torn_tail);
}

TEST(SegmentScanTest, AnotherSpoolsBatchesDoNotCount) {
  ThreeBatches batches;
  SegmentContents contents;
  scan_batches(std::string_view(batches.image.bytes()).substr(SegmentHeader::area),
               SegmentHeader::area, {name.spool + 1, name.segment}, no_void, contents);
  EXPECT_THAT(contents.records, IsEmpty());
}

TEST(SegmentScanTest, VoidedBatchesDoNotCount) {
  ThreeBatches batches;
  EXPECT_THAT(ids_in(batches.image.scan(2)), ElementsAre(1, 2));
  EXPECT_THAT(ids_in(batches.image.scan(1)), IsEmpty());
}

TEST(SegmentScanTest, FileWithoutHeaderIsTakenForItsNewestSegment) {
  ThreeBatches batches;
  EXPECT_EQ(newest_segment_in(batches.image.bytes(), 0).segment, 7);
  EXPECT_EQ(newest_segment_in(batches.image.bytes(), 0).spool, name.spool);
  batches.image.reuse_as(8);
  batches.image.add(samples::message(11));
  batches.image.commit();
  EXPECT_EQ(newest_segment_in(batches.image.bytes(), name.spool).segment, 8);
  EXPECT_EQ(newest_segment_in(batches.image.bytes(), name.spool + 1).segment, 0);
}

TEST(SegmentHeaderTest, LaterCopyWinsAndOneIsEnough) {
  SegmentHeader old;
  old.state = SegmentHeader::State::free;
  old.spool = name.spool;
  old.segment = 7;
  old.size = size;
  SegmentHeader fresh = old;
  fresh.state = SegmentHeader::State::in_use;
  fresh.segment = 9;
  const std::string before = encode(old);
  const std::string after = encode(fresh);
  EXPECT_EQ(read_segment_header(before), old);
  EXPECT_EQ(read_segment_header(after), fresh);
  // A write cut between the copies, in either order.
  EXPECT_EQ(read_segment_header(after.substr(0, block_size) + before.substr(block_size)), fresh);
  EXPECT_EQ(read_segment_header(before.substr(0, block_size) + after.substr(block_size)), fresh);
  SegmentHeader retired = fresh;
  retired.state = SegmentHeader::State::free;
  EXPECT_EQ(read_segment_header(after.substr(0, block_size) + encode(retired).substr(block_size)),
            retired);
  for (std::size_t at = 0; at < 64; ++at) {
    std::string damaged = after;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    EXPECT_EQ(read_segment_header(damaged), fresh);
    damaged[block_size + at] = static_cast<char>(damaged[block_size + at] ^ 1);
    if (at < 43) {
      EXPECT_EQ(read_segment_header(damaged), std::nullopt) << at;
    }
  }
}

TEST(SealTest, AnyDamageIsNoticed) {
  Seal seal;
  seal.spool = name.spool;
  seal.segment = 7;
  seal.index_offset = 40960;
  seal.index_length = 4096;
  const std::string block = encode(seal);
  ASSERT_TRUE(read_seal(block));
  EXPECT_EQ(read_seal(block)->index_offset, 40960);
  for (std::size_t at = 0; at < 58; ++at) {
    std::string damaged = block;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    EXPECT_FALSE(read_seal(damaged)) << at;
  }
  EXPECT_FALSE(read_seal(block.substr(0, 100)));
}

TEST(SegmentIndexTest, NamesRecordsAndMergesRanges) {
  ThreeBatches batches;
  batches.image.add(samples::delivered(samples::key(2)));
  const std::size_t fourth = batches.image.commit();
  batches.image.add(samples::delivered(samples::key(3)));
  batches.image.commit();
  SegmentIndex& index = batches.image.index();
  const std::size_t before_close = index.size();
  index.close();
  EXPECT_EQ(index.size(), before_close);
  const auto items = read_index(index.payload());
  ASSERT_TRUE(items);
  const std::vector<StoredRecord> records = batches.image.scan().records;
  ASSERT_EQ(items->size(), 6);
  for (std::size_t at = 0; at < 5; ++at) {
    const IndexItem& item = (*items)[at];
    EXPECT_EQ(item.offset + item.head.size(), records[at].content_offset);
    EXPECT_EQ(item.head.substr(RecordHeader::size), records[at].meta);
  }
  EXPECT_TRUE(items->back().head.empty());
  EXPECT_EQ(items->back().offset, fourth);
  EXPECT_EQ(items->back().length, 2 * block_size);
}

TEST(SegmentIndexTest, MalformedPayloadsAreRefused) {
  SegmentIndex index;
  index.add_record(8192, "some head");
  index.add_range(16384, 4096);
  index.close();
  const std::string payload = index.payload();
  for (std::size_t length = 1; length < payload.size(); ++length) {
    const auto items = read_index(payload.substr(0, length));
    EXPECT_EQ(items.has_value(), length == 1 + 8 + 4 + 9) << length;
  }
  EXPECT_FALSE(read_index("\x07" + payload.substr(1)));
}

}  // namespace
}  // namespace ringpost::spool
