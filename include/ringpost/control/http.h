// HTTP/1.1 as far as the control socket needs it: one request, one response, then the connection
// closes. Reads requests for the server and responses for the client, incrementally and within
// bounds. Pure: bytes in, values out.
//
// Why not llhttp: Debian ships it only as sources inside a package of JavaScript libraries, 18,000
// generated lines of C that do not pass our warnings, and it takes line folding and other leniency
// that would have to be refused in front of it. Only our own tool and metric scrapers speak here,
// so this reads the strict grammar of RFC 9112 and nothing else: no folding, no chunked bodies, no
// bare CR or LF, no control characters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringpost::control {

inline constexpr std::size_t max_head_bytes = 8 * 1024;             // first line and header fields
inline constexpr std::size_t max_request_body = 64 * 1024;          // bytes
inline constexpr std::size_t max_response_body = 64 * 1024 * 1024;  // bytes; read by our tool only

enum class ReadState : std::uint8_t { need_more, done, malformed };

// The part that requests and responses share: collects bytes up to the end of the body.
class HttpReader {
 public:
  struct Field {
    std::string name;   // lower case
    std::string value;  // without white space at its ends
  };

  // Takes bytes until it is done or malformed; `used` says how many. What follows is not ours.
  struct Progress {
    ReadState state;
    std::size_t used;
  };
  Progress feed(std::string_view bytes);

  [[nodiscard]] ReadState state() const { return state_; }
  // Once malformed: the HTTP status to answer with, and why.
  [[nodiscard]] int fault_status() const { return fault_status_; }
  [[nodiscard]] const std::string& fault() const { return fault_; }

  // Once done. A field that is missing is empty.
  [[nodiscard]] std::string_view field(std::string_view lower_case_name) const;
  [[nodiscard]] const std::string& body() const { return body_; }

 protected:
  HttpReader(std::size_t max_body, bool length_required)
      : max_body_(max_body), length_required_(length_required) {}
  HttpReader(const HttpReader&) = default;
  HttpReader(HttpReader&&) = default;
  HttpReader& operator=(const HttpReader&) = default;
  HttpReader& operator=(HttpReader&&) = default;
  virtual ~HttpReader() = default;
  // False after a call of malformed().
  virtual bool read_first_line(std::string_view line) = 0;
  bool malformed(int status, std::string why);

 private:
  bool read_head();
  bool read_field(std::string_view line);
  bool read_length();

  std::size_t max_body_;
  bool length_required_;
  std::string head_;
  bool head_done_ = false;
  std::vector<Field> fields_;
  std::size_t length_ = 0;
  std::string body_;
  ReadState state_ = ReadState::need_more;
  int fault_status_ = 0;
  std::string fault_;
};

class RequestReader final : public HttpReader {
 public:
  RequestReader() : HttpReader(max_request_body, false) {}

  [[nodiscard]] const std::string& method() const { return method_; }  // GET or POST
  // Path and query as sent: begins with a slash, visible ASCII only.
  [[nodiscard]] const std::string& target() const { return target_; }

 private:
  bool read_first_line(std::string_view line) override;

  std::string method_;
  std::string target_;
};

// A response without Content-Length is malformed: a broken connection must not look like an end.
class ResponseReader final : public HttpReader {
 public:
  ResponseReader() : HttpReader(max_response_body, true) {}

  [[nodiscard]] int status() const { return status_; }

 private:
  bool read_first_line(std::string_view line) override;

  int status_ = 0;
};

// Whole messages, ready to send. `target` must be free of spaces and control characters.
[[nodiscard]] std::string format_request(std::string_view method, std::string_view target,
                                         std::string_view body = {});
[[nodiscard]] std::string format_response(int status, std::string_view content_type,
                                          std::string_view body);

}  // namespace ringpost::control
