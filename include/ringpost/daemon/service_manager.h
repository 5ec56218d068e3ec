// Tells the service manager how the daemon is: ready, alive, stopping. Speaks systemd's
// notification protocol, sd_notify(3): lines in a datagram to the socket that NOTIFY_SOCKET names.
// Used by the daemon; without a service manager it does nothing.
#pragma once

#include <string>
#include <string_view>

#include "ringpost/base/time.h"

namespace ringpost::daemon {

class ServiceManager {
 public:
  // `socket` and `watchdog_usec` as the environment has them, empty where it does not.
  ServiceManager(std::string socket, std::string_view watchdog_usec);
  // From the environment.
  static ServiceManager from_environment();

  // How often it wants to hear that we are alive, half the time that it waits; 0 = not at all.
  [[nodiscard]] Duration alive_every() const { return alive_every_; }
  // `state` is one or several lines, such as "READY=1". Best effort.
  void tell(std::string_view state) const;

 private:
  std::string socket_;
  Duration alive_every_{};
};

}  // namespace ringpost::daemon
