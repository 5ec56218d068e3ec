// Where messages lie that were copied to another segment while their callers went on to name them
// by their old places. Also knows the copies that are not durable yet: until then the old place
// counts. (pure)
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "ringpost/spool/location.h"

namespace ringpost::spool {

class Relocations {
 public:
  struct Copy {
    Location old_place;
    Location new_place;
    bool finished = false;  // the message was, at its old place, while it was being copied
  };

  [[nodiscard]] Location resolve(Location location) const;

  // A copy was appended.
  void begin(const Location& old_place, const Location& new_place);
  // The place of the copy under way, if there is one.
  [[nodiscard]] std::optional<Location> copy_of(const Location& old_place) const;
  // The message at the old place is finished: so will be its copy.
  void finished(const Location& old_place);
  // All copies under way: whether they became durable is for the caller to know.
  std::vector<Copy> end();
  // From now on the message is named by its new place.
  void add(const Location& old_place, const Location& new_place);

  // No message that lay in it is open any more.
  void segment_retired(std::uint32_t segment);

  [[nodiscard]] std::size_t segments() const { return moved_.size(); }

 private:
  std::vector<Copy> under_way_;  // a few dozen
  // By the segment, and the offset, of the old place.
  std::map<std::uint32_t, std::map<std::uint32_t, Location>> moved_;
};

}  // namespace ringpost::spool
