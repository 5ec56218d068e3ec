// A shard: one thread's worth of mail. Composes the rooms by value, in the order in which they
// depend on each other, and knows how they start and how they end. What happens in between is the
// rooms' affair; no room knows the shard.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "ringpost/config/load.h"
#include "ringpost/control/inspect.h"
#include "ringpost/delivery/group_service.h"
#include "ringpost/intake/intake.h"
#include "ringpost/intake/reports.h"
#include "ringpost/listener/listener.h"
#include "ringpost/shard/adopted_spool.h"
#include "ringpost/shard/descriptor_shares.h"
#include "ringpost/shard/links.h"
#include "ringpost/shard/post_office.h"

namespace ringpost::shard {

struct ShardSettings {
  std::uint32_t number = 0;
  config::Loaded configuration;  // this shard's own copy
  std::vector<Endpoint> dns_servers;
  std::vector<Endpoint> listening;  // own endpoints, where no mail may be sent
  DescriptorShares descriptors = {};
  unsigned receive_buffers = 4096;
  std::unique_ptr<net::TlsContext> server_tls = nullptr;         // null: STARTTLS is not offered
  std::unique_ptr<net::TlsContext> client_tls = nullptr;         // null: none is spoken
  std::shared_ptr<const mail::SuppressionList> suppressed = {};  // null: nobody
  // Numbers of shards that are no more, whose spools this one hands over.
  std::vector<std::uint32_t> adopted = {};
};

class Shard {
 public:
  Shard(ring::Kernel& kernel, PostOffice& post, ShardSettings settings);

  [[nodiscard]] ring::Reactor& reactor() { return reactor_; }
  [[nodiscard]] intake::Intake& intake() { return intake_; }
  [[nodiscard]] Links& links() { return links_; }
  [[nodiscard]] const intake::ContentMemory& memory() const { return memory_; }
  [[nodiscard]] const delivery::ReadAhead& read_ahead() const { return read_ahead_; }
  [[nodiscard]] const control::ShardView& view() const { return view_; }
  [[nodiscard]] control::Operator& hand() { return operator_; }

  // On the shard's thread, in this order.
  ring::Task<Result<>> recover();
  [[nodiscard]] intake::HandOvers hand_overs() const;
  void begin(std::vector<int> listeners, const intake::HandOvers& all,
             std::vector<int> proxied_listeners = {});
  // Until the daemon asks to drain; reopens the event log when asked to.
  ring::Task<void> live();
  // No new mail, transactions under way may end until `deadline`; everything recorded.
  ring::Task<void> drain(Instant deadline);

 private:
  void make_groups();
  // A queue group of this shard, which may be there already: groups are never forgotten, since
  // mail may still be on its way out of one that has moved.
  intake::LocalGroup group_for(const config::QueueGroup& settings);
  void note_highest(mail::MessageId id);
  void reconfigure(NewConfiguration fresh);
  void share_memory();
  [[nodiscard]] control::ShardView make_view();
  ring::Task<void> meet(std::atomic<std::uint32_t>& arrived);
  ring::Task<void> abort_at(Instant deadline);

  std::uint32_t number_;
  config::Loaded configuration_;
  PostOffice& post_;
  intake::Assignment assignment_;
  std::unique_ptr<net::TlsContext> server_tls_;
  std::unique_ptr<net::TlsContext> client_tls_;
  ring::Reactor reactor_;
  mail::IdSequence ids_;
  events::EventWriter events_;
  spool::Spool spool_;
  dns::Resolver resolver_;
  queue::Messages messages_;
  std::deque<queue::QueueGroup> queues_;
  delivery::HostTable hosts_;
  delivery::Tracer tracer_;
  delivery::ConnectionCache cache_;
  delivery::MxWalk walk_;
  delivery::Routes routes_;
  delivery::InFlight in_flight_;
  delivery::Ledger ledger_;
  delivery::ReadAhead read_ahead_;
  bool stopping_ = false;
  bool drained_ = false;
  bool begun_ = false;
  std::deque<delivery::GroupService> services_;
  std::vector<intake::LocalGroup> groups_;
  intake::ContentMemory memory_;
  Links links_;
  intake::Intake intake_;
  intake::Reports reports_;
  listener::Listener listener_;
  control::Operator operator_;
  std::deque<AdoptedSpool> adopted_;
  std::vector<control::AdoptedView> adopted_views_;
  control::ShardView view_;
  ring::Event drained_event_;
  ring::Gate gate_;
};

}  // namespace ringpost::shard
