#include "ringpost/control/http.h"

#include <gtest/gtest.h>

#include <string>

namespace ringpost::control {
namespace {

const std::string good_request =
    "POST /explain?address=a@b HTTP/1.1\r\n"
    "Host: x\r\n"
    "X-Empty:\r\n"
    "Content-LENGTH: \t5 \r\n"
    "\r\n"
    "hello";

TEST(Request, IsReadWhole) {
  RequestReader reader;
  const auto [state, used] = reader.feed(good_request + "GET /second HTTP/1.1");
  EXPECT_EQ(state, ReadState::done);
  EXPECT_EQ(used, good_request.size());
  EXPECT_EQ(reader.method(), "POST");
  EXPECT_EQ(reader.target(), "/explain?address=a@b");
  EXPECT_EQ(reader.field("host"), "x");
  EXPECT_EQ(reader.field("x-empty"), "");
  EXPECT_EQ(reader.field("missing"), "");
  EXPECT_EQ(reader.body(), "hello");
}

TEST(Request, IsReadTheSameWhereverItIsSplit) {
  for (std::size_t split = 0; split <= good_request.size(); ++split) {
    RequestReader reader;
    const std::string_view bytes = good_request;
    EXPECT_EQ(reader.feed(bytes.substr(0, split)).state,
              split == bytes.size() ? ReadState::done : ReadState::need_more);
    EXPECT_EQ(reader.feed(bytes.substr(split)).state, ReadState::done) << split;
    EXPECT_EQ(reader.target(), "/explain?address=a@b");
    EXPECT_EQ(reader.body(), "hello");
  }
  RequestReader drip;
  for (const char c : good_request) {
    EXPECT_EQ(drip.feed({&c, 1}).used, 1U);
  }
  EXPECT_EQ(drip.state(), ReadState::done);
  EXPECT_EQ(drip.feed("more").used, 0U);
}

TEST(Request, NeedsNoBody) {
  RequestReader reader;
  EXPECT_EQ(reader.feed("GET / HTTP/1.0\r\n\r\n").state, ReadState::done);
  EXPECT_EQ(reader.body(), "");
}

int fault_of(const std::string& request) {
  RequestReader reader;
  EXPECT_EQ(reader.feed(request).state, ReadState::malformed) << request;
  EXPECT_FALSE(reader.fault().empty());
  // Split, it is refused all the same.
  RequestReader split;
  for (const char c : request) {
    split.feed({&c, 1});
  }
  EXPECT_EQ(split.fault_status(), reader.fault_status()) << request;
  return reader.fault_status();
}

std::string with_header(const std::string& lines) {
  return "GET / HTTP/1.1\r\n" + lines + "\r\n\r\n";
}

TEST(Request, OfAnotherShapeIsRefused) {
  for (const char* line :
       {"", " ", "GET", "GET /", "GET / HTTP/1.1 x", "GET  / HTTP/1.1", "GET x HTTP/1.1",
        "GET /\x01 HTTP/1.1", "GET /\xc3\xbc HTTP/1.1", "GET / http/1.1", "GET / FTP/1",
        "G@T / HTTP/1.1", "GET / HTTP/1.1\r", "GET / HTTP/1.1\nHost: x", "GET /\t HTTP/1.1"}) {
    EXPECT_EQ(fault_of(std::string(line) + "\r\n\r\n"), 400) << line;
  }
  EXPECT_EQ(fault_of("GET / HTTP/2.0\r\n\r\n"), 505);
  EXPECT_EQ(fault_of("DELETE / HTTP/1.1\r\n\r\n"), 501);
}

TEST(Request, WithABadHeaderIsRefused) {
  for (const std::string& lines :
       {std::string("Host: a\r\n b"), std::string("Host: a\r\n\tb"), std::string(" Host: a"),
        std::string("Host"), std::string(": a"), std::string("Ho st: a"), std::string("Host : a"),
        std::string("Host: a\nX: b"), std::string("Host: a\rX: b"), std::string("Host: a\0b", 9),
        std::string("Host: \x1b[2J"), std::string("Content-Length: x"),
        std::string("Content-Length:"), std::string("Content-Length: -1"),
        std::string("Content-Length: +1"), std::string("Content-Length: 1, 1"),
        std::string("Content-Length: 99999999999999999999"),
        std::string("Content-Length: 0\r\nContent-Length: 0")}) {
    EXPECT_EQ(fault_of(with_header(lines)), 400) << lines;
  }
  EXPECT_EQ(fault_of(with_header("Transfer-Encoding: chunked")), 501);
  EXPECT_EQ(fault_of(with_header("Content-Length: 0\r\nTransfer-Encoding: chunked")), 501);
}

TEST(Request, IsBounded) {
  EXPECT_EQ(fault_of("GET /" + std::string(max_head_bytes, 'a')), 431);
  EXPECT_EQ(fault_of(std::string(max_head_bytes, '\n')), 431);
  EXPECT_EQ(fault_of(with_header("Content-Length: " + std::to_string(max_request_body + 1))), 413);
  std::string many;
  for (int i = 0; i < 101; ++i) {
    many += "X: y\r\n";
  }
  EXPECT_EQ(fault_of(with_header(many + "X: z")), 431);

  RequestReader largest;
  largest.feed("POST / HTTP/1.1\r\nContent-Length: " + std::to_string(max_request_body) +
               "\r\n\r\n");
  EXPECT_EQ(largest.feed(std::string(max_request_body - 1, 'x')).state, ReadState::need_more);
  const auto [state, used] = largest.feed("xyz");
  EXPECT_EQ(state, ReadState::done);
  EXPECT_EQ(used, 1U);

  const std::string start = "GET / HTTP/1.1\r\nX: ";
  RequestReader longest;
  EXPECT_EQ(
      longest.feed(start + std::string(max_head_bytes - start.size() - 4, 'x') + "\r\n\r\n").state,
      ReadState::done);
}

TEST(Request, OfOurOwnIsRead) {
  RequestReader reader;
  EXPECT_EQ(reader.feed(format_request("GET", "/status")).state, ReadState::done);
  EXPECT_EQ(reader.target(), "/status");
  EXPECT_EQ(reader.field("connection"), "close");
}

TEST(Response, OfOurOwnIsReadWhereverItIsSplit) {
  const std::string response = format_response(404, "application/json", "{\"a\":1}");
  EXPECT_TRUE(response.starts_with("HTTP/1.1 404 Not Found\r\n"));
  for (std::size_t split = 0; split <= response.size(); ++split) {
    ResponseReader reader;
    const std::string_view bytes = response;
    reader.feed(bytes.substr(0, split));
    EXPECT_EQ(reader.feed(bytes.substr(split)).state, ReadState::done);
    EXPECT_EQ(reader.status(), 404);
    EXPECT_EQ(reader.body(), "{\"a\":1}");
    EXPECT_EQ(reader.field("content-type"), "application/json");
  }
}

TEST(Response, OfAnotherShapeIsRefused) {
  for (const char* response :
       {"HTTP/1.1 200 OK\r\n\r\n", "220 mail.example ESMTP\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 099 x\r\n\r\n", "HTTP/1.1 600 x\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 200 O\x07K\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1  200\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 67108865\r\n\r\n"}) {
    ResponseReader reader;
    EXPECT_EQ(reader.feed(response).state, ReadState::malformed) << response;
  }
  ResponseReader without_reason;
  EXPECT_EQ(without_reason.feed("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n").state,
            ReadState::done);
}

}  // namespace
}  // namespace ringpost::control
