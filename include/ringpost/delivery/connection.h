// One SMTP connection to an MX host: the stream, what the server offered, and the machine that
// runs its transactions. Made by the MX walk, leased by one runner at a time, kept idle by the
// connection cache. Between leases a receive stays armed, so that a server's farewell is seen.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "ringpost/base/intrusive_list.h"
#include "ringpost/base/ip_address.h"
#include "ringpost/config/config.h"
#include "ringpost/delivery/tracer.h"
#include "ringpost/net/stream.h"
#include "ringpost/net/tls_context.h"
#include "ringpost/queue/queue_group.h"
#include "ringpost/smtp/capabilities.h"
#include "ringpost/smtp/classify.h"
#include "ringpost/smtp/client_transaction.h"
#include "ringpost/smtp/reply.h"

namespace ringpost::delivery {

// Why a connection could not be used: what the server said, or our own words where it said nothing.
struct Trouble {
  smtp::Stage stage = smtp::Stage::connect;
  mail::EnhancedStatus status;
  std::string text;         // "421 4.7.0 Try later" or "connection refused"
  bool tls_failed = false;  // without STARTTLS it might have gone well
};

// What greet() is to do about STARTTLS.
struct TlsWish {
  config::TlsPolicy policy = config::TlsPolicy::none;
  net::TlsContext* context = nullptr;  // null: this sender speaks no TLS
  std::string resumption = {};         // as in net::TlsPeer
};

class ConnectionCache;
struct SameKeyTag;
struct IdleTag;
struct HeldTag;

class Connection : public ListHook<SameKeyTag>, public ListHook<IdleTag>, public ListHook<HeldTag> {
 public:
  struct Peer {
    std::string mx;  // the host's name
    Endpoint endpoint;
    std::string source;  // egress source, empty = the default
  };

  Connection(ring::Reactor& reactor, int fd, Peer peer, std::uint64_t id, queue::QueueGroup& group,
             queue::Destination& destination, Tracer& tracer);

  [[nodiscard]] const Peer& peer() const { return peer_; }
  [[nodiscard]] std::uint64_t id() const { return id_; }
  [[nodiscard]] queue::QueueGroup& group() const { return group_; }
  // That it counts for. Destinations may share a host: then the one that uses it.
  [[nodiscard]] queue::Destination& destination() const { return *destination_; }
  void count_for(queue::Destination& destination) { destination_ = &destination; }
  [[nodiscard]] net::Stream& stream() { return stream_; }
  [[nodiscard]] const smtp::Capabilities& capabilities() const { return capabilities_; }

  // Waits for the greeting, says EHLO (HELO if EHLO is not understood), and starts TLS where that
  // is offered or demanded. Nothing, or the trouble.
  ring::Task<std::optional<Trouble>> greet(std::string hostname, config::Timeouts timeouts,
                                           TlsWish wish);
  // "TLSv1.3"; empty in plain text.
  [[nodiscard]] std::string_view tls_version() const;
  // What became of a receive, in words for people.
  [[nodiscard]] std::string describe(int result) const;

  // Begins the transactions, or goes on with them, in lock-step or with as many at the same time as
  // the host bears.
  void start_transactions(smtp::Mode mode, std::size_t depth);
  [[nodiscard]] smtp::ClientTransactions& transactions() { return *transactions_; }
  [[nodiscard]] smtp::ReplyParser& parser() { return parser_; }

  // Whether anybody looks on, and tells them.
  [[nodiscard]] bool followed() const {
    return tracer_.anybody() && tracer_.follows(destination_->name());
  }
  void tell(TraceKind kind, std::string_view text) const;

  // Keeps a receive armed while the connection is idle.
  void watch() { stream_.watch(); }
  // The server has said or done something on the idle connection: it cannot be used any more.
  [[nodiscard]] bool disturbed() const { return stream_.disturbed(); }

  // Says QUIT, waits for the reply or the deadline, closes.
  ring::Task<void> quit(Instant deadline);
  // Closes without a word.
  ring::Task<void> close();
  // Ends whatever the connection waits for; its owner then finds it broken.
  void abort() { stream_.abort(); }

  std::uint32_t offered_total = 0;    // transactions begun on it
  std::uint32_t delivered_total = 0;  // messages accepted on it
  std::uint32_t refused_total = 0;    // messages refused to some recipient, not by a 421
  std::uint64_t bytes_confirmed = 0;  // of the stream, as told to the machine
  bool reused = false;                // came from the cache

  // The cache's: where it is found, and when it has been idle for too long.
  struct IdleTimer final : ring::Timer {
    void expired() override;

    ConnectionCache* cache = nullptr;
    Connection* connection = nullptr;
  };
  std::string cache_key;
  IdleTimer idle_timer;

 private:
  // Waits for the reply that ends `stage`, which the parser then has; without one, `trouble` says
  // why.
  enum class Answer : std::uint8_t { positive, refused, silence, surplus };
  ring::Task<Answer> read_reply(smtp::Stage stage, Instant deadline, Trouble& trouble);
  void say(std::string command);
  // EHLO, else HELO.
  ring::Task<Answer> say_hello(const std::string& hostname, const config::Timeouts& timeouts,
                               Trouble& trouble);
  // STARTTLS and EHLO again. True: the connection can serve, under TLS or, where the policy bears
  // it, in plain text.
  ring::Task<bool> secure(const std::string& hostname, const config::Timeouts& timeouts,
                          const TlsWish& wish, Trouble& trouble);

  ring::Reactor& reactor_;
  net::Stream stream_;
  Peer peer_;
  std::uint64_t id_;
  queue::QueueGroup& group_;
  queue::Destination* destination_;
  Tracer& tracer_;
  smtp::ReplyParser parser_;
  smtp::Capabilities capabilities_;
  std::optional<smtp::ClientTransactions> transactions_;
};

// What happened to the network, in words for people: "connection refused", "timed out after …".
[[nodiscard]] std::string describe_network_error(int result);

}  // namespace ringpost::delivery
