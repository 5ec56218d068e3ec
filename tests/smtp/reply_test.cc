#include "ringpost/smtp/reply.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ringpost::smtp {
namespace {

using mail::EnhancedStatus;

struct Copy {
  int code = 0;
  EnhancedStatus status;
  std::string text;
  bool operator==(const Copy&) const = default;
};

struct Read {
  std::vector<Copy> replies;
  bool malformed = false;
  bool operator==(const Read&) const = default;
};

void read_into(ReplyParser& parser, std::string_view bytes, Read& read) {
  while (!bytes.empty() && !read.malformed) {
    const auto [status, consumed] = parser.feed(bytes);
    bytes.remove_prefix(consumed);
    if (status == ReplyParser::Status::reply) {
      const Reply reply = parser.reply();
      read.replies.push_back({reply.code, reply.status, std::string(reply.text)});
    } else if (status == ReplyParser::Status::malformed) {
      read.malformed = true;
    } else {
      EXPECT_TRUE(bytes.empty()) << "need_more leaves nothing unread";
    }
  }
}

Read read_all(std::string_view bytes) {
  ReplyParser parser;
  Read read;
  read_into(parser, bytes, read);
  return read;
}

// Whole, in two pieces split anywhere, and byte by byte: always the same replies.
Read read_every_way(std::string_view bytes) {
  const Read whole = read_all(bytes);
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    ReplyParser parser;
    Read read;
    read_into(parser, bytes.substr(0, cut), read);
    read_into(parser, bytes.substr(cut), read);
    EXPECT_EQ(read, whole) << "cut at " << cut << " of " << bytes;
  }
  ReplyParser parser;
  Read read;
  for (const char& c : bytes) {
    read_into(parser, {&c, 1}, read);
  }
  EXPECT_EQ(read, whole) << "byte by byte: " << bytes;
  return whole;
}

TEST(Reply, SingleLine) {
  const Read read = read_every_way("250 2.1.0 Ok\r\n");
  ASSERT_EQ(read.replies.size(), 1U);
  EXPECT_EQ(read.replies[0], (Copy{250, {2, 1, 0}, "2.1.0 Ok"}));
}

TEST(Reply, ManyInOneBuffer) {
  const Read read = read_every_way(
      "250 Ok\r\n250 2.1.5 Ok\r\n354 Go\r\n550-5.1.1 No\r\n550 5.1.1 such user\r\n421 bye\r\n");
  ASSERT_EQ(read.replies.size(), 5U);
  EXPECT_EQ(read.replies[3], (Copy{550, {5, 1, 1}, "5.1.1 No\n5.1.1 such user"}));
  EXPECT_FALSE(read.replies[0].status.known()) << "nothing is kept from another reply";
  EXPECT_EQ(read.replies[4].code, 421);
}

TEST(Reply, LinesStayApart) {
  const Read read = read_every_way("250-mx.example\r\n250-SIZE 100\r\n250-\r\n250 DSN\r\n");
  ASSERT_EQ(read.replies.size(), 1U);
  EXPECT_EQ(read.replies[0].text, "mx.example\nSIZE 100\n\nDSN");
}

TEST(Reply, CodeAlone) {
  const Read read = read_every_way("250\r\n354 \r\n250-\r\n250\r\n");
  ASSERT_EQ(read.replies.size(), 3U);
  EXPECT_EQ(read.replies[0], (Copy{250, {}, ""}));
  EXPECT_EQ(read.replies[1], (Copy{354, {}, ""}));
}

TEST(Reply, BareLineFeedIsToleratedHere) {
  const Read read = read_every_way("250-a\n250 b\n220 c\r\n");
  ASSERT_EQ(read.replies.size(), 2U);
  EXPECT_EQ(read.replies[0].text, "a\nb");
}

TEST(Reply, StatusOfAnotherClassMeansNothing) {
  EXPECT_FALSE(read_all("550 2.0.0 Ok?\r\n").replies[0].status.known());
  EXPECT_FALSE(read_all("354 2.0.0 Go\r\n").replies[0].status.known());
  EXPECT_FALSE(read_all("450 4.2.0x\r\n").replies[0].status.known());
  EXPECT_EQ(read_all("450 4.2.0\r\n").replies[0].status, (EnhancedStatus{4, 2, 0}));
}

TEST(Reply, HostileBytesDoNotGetThrough) {
  using namespace std::string_literals;
  const Read read = read_every_way("550 a\0b\x1b[2J\tc\x7f\xff\rd\r\r\n"s);
  ASSERT_EQ(read.replies.size(), 1U);
  EXPECT_EQ(read.replies[0].text, "a?b?[2J c?? d ");
}

