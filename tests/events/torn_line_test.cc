// A piece of a line that a kill left must not swallow the first line of the next life.
#include "ringpost/events/torn_line.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

namespace ringpost::events {
namespace {

class TornLine : public ::testing::Test {
 protected:
  void write(const std::string& text) const { std::ofstream(path_) << text; }
  [[nodiscard]] std::string after_start() const {
    end_torn_line(path_);
    std::ostringstream text;
    text << std::ifstream(path_).rdbuf();
    return text.str();
  }
  ~TornLine() override { ::unlink(path_.c_str()); }

  const std::string path_ =
      ::testing::TempDir() + "ringpost-torn-line-" + std::to_string(::getpid());
};

TEST_F(TornLine, IsEndedOnce) {
  write("{\"a\":1}\n{\"b\"");
  EXPECT_EQ(after_start(), "{\"a\":1}\n{\"b\"\n");
  EXPECT_EQ(after_start(), "{\"a\":1}\n{\"b\"\n");
}

TEST_F(TornLine, WholeLinesAndEmptyLogsStayAsTheyAre) {
  write("{\"a\":1}\n");
  EXPECT_EQ(after_start(), "{\"a\":1}\n");
  write("");
  EXPECT_EQ(after_start(), "");
}

TEST_F(TornLine, WhatIsNoFileIsLeftAlone) {
  end_torn_line("/dev/null");
  end_torn_line(path_);
  EXPECT_NE(::access(path_.c_str(), F_OK), 0) << "a log was made";
}

}  // namespace
}  // namespace ringpost::events
