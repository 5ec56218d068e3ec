// What people see who follow a destination's connections: the SMTP dialogue as it happens, without
// contents and secrets. Written by connections and the MX walk, read through the control socket.
// Each follower has a bounded buffer: who reads slowly loses lines, is told how many, and holds up
// nobody. While nobody follows it costs one branch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/base/time.h"

namespace ringpost::delivery {

enum class TraceKind : char {
  sent = '>',   // a command of ours, or what stands for a content
  said = '<',   // a line of the server's
  event = '*',  // what happened to the connection
};

struct TraceLine {
  WallTime time;
  std::uint64_t connection = 0;  // as in the event log; 0: there is none yet
  std::string mx;
  std::string address;
  TraceKind kind = TraceKind::event;
  std::string text;
};

class Tracer {
 public:
  static constexpr std::size_t most_followers = 16;
  static constexpr std::size_t most_lines = 2000;   // kept for a follower
  static constexpr std::size_t longest_text = 512;  // of a line; the rest is cut off
  static constexpr Duration forgotten_after = 10s;  // a follower that does not ask

  struct Taken {
    std::vector<TraceLine> lines;
    std::uint64_t lost = 0;  // lines, since the last time
  };

  [[nodiscard]] bool anybody() const { return !followers_.empty(); }
  // Whether anybody follows this destination.
  [[nodiscard]] bool follows(std::string_view destination) const;
  // `line.text` may hold several lines, each ended by a line feed.
  void note(std::string_view destination, const TraceLine& line, Instant now);
  // What the follower has not seen yet. Its first question makes it one; nothing: there are too
  // many already.
  std::optional<Taken> take(std::string_view follower, std::string_view destination, Instant now);

 private:
  struct Follower {
    std::string name;
    std::string destination;
    std::deque<TraceLine> lines;
    std::uint64_t lost = 0;
    Instant asked;
  };

  void forget_silent(Instant now);

  std::vector<Follower> followers_;
};

}  // namespace ringpost::delivery
