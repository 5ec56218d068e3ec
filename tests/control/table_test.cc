#include "table.h"

#include <gtest/gtest.h>

namespace ringpost::tool {
namespace {

TEST(Printable, LetsNoReplyWriteToTheTerminal) {
  EXPECT_EQ(printable("550 5.1.1 No such user"), "550 5.1.1 No such user");
  EXPECT_EQ(printable("b\xc3\xbc\x63her \xe2\x82\xac \xf0\x9f\x93\xac"),
            "b\xc3\xbc\x63her \xe2\x82\xac \xf0\x9f\x93\xac");
  EXPECT_EQ(printable("a\x1b[2Jb\r\nc\td\x7f"), "a?[2Jb??c?d?");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "?31m");  // C1: CSI
  EXPECT_EQ(printable("\xe2\x80\xae"
                      "abc"),
            "?abc");                                                // turns the direction around
  EXPECT_EQ(printable("\xff\xc3(\xe2\x82"), "?\?(??");              // no UTF-8, or cut off
  EXPECT_EQ(printable("\xc0\x9b\xe0\x80\x9b"), "?????");            // overlong
  EXPECT_EQ(printable("\xed\xa0\x80\xf4\x90\x80\x80"), "???????");  // surrogate, beyond the end
}

TEST(Table, AlignsItsColumns) {
  Table table({{"name"}, {"count", Table::Align::right}, {"reply"}});
  table.add({"b\xc3\xbc\x63her", "5", "ok"});
  table.add({"x", "12345678", ""});
  EXPECT_EQ(table.to_string(),
            "name       count  reply\n"
            "b\xc3\xbc\x63her         5  ok\n"
            "x       12345678\n");
}

}  // namespace
}  // namespace ringpost::tool
