// Writes a report on standard output, for parse_report.py: `plain` or `eight-bit`.
#include <cstdio>
#include <string>
#include <string_view>

#include "ringpost/dsn/report.h"

int main(int count, char** arguments) {
  using namespace ringpost;
  const bool eight_bit = count > 1 && std::string_view(arguments[1]) == "eight-bit";
  std::string content =
      "Received: from client by relay.example\r\nSubject: Our news\r\n"
      "X-Folded: one\r\n\ttwo\r\n";
  content += eight_bit ? "X-Name: J\xc3\xb6rg \xff\r\n" : "";
  content += "\r\nThe body, which is not returned.\r\n";
  const dsn::ReportedMessage message = {.id = {77},
                                        .arrived = WallTime(1'700'000'000s),
                                        .sender = "list@sender.example",
                                        .envid = "QQ+2B314",
                                        .received_from = "client.example",
                                        .tenant = "",
                                        .job = "",
                                        .content = content};
  const mail::Message report = dsn::delivery_report(
      message,
      {{"gone@x.example",
        {5, 1, 1},
        "550 5.1.1 No such user here, and a long explanation of it that needs to be folded",
        "mx.x.example",
        WallTime(1'700'000'100s),
        false},
       {"slow@y.example", {4, 2, 2}, "452 4.2.2 Mailbox full", "mx.y.example", {}, true},
       {"own@z.example", {}, "The domain takes no mail", "", {}, false}},
      {78}, "relay.example", WallTime(1'700'000'200s));
  std::fwrite(report.content.data(), 1, report.content.size(), stdout);
  return 0;
}
