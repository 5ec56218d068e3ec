// Makes the newsletters that the source sends: one text built at the start, of which each message
// changes the id, the checksum and a line of the body. Knows no SMTP but dot-stuffing, which is
// done once. Every body has lines that begin with a dot, one of them a lone dot, so that a relay
// that gets them wrong shows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ringpost/base/result.h"

namespace ringpost::bench {

inline constexpr std::string_view id_header = "X-Bench-Id: ";
inline constexpr std::string_view checksum_header = "X-Bench-Checksum: ";

class MessageMaker {
 public:
  // `size` is in bytes, header included, before dot-stuffing. Fails when it is too small.
  static Result<MessageMaker> create(std::size_t size, std::uint64_t seed);

  // Appends message `id` as it goes over the wire, terminator included.
  void append(std::string& wire, std::uint64_t id);
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  MessageMaker() = default;

  std::size_t size_ = 0;
  std::string wire_;  // header, stuffed body, terminator
  std::string body_;  // plain: what is checked
  std::vector<std::size_t> id_in_wire_;
  std::size_t checksum_in_wire_ = 0;
  std::size_t id_in_body_ = 0;
};

// What a receiver sees of a message: its id, and whether its body is the one that was sent.
struct Inspection {
  bool has_id = false;
  bool intact = false;
  std::uint64_t id = 0;
};

// `content` is unstuffed, without the terminator. Only the header block is searched, so that a
// bounce that returns one of our messages is not taken for it.
[[nodiscard]] Inspection inspect(std::string_view content);

}  // namespace ringpost::bench
