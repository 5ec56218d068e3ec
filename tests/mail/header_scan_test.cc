#include "ringpost/mail/header_scan.h"

#include <gtest/gtest.h>

namespace ringpost::mail {
namespace {

struct Scanned {
  HeaderScan scan;
  std::string content;
};

Scanned scanned(std::string content, std::size_t from = 0) {
  HeaderScan scan = scan_header(content, from);
  return {std::move(scan), std::move(content)};
}

TEST(HeaderScan, TakesLabelsOutAndLeavesTheRest) {
  const Scanned result = scanned(
      "From: a@b\r\nX-Ringpost-Tenant: acme\r\nTo: c@d,\r\n e@f\r\n"
      "x-RINGPOST-job :\t spring sale \r\nSubject: x\r\n\r\nX-Ringpost-Job: body\r\n");
  EXPECT_EQ(result.scan.tenant, "acme");
  EXPECT_EQ(result.scan.job, "spring sale");
  EXPECT_EQ(result.content,
            "From: a@b\r\nTo: c@d,\r\n e@f\r\nSubject: x\r\n\r\nX-Ringpost-Job: body\r\n");
  EXPECT_TRUE(result.scan.problem.empty());
}

TEST(HeaderScan, LabelsMayStandFirstLastAndAlone) {
  EXPECT_EQ(scanned("X-Ringpost-Job: j\r\nA: b\r\n\r\nbody\r\n").content, "A: b\r\n\r\nbody\r\n");
  EXPECT_EQ(scanned("A: b\r\nX-Ringpost-Job: j\r\n\r\nbody\r\n").content, "A: b\r\n\r\nbody\r\n");
  EXPECT_EQ(scanned("X-Ringpost-Job: j\r\n").content, "");
  EXPECT_EQ(scanned("X-Ringpost-Job: j\r\nX-Ringpost-Tenant: t\r\n\r\n").content, "\r\n");
}

TEST(HeaderScan, UnfoldsAndTheFirstOfSeveralCounts) {
  const Scanned result = scanned(
      "X-Ringpost-Job:\r\n one\r\n\ttwo\r\nX-Ringpost-Job: three\r\nX-Ringpost-Jobs: kept\r\n\r\n");
  EXPECT_EQ(result.scan.job, "one two");
  EXPECT_EQ(result.scan.problem, "");
  EXPECT_EQ(result.content, "X-Ringpost-Jobs: kept\r\n\r\n");
}

TEST(HeaderScan, RefusesLabelsThatNobodyCouldShow) {
  EXPECT_EQ(scanned("X-Ringpost-Job: " + std::string(128, 'j') + "\r\n\r\n").scan.problem, "");
  EXPECT_NE(scanned("X-Ringpost-Job: " + std::string(129, 'j') + "\r\n\r\n").scan.problem, "");
  EXPECT_NE(scanned("X-Ringpost-Tenant: m\xc3\xbc\r\n\r\n").scan.problem, "");
  EXPECT_NE(scanned("X-Ringpost-Tenant: a\x1b[2J\r\n\r\n").scan.problem, "");
}

TEST(HeaderScan, CountsReceivedBehindOurOwn) {
  std::string content = "Received: ours\r\n";
  const std::size_t from = content.size();
  for (int i = 0; i < 101; ++i) {
    content += i % 2 == 0 ? "Received: from a\r\n\tby b; date\r\n" : "RECEIVED : x\r\n";
  }
  content += "Received-SPF: pass\r\n\r\nReceived: body\r\n";
  EXPECT_EQ(scanned(content, from).scan.received, 101U);
  EXPECT_EQ(scanned(content, 0).scan.received, 102U);
}

TEST(HeaderScan, EndsWhereTheHeaderEnds) {
  for (const std::string content :
       {"", "\r\n", "no header here\r\nReceived: x\r\nX-Ringpost-Job: y\r\n",
        "\r\nReceived: x\r\n\r\n", " folded\r\nReceived: x\r\n", ": no name\r\nReceived: x\r\n",
        "a b: c\r\nReceived: x\r\n"}) {
    const Scanned result = scanned(content);
    EXPECT_EQ(result.content, content);
    EXPECT_EQ(result.scan.received, 0U) << content;
    EXPECT_EQ(result.scan.job, "");
  }
}

}  // namespace
}  // namespace ringpost::mail
