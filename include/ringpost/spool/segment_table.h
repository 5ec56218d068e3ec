// What each segment in use still serves: live messages of its own, and records (outcomes,
// deferrals, hand-overs, voids) that speak of messages in older segments. Decides which segment may
// be retired: one without live messages whose records speak only of segments that are durably
// retired, so that no outcome is forgotten while its message could still be recovered. (pure)
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace ringpost::spool {

class SegmentTable {
 public:
  // A segment is busy (never retired) from add() until settled(): it is written to or sealed.
  void add(std::uint64_t segment);
  void settled(std::uint64_t segment);

  void message_added(std::uint64_t segment, std::uint64_t bytes);
  // True if it was the segment's last one.
  bool message_finished(std::uint64_t segment, std::uint64_t bytes);
  // `segment` holds a record about a message (or void batches) of `other`.
  void add_reference(std::uint64_t segment, std::uint64_t other);

  // Not retired meanwhile: somebody reads it.
  void pin(std::uint64_t segment) { ++at(segment).pins; }
  void unpin(std::uint64_t segment) { --at(segment).pins; }

  // Those worth copying, and their live bytes: what is live in them is at most so much of the space
  // that they keep. Beside their own that is the segments without live messages that are there only
  // for what they say of messages in others; of one that speaks of several, each keeps its share.
  [[nodiscard]] std::vector<std::pair<std::uint64_t, std::uint64_t>> mostly_dead(
      std::uint64_t segment_size, std::uint64_t most_live_percent) const;
  // Those with records that speak of messages in `segment`, oldest first.
  [[nodiscard]] std::vector<std::uint64_t> referring_to(std::uint64_t segment) const;
  // Messages; 0 for a segment that is not in use.
  [[nodiscard]] std::uint64_t live_in(std::uint64_t segment) const;

  // The oldest segment that can be retired, which from now on is being retired; then, once its
  // header says so on disk, retired(). If that failed, it stays as it is until a restart.
  [[nodiscard]] std::optional<std::uint64_t> next_to_retire();
  void retired(std::uint64_t segment);

  [[nodiscard]] bool contains(std::uint64_t segment) const { return segments_.contains(segment); }
  [[nodiscard]] std::size_t size() const { return segments_.size(); }
  [[nodiscard]] std::uint64_t live_messages() const { return live_messages_; }
  [[nodiscard]] std::uint64_t live_bytes() const { return live_bytes_; }

 private:
  struct Segment {
    std::uint64_t live = 0;
    std::uint64_t live_bytes = 0;
    std::uint32_t pins = 0;
    bool busy = true;
    bool retiring = false;
    std::vector<std::uint64_t> references;  // sorted, of segments in the table
  };
  Segment& at(std::uint64_t segment);

  std::map<std::uint64_t, Segment> segments_;
  std::uint64_t live_messages_ = 0;
  std::uint64_t live_bytes_ = 0;
};

}  // namespace ringpost::spool
