// Which lane the next free runner of a group serves: round robin among the lanes with ready work
// that are below their limits and not suspended. Owns lanes and destinations. Used by the queue
// group only; decides nothing about recipients.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ringpost/queue/holds.h"
#include "ringpost/queue/lane.h"
#include "ringpost/queue/now.h"
#include "ringpost/queue/schedule.h"

namespace ringpost::queue {

struct GroupSettings;

// A place on a lane: one connection in use, or on its way. Whoever got it gives it back. A runner
// comes with it; while connecting takes long, the seat does without (see part_from_runner()).
struct Seat {
  Lane* lane = nullptr;
  bool fresh = true;  // has taken no entry yet
  bool has_runner = true;
  bool in_line = false;  // connected, waits for a runner

  explicit operator bool() const { return lane != nullptr; }
};

class LaneScheduler {
 public:
  explicit LaneScheduler(const GroupSettings& settings);

  Lane& lane_for(const LaneKey& key);
  // Forgets a lane that no domain and no runner uses.
  void drop_if_unused(Lane& lane);

  // To be called whenever a lane got ready work.
  void work_added(Lane& lane, Now now);
  // Puts the lane where it belongs now: after any change to its limits, status or seats.
  void place(Lane& lane, Now now);

  Seat acquire(Now now);
  void release(Seat& seat, Now now);
  // Connecting takes long: the runner is free for other lanes, the attempt goes on. False: too many
  // do so already.
  bool part_from_runner(Seat& seat);
  // There is a connection after all. False: no runner is free, and the seat is in line for one.
  bool regain_runner(Seat& seat);
  // A server of this lane has greeted us: from now on it may have as many seats as others.
  void greeted(Lane& lane, Now now);
  // Lanes whose time has come look for a runner again.
  void advance(Now now);
  [[nodiscard]] Instant next_due() { return waiting_.next_due(); }

  // Whether another lane could use the runner, or the seat, that serves `lane`.
  [[nodiscard]] bool others_wait(const Lane& lane);
  [[nodiscard]] std::uint32_t runners_busy() const { return busy_; }
  [[nodiscard]] std::uint32_t attempts() const { return attempts_; }  // seats without a runner
  [[nodiscard]] std::uint32_t slow_seats() const { return slow_seats_; }
  [[nodiscard]] std::uint32_t slow_limit() const;

  void connection_closed(Destination& destination);
  void new_rate();  // the settings changed
  // To be called again after each change; `holds` outlives the scheduler.
  void use_holds(const Holds& holds, Now now);

  // Lanes with ready work that nobody may serve before a certain time.
  template <class Visit>
  void for_each_waiting(Visit visit) {
    waiting_.for_each(visit);
  }
  template <class Visit>
  void for_each_destination(Visit visit) const {
    for (const auto& [key, destination] : destinations_) {
      visit(*destination);
    }
  }
  template <class Visit>
  void for_each_lane(Visit visit) const {
    for (const auto& [key, lane] : lanes_) {
      visit(*lane);
    }
  }

 private:
  friend class QueueGroup;

  using Lanes = IntrusiveList<Lane, LaneTag>;

  [[nodiscard]] bool is_held(std::string_view destination) const;
  Destination& destination_for(const LaneKey& key);
  void drop_if_unused(Destination& destination);
  struct Decision {
    Lane::Place place = Lane::Place::nowhere;
    Instant until;  // waiting, patience
  };
  [[nodiscard]] Decision decide(const Lane& lane, Now now) const;
  [[nodiscard]] static bool is_slow(const Lane& lane) {
    return lane.slow_ || lane.status_.state() == HostStatus::State::down;
  }
  void unblock_one(Destination& destination, Now now);

  const GroupSettings& settings_;
  const Holds* holds_ = nullptr;
  std::map<std::string, std::unique_ptr<Destination>> destinations_;
  std::map<std::string, std::unique_ptr<Lane>> lanes_;
  Lanes ready_;
  Lanes slow_ready_;
  Schedule<Lane, LaneTag> waiting_;
  std::uint32_t busy_ = 0;
  std::uint32_t attempts_ = 0;
  std::uint32_t in_line_ = 0;
  std::uint32_t slow_seats_ = 0;     // those with a runner
  std::uint32_t slow_attempts_ = 0;  // those without
  std::uint32_t turns_ = 0;
};

}  // namespace ringpost::queue