TEST(Reply, WhatIsNoSmtpIsMalformed) {
  for (const std::string_view bytes :
       {"HTTP/1.1 400 Bad\r\n", "\r\n", "25\r\n", "2500 Ok\r\n", "150 x\r\n", "650 x\r\n",
        "250_x\r\n", " 250 x\r\n", "25a x\r\n", "SSH-2.0-OpenSSH\n", "\x16\x03\x01\x02", "*",
        "250-a\r\n251 b\r\n", "250-a\r\n550 b\r\n", "250-a\r\n\r\n250 c\r\n"}) {
    EXPECT_TRUE(read_every_way(bytes).malformed) << bytes;
  }
}

TEST(Reply, GarbageWithoutLineEndIsRefusedAtOnce) {
  ReplyParser parser;
  EXPECT_EQ(parser.feed("GET").status, ReplyParser::Status::malformed);
  EXPECT_EQ(parser.feed("250 Ok\r\n").status, ReplyParser::Status::malformed) << "and stays so";
  EXPECT_EQ(parser.describe_malformed(), "not an SMTP reply: GET");
}

TEST(Reply, MalformedSaysWhyInPrintableWords) {
  ReplyParser parser;
  EXPECT_EQ(parser.feed("250-Ok\r\n550 \x1b" + std::string(500, 'x') + "\r\n").status,
            ReplyParser::Status::malformed);
  const std::string what = parser.describe_malformed();
  EXPECT_TRUE(what.starts_with("the reply code changes within one reply: 550 ?xxx")) << what;
  EXPECT_LT(what.size(), 200U);
}

TEST(Reply, LineBound) {
  const std::string longest = "250 " + std::string(ReplyParser::max_line_bytes - 5, 'x');
  for (const std::size_t piece : {std::size_t{1}, std::size_t{1000}, std::size_t{100000}}) {
    for (const bool over : {false, true}) {
      const std::string bytes = longest + (over ? "x" : "") + "\r\n";
      ReplyParser parser;
      Read read;
      for (std::size_t at = 0; at < bytes.size(); at += piece) {
        read_into(parser, std::string_view(bytes).substr(at, piece), read);
      }
      EXPECT_EQ(read.malformed, over);
    }
  }
}

TEST(Reply, EndlessLineIsRefusedBeforeItEnds) {
  ReplyParser parser;
  const std::string piece(1000, '2');
  ASSERT_EQ(parser.feed("250 ").status, ReplyParser::Status::need_more);
  std::size_t fed = 0;
  while (parser.feed(piece).status == ReplyParser::Status::need_more) {
    fed += piece.size();
    ASSERT_LE(fed, ReplyParser::max_line_bytes);
  }
}

TEST(Reply, EndlessContinuationIsRefused) {
  ReplyParser parser;
  std::size_t lines = 0;
  while (parser.feed("250-x\r\n").status == ReplyParser::Status::need_more) {
    ASSERT_LE(++lines, ReplyParser::max_lines);
  }
  EXPECT_EQ(lines, ReplyParser::max_lines);

  ReplyParser long_lines;
  const std::string line = "250-" + std::string(4000, 'x') + "\r\n";
  std::size_t bytes = 0;
  while (long_lines.feed(line).status == ReplyParser::Status::need_more) {
    bytes += line.size();
    ASSERT_LE(bytes, ReplyParser::max_reply_bytes);
  }
}

TEST(Reply, InTheMiddleIsKnown) {
  ReplyParser parser;
  EXPECT_FALSE(parser.in_the_middle());
  (void)parser.feed("2");
  EXPECT_TRUE(parser.in_the_middle());
  (void)parser.feed("20-x\r\n");
  EXPECT_TRUE(parser.in_the_middle());
  (void)parser.feed("220 x\r\n");
  EXPECT_FALSE(parser.in_the_middle()) << "a whole reply was read";
  EXPECT_EQ(parser.feed("220 Go\r\nrest").consumed, 8U) << "the rest is left to the caller";
  EXPECT_FALSE(parser.in_the_middle());
}

TEST(Reply, OneLine) {
  EXPECT_EQ(one_line({250, {}, "Ok"}), "250 Ok");
  EXPECT_EQ(one_line({250, {}, ""}), "250");
  EXPECT_EQ(one_line({550, {5, 1, 1}, "5.1.1 No such\n5.1.1 user  \n\n5.1.1\n5.7.1 here"}),
            "550 5.1.1 No such user 5.7.1 here");
  const std::string endless(5000, 'x');
  EXPECT_EQ(one_line({550, {}, endless}).size(), shown_reply_bytes);
}

}  // namespace
}  // namespace ringpost::smtp
