// The spool of a shard that is no more, because the number of shards is smaller now. It is opened
// in place, takes nothing, and hands over all that it holds by the durable hand-over: recipients to
// the shards that own them now, reports as the messages that they become. Then its files go. Owned
// by the shard that its number comes down to.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ringpost/control/inspect.h"
#include "ringpost/delivery/ledger.h"
#include "ringpost/intake/intake.h"
#include "ringpost/intake/reports.h"
#include "ringpost/shard/links.h"

namespace ringpost::shard {

class AdoptedSpool {
 public:
  struct Room {  // what outlives it
    ring::Reactor& reactor;
    const intake::Assignment& assignment;
    events::EventWriter& events;
    mail::IdSequence& ids;
    Links& links;
    intake::ContentMemory& memory;
  };

  // `number` is the shard's that it was.
  AdoptedSpool(Room room, std::uint32_t number, spool::SpoolSettings settings,
               std::string hostname);

  ring::Task<Result<spool::Recovered>> recover();
  [[nodiscard]] intake::HandOvers hand_overs() const { return intake_.hand_overs(); }
  void begin(const intake::HandOvers& all);

  // While the shards still answer each other; then, when they no longer do.
  ring::Task<void> stop_giving();
  ring::Task<void> close();

  [[nodiscard]] control::AdoptedView view() const { return {messages_, ledger_, spool_}; }

 private:
  [[nodiscard]] bool empty() const;
  ring::Task<void> run();
  ring::Task<void> remove_files();

  Room room_;
  std::uint32_t number_;
  std::string directory_;
  spool::Spool spool_;
  queue::Messages messages_;
  delivery::Ledger ledger_;
  std::vector<intake::LocalGroup> no_groups_;
  intake::Intake intake_;
  intake::Reports reports_;
  bool stopping_ = false;
  bool emptied_ = false;  // run() closes everything by itself
  ring::Event stop_;
  ring::Gate gate_;
};

}  // namespace ringpost::shard
