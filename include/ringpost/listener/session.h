// One client's connection: carries bytes between the stream and the pure SMTP machine, hands
// complete messages to intake, and lets their replies out in order when they are durable. While
// messages commit it parses on.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ringpost/base/intrusive_list.h"
#include "ringpost/intake/intake.h"
#include "ringpost/mail/id_sequence.h"
#include "ringpost/net/stream.h"
#include "ringpost/net/tls_context.h"
#include "ringpost/ring/reactor.h"
#include "ringpost/smtp/server_session.h"

namespace ringpost::listener {

struct SessionTag;

class Session : public ListHook<SessionTag> {
 public:
  // `tls` is null where STARTTLS is not offered.
  Session(ring::Reactor& reactor, intake::Intake& intake, int fd,
          const smtp::ServerSettings& settings, smtp::ClientInfo client, mail::IdSequence& ids,
          net::TlsContext* tls, Duration command_timeout, Duration block_timeout);

  // Until the client or the server ends it; then the connection is closed. `early` is what the
  // client has said already.
  ring::Task<void> run(std::string early = {});

  // The daemon goes down: ends at once unless a transaction is open.
  void shut_down();
  void abort() { stream_.abort(); }

 private:
  enum class Next : std::uint8_t { receive, start_tls, end };

  // Feeds all of it to the machine, waiting where too much is pending or memory is short; who waits
  // for memory keeps no buffer of the pool meanwhile.
  ring::Task<Next> consume(net::Received& received);
  // More for the content that is coming in, or it will be refused.
  ring::Task<void> get_memory();
  // Shakes hands. False: the session ends.
  ring::Task<bool> start_tls();
  ring::Task<void> submit(std::uint64_t number, std::unique_ptr<mail::Message> message,
                          intake::MemoryGrant grant);
  void flush();

  ring::Reactor& reactor_;
  intake::Intake& intake_;
  net::Stream stream_;
  smtp::ServerSession machine_;
  net::TlsContext* tls_;
  std::string client_;  // its address, for people
  Duration command_timeout_;
  Duration block_timeout_;
  intake::MemoryGrant grant_;  // for the content that is coming in
  bool shutting_down_ = false;
  ring::Event completed_;
  ring::Gate submissions_;
};

}  // namespace ringpost::listener
