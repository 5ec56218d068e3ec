// What the harness's verdict rests on: made messages, checksums, counting, recipients, sizes.
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <sstream>

#include "harness/arrivals.h"
#include "harness/disk.h"
#include "harness/domains.h"
#include "harness/message_id.h"
#include "harness/message_maker.h"
#include "harness/sink_session.h"
#include "harness/units.h"
#include "harness/workload.h"

namespace ringpost::bench {
namespace {

std::string content_of(std::size_t size, std::uint64_t id) {
  std::string wire;
  MessageMaker::create(size, 3)->append(wire, id);
  ContentReader reader;
  std::string content;
  EXPECT_EQ(reader.feed(wire, content), wire.size());
  EXPECT_TRUE(reader.done());
  return content;
}

TEST(MessageMaker, AMessageHasExactlyTheSizeThatWasAskedForAndLinesThatBeginWithADot) {
  for (std::size_t size = 600; size < 1'000; ++size) {
    EXPECT_EQ(content_of(size, 1).size(), size);
  }
  const std::string content = content_of(5 * 1024, message_id(3, 9));
  EXPECT_EQ(content.size(), 5U * 1024);
  EXPECT_NE(content.find("\r\n.\r\n"), std::string::npos);
  const Inspection found = inspect(content);
  EXPECT_TRUE(found.has_id);
  EXPECT_TRUE(found.intact);
  EXPECT_EQ(found.id, message_id(3, 9));
  EXPECT_FALSE(MessageMaker::create(100, 1));
}

TEST(MessageMaker, AnyChangedByteOfTheBodyShows) {
  const std::string content = content_of(700, 5);
  const std::size_t body = content.find("\r\n\r\n") + 4;
  for (std::size_t at = body; at < content.size(); ++at) {
    std::string changed = content;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_FALSE(inspect(changed).intact) << at;
  }
  EXPECT_FALSE(inspect(content.substr(0, content.size() - 2)).intact);
  EXPECT_FALSE(inspect(content + "\r\n").intact);
  EXPECT_TRUE(inspect("Received: by relay.test\r\n\tid 1\r\n" + content).intact);
}

TEST(MessageMaker, OneMessagesBodyUnderAnothersHeaderShows) {
  const std::string one = content_of(700, 5);
  const std::string other = content_of(700, 6);
  const std::size_t body = one.find("\r\n\r\n") + 4;
  EXPECT_FALSE(inspect(one.substr(0, body) + other.substr(body)).intact);
}

TEST(MessageMaker, ABounceThatReturnsAMessageIsNotTakenForIt) {
  const std::string bounce = "From: <>\r\nSubject: Undelivered\r\n\r\n" + content_of(700, 5);
  EXPECT_FALSE(inspect(bounce).has_id);
}

struct Book {
  Arrivals arrivals{Ledger()};
  Arrivals::Connection connection = arrivals.connected(IpAddress());
  void arrives(std::string_view recipients, std::string_view content) {
    arrivals.message(connection, recipients, content, Instant{});
  }
};

TEST(Arrivals, DuplicatesAndCorruptOnesAreCounted) {
  Book book;
  const std::string content = content_of(700, message_id(2, 0));
  std::string corrupt = content;
  corrupt.back() = 'x';
  book.arrives("r0@d0.test\n", corrupt);
  EXPECT_EQ(book.arrivals.counters().recipients.value(), 0U) << "corrupt is not arrived";
  book.arrives("r0@d0.test\nr1@d1.test\n", content);
  book.arrives("r1@d1.test\n", content);
  EXPECT_EQ(book.arrivals.counters().messages.value(), 3U);
  EXPECT_EQ(book.arrivals.counters().corrupt.value(), 1U);
  EXPECT_EQ(book.arrivals.counters().recipients.value(), 2U);
  EXPECT_EQ(book.arrivals.counters().duplicates.value(), 1U);
  EXPECT_EQ(book.arrivals.seen(2), (std::vector<std::uint8_t>{1, 2}));
  EXPECT_TRUE(book.arrivals.seen(3).empty());
}

TEST(Arrivals, TheSameNumberOfAnotherRunIsNoDuplicate) {
  Book book;
  book.arrives("r0@d0.test\n", content_of(700, message_id(2, 0)));
  book.arrives("r0@d0.test\n", content_of(700, message_id(3, 0)));
  EXPECT_EQ(book.arrivals.counters().recipients.value(), 2U);
  EXPECT_EQ(book.arrivals.counters().duplicates.value(), 0U);
}

TEST(Arrivals, WhatIsNotOursIsForeignAndAnAbsurdSerialIsIgnored) {
  Book book;
  book.arrives("bounces@source.test\n", "Subject: hi\r\n\r\nhi\r\n");
  book.arrives("r99999999999999@d0.test\nroot@d0.test\n", content_of(700, 1));
  EXPECT_EQ(book.arrivals.counters().foreign.value(), 1U);
  EXPECT_EQ(book.arrivals.counters().recipients.value(), 0U);
}

TEST(Ledger, HoldsALineForEachAcknowledgedRecipientAtOnceWhenSync) {
  const std::string path = ::testing::TempDir() + "/ledger-" + std::to_string(::getpid());
  Result<Ledger> ledger = Ledger::open(path, Ledger::Mode::sync);
  ASSERT_TRUE(ledger);
  Workload workload({.run = 1, .messages = 2, .recipients = 2}, Domains::long_tailed(1, 1),
                    std::move(*ledger));
  workload.acknowledged(1, {true, false});
  workload.ledger().flush_if_sync();
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), "0000010000000001 r2@d0.test\n");
  ::unlink(path.c_str());
}

