// Sends a workload over so many SMTP connections as fast as the server takes it. Owns its
// connections; runs on a RingThread. What it sends and what is acknowledged is the Workload's.
#pragma once

#include "harness/message_maker.h"
#include "harness/ring_thread.h"
#include "harness/source_session.h"
#include "harness/workload.h"
#include "ringpost/base/intrusive_list.h"
#include "ringpost/base/ip_address.h"
#include "ringpost/net/stream.h"

namespace ringpost::bench {

struct SourceSettings {
  Endpoint to;
  std::uint32_t connections = 40;
  Pipelining pipelining = Pipelining::overlap;
  // A lost connection is opened again, and what it left unacknowledged is sent again, until the
  // server could not be reached for this long. Zero: it stays lost.
  Duration reconnect{};
};

struct SourceConnectionTag;

class Source {
 public:
  Source(ring::Reactor& reactor, StopSignal& stop, const SourceSettings& settings,
         MessageMaker& maker, Workload& workload)
      : reactor_(reactor),
        stop_(stop),
        settings_(settings),
        maker_(maker),
        workload_(workload),
        gate_(reactor.ready()) {}

  // Ends when every message is settled, no connection is left, or it is asked to stop.
  ring::Task<void> run();
  // Why connections were lost, the first one's reason; empty if none was. After run().
  [[nodiscard]] const std::string& first_complaint() const { return first_complaint_; }

 private:
  struct Open : ListHook<SourceConnectionTag> {
    Open(ring::Reactor& reactor, int fd) : stream(reactor, fd) {}
    net::Stream stream;
  };

  ring::Task<void> abort_when_stopped();
  ring::Task<void> connection();
  // One connection from greeting to its end; true if it ended as it should.
  ring::Task<bool> converse(int fd);
  [[nodiscard]] bool may_go_on() const { return !stop_.requested() && !workload_.finished(); }
  void complain(std::string_view why);

  ring::Reactor& reactor_;
  StopSignal& stop_;
  SourceSettings settings_;
  MessageMaker& maker_;
  Workload& workload_;
  ring::Gate gate_;
  IntrusiveList<Open, SourceConnectionTag> open_;
  std::string first_complaint_;
};

}  // namespace ringpost::bench
