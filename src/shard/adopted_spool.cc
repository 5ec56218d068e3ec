#include "ringpost/shard/adopted_spool.h"

#include <utility>

#include "ringpost/base/log.h"

namespace ringpost::shard {
namespace {

constexpr Duration look_every = 100ms;
// How long its last segments may take to be retired.
constexpr int most_looks = 100;

}  // namespace

AdoptedSpool::AdoptedSpool(Room room, std::uint32_t number, spool::SpoolSettings settings,
                           std::string hostname)
    : room_(room),
      number_(number),
      directory_(settings.directory),
      spool_(room.reactor, std::move(settings)),
      ledger_(room.reactor, spool_, room.events, messages_, room.ids, number),
      intake_({room.reactor, room.assignment, spool_, room.events, messages_, ledger_, room.links,
               room.memory, number},
              no_groups_),
      reports_(room.reactor, spool_, ledger_, std::move(hostname)),
      gate_(room.reactor.ready()) {}

ring::Task<Result<spool::Recovered>> AdoptedSpool::recover() {
  ledger_.start(reports_);
  spool::RecoverySink sink = [this](spool::RecoveredMessage&& message) {
    intake_.recover(std::move(message));
  };
  const Result<spool::Recovered> recovered = co_await spool_.open(std::move(sink));
  if (recovered) {
    log::info("the spool of shard {}, which is no more, has {} messages to hand over", number_,
              recovered->messages);
  }
  co_return recovered;
}

void AdoptedSpool::begin(const intake::HandOvers& all) {
  room_.links.adopt(number_, &intake_);
  reports_.start(intake_);
  intake_.resume(all);
  gate_.spawn(run());
}

bool AdoptedSpool::empty() const {
  return messages_.size() == 0 && ledger_.reports_owed() == 0 && intake_.unconfirmed() == 0;
}

ring::Task<void> AdoptedSpool::run() {
  while (!stopping_ && !empty()) {
    co_await stop_.wait_until(room_.reactor.timers(), room_.reactor.now() + look_every);
  }
  if (stopping_) {
    co_return;
  }
  emptied_ = true;
  co_await reports_.close();
  co_await intake_.close();
  room_.links.adopt(number_, nullptr);
  co_await ledger_.close();
  // Once all segments are retired but the one that was written last, no order of removing the files
  // brings anything back.
  for (int look = 0; look < most_looks && !stopping_ && spool_.counters().segments > 1; ++look) {
    co_await stop_.wait_until(room_.reactor.timers(), room_.reactor.now() + look_every);
  }
  const bool all_retired = spool_.counters().segments <= 1;
  co_await spool_.close();
  if (all_retired) {
    co_await remove_files();
  } else {
    log::warning("{} is empty of mail, but its files cannot be removed yet", directory_);
  }
}

ring::Task<void> AdoptedSpool::remove_files() {
  std::vector<std::string> names;
  room_.reactor.kernel().list_directory(directory_, names);
  for (const std::string& name : names) {
    if (name.ends_with(".segment")) {
      const std::string path = directory_ + "/" + name;
      co_await room_.reactor.unlink(path);
    }
  }
  log::info("all mail of shard {}, which is no more, was handed over", number_);
}

ring::Task<void> AdoptedSpool::stop_giving() {
  stopping_ = true;
  stop_.notify_all();
  if (emptied_) {
    co_await gate_.close();
    co_return;
  }
  co_await reports_.close();
  co_await intake_.close();
}

ring::Task<void> AdoptedSpool::close() {
  co_await gate_.close();
  if (!emptied_) {
    co_await ledger_.close();
    co_await spool_.close();
  }
}

}  // namespace ringpost::shard