TEST(Domains, AreLongTailedAndTheSameForTheSameRecipient) {
  const Domains domains = Domains::long_tailed(100, 1);
  const Domains same = Domains::long_tailed(100, 1);
  const Domains other = Domains::long_tailed(100, 2);
  std::map<std::string_view, int> counts;
  int different = 0;
  for (std::uint64_t serial = 0; serial < 100'000; ++serial) {
    ++counts[domains.of_recipient(serial)];
    EXPECT_EQ(domains.of_recipient(serial), same.of_recipient(serial));
    different += domains.of_recipient(serial) != other.of_recipient(serial) ? 1 : 0;
  }
  // 1/H(100) = 19.3% of all go to the first one.
  EXPECT_NEAR(counts["d0.test"], 19'277, 800);
  EXPECT_NEAR(counts["d9.test"], 1'928, 300);
  EXPECT_EQ(counts.size(), 100U);
  EXPECT_GT(different, 50'000);
}

TEST(Domains, AFileSaysWhereItIsWrong) {
  const std::string path = ::testing::TempDir() + "/domains-" + std::to_string(::getpid());
  std::ofstream(path) << "# comment\n\nbig.example 9\n small.example\n";
  const Result<Domains> domains = Domains::from_file(path, 1);
  ASSERT_TRUE(domains);
  EXPECT_EQ(domains->names(), (std::vector<std::string>{"big.example", "small.example"}));
  std::ofstream(path) << "a.example 1\nb.example -3\n";
  const Result<Domains> wrong = Domains::from_file(path, 1);
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().message.find(":2: '-3'"), std::string::npos);
  std::ofstream(path) << "\n";
  EXPECT_FALSE(Domains::from_file(path, 1));
  ::unlink(path.c_str());
  EXPECT_FALSE(Domains::from_file(path, 1));
}

TEST(Units, SizesAreReadAsPowersOf1024) {
  EXPECT_EQ(*parse_size("5K"), 5120U);
  EXPECT_EQ(*parse_size("5KiB"), 5120U);
  EXPECT_EQ(*parse_size("2m"), 2U << 20);
  EXPECT_EQ(*parse_size("700"), 700U);
  for (const char* const wrong : {"", "K", "5X", "-1", "99999999999999999999", "9999999999999G"}) {
    EXPECT_FALSE(parse_size(wrong)) << wrong;
  }
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1'234'567), "1,234,567");
}

TEST(Disk, ADirectoryIsMadeAndRemovedAndItsFileSystemNamed) {
  std::string path;
  {
    const Result<TemporaryDirectory> directory = TemporaryDirectory::create(::testing::TempDir());
    ASSERT_TRUE(directory);
    path = directory->path();
    EXPECT_EQ(::access(path.c_str(), W_OK), 0);
    EXPECT_GT(*disk_sync_us(path), 0);
  }
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
  EXPECT_FALSE(TemporaryDirectory::create("/nonexistent"));
  EXPECT_FALSE(file_system_of("/nonexistent"));
  EXPECT_TRUE(file_system_of("/"));
}

}  // namespace
}  // namespace ringpost::bench
