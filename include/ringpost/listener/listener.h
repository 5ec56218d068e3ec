// Accepts SMTP clients on a shard's listening sockets and runs a session for each. Bounded in
// connections; whom it cannot serve it tells so. It has a share of the process's descriptors, and
// one spare: should they run out nevertheless, the spare one serves to accept clients one after the
// other and to send them away.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
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
  struct Share {  // of the process's descriptors
    std::uint32_t clients = 1000;
    std::uint32_t acceptors = 8;  // for each socket; each may have a client that it sends away
  };

  // `tls` outlives the listener; null: STARTTLS is not offered.
  Listener(ring::Reactor& reactor, intake::Intake& intake, mail::IdSequence& ids,
           const config::Config& config, net::TlsContext* tls, Share share);

  // What is taken from the configuration is read again.
  void configuration_changed();
  // Takes over listening descriptors. Who connects to those that are `proxied` says first, in the
  // header of the PROXY protocol, for whom.
  void start(std::vector<int> descriptors, std::vector<int> proxied = {});
  // No new clients; those without an open transaction are told 421, the others may finish theirs
  // until `deadline`, then every connection ends.
  ring::Task<void> close(Instant deadline);

  [[nodiscard]] std::size_t connections() const { return sessions_.running(); }

 private:
  struct Client {
    IpAddress address;  // not for any that is unknown
    smtp::ClientInfo info;
  };

  ring::Task<void> accept_from(int descriptor, bool proxied);
  // No descriptor is free: accepts one client on the spare one.
  ring::Task<void> accept_on_spare(int descriptor, bool proxied);
  [[nodiscard]] bool full() const;
  void take_spare();
  void complain(int error);
  ring::Task<void> serve(int fd, bool proxied);
  // The client behind a proxy, from the header, and in `behind` what came after it. False: it is
  // not for us to answer.
  ring::Task<bool> read_proxy_header(int fd, Client& client, std::string& behind);
  [[nodiscard]] Client client_at(const std::optional<Endpoint>& peer) const;
  ring::Task<void> turn_away(int fd, std::string_view words);
  // Counts a client's connection; false: it has as many as it may have.
  bool enter(const IpAddress& client);
  void leave(const IpAddress& client);

  ring::Reactor& reactor_;
  intake::Intake& intake_;
  mail::IdSequence& ids_;
  const config::Config& config_;
  net::TlsContext* tls_;
  Share share_;
  int spare_ = -1;           // a descriptor of no use
  bool spare_lent_ = false;  // to an acceptor
  bool complained_ = false;  // of having none
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
