// Accepts SMTP clients on a shard's listening sockets and runs a session for each. Bounded in
// connections; when descriptors run out it pauses instead of spinning.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "ringpost/config/config.h"
#include "ringpost/intake/intake.h"
#include "ringpost/listener/session.h"
#include "ringpost/mail/id_sequence.h"
#include "ringpost/ring/reactor.h"

namespace ringpost::listener {

class Listener {
 public:
  Listener(ring::Reactor& reactor, intake::Intake& intake, mail::IdSequence& ids,
           const config::Config& config);

  // Takes over listening descriptors.
  void start(std::vector<int> descriptors);
  // No new clients; those without an open transaction are told 421, the others may finish theirs
  // until `deadline`, then every connection ends.
  ring::Task<void> close(Instant deadline);

  [[nodiscard]] std::size_t connections() const { return sessions_.running(); }

 private:
  ring::Task<void> accept_from(int descriptor);
  ring::Task<void> serve(int fd);
  ring::Task<void> turn_away(int fd, std::string_view words);
  // Counts a client's connection; false: it has as many as it may have.
  bool enter(const IpAddress& client);
  void leave(const IpAddress& client);

  ring::Reactor& reactor_;
  intake::Intake& intake_;
  mail::IdSequence& ids_;
  const config::Config& config_;
  smtp::ServerSettings settings_;
  std::vector<int> descriptors_;
  std::vector<ring::Operation*> accepts_;
  IntrusiveList<Session, SessionTag> open_;
  std::map<IpAddress, std::uint32_t> clients_;  // their connections; as many as those at most
  bool closing_ = false;
  ring::Event stop_;
  ring::Gate acceptors_;
  ring::Gate sessions_;
};

}  // namespace ringpost::listener
