#include "ringpost/daemon/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace ringpost::daemon {
namespace {

std::string environment_value(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace

ServiceManager::ServiceManager(std::string socket, std::string_view watchdog_usec)
    : socket_(std::move(socket)) {
  std::uint32_t microseconds = 0;
  const auto parsed = std::from_chars(watchdog_usec.data(),
                                      watchdog_usec.data() + watchdog_usec.size(), microseconds);
  if (!socket_.empty() && parsed.ec == std::errc() && microseconds > 0) {
    alive_every_ = std::chrono::microseconds(microseconds) / 2;
  }
}

ServiceManager ServiceManager::from_environment() {
  const std::string for_process = environment_value("WATCHDOG_PID");
  const bool for_us = for_process.empty() || for_process == std::to_string(getpid());
  return {environment_value("NOTIFY_SOCKET"),
          for_us ? environment_value("WATCHDOG_USEC") : std::string()};
}

void ServiceManager::tell(std::string_view state) const {
  sockaddr_un address{};
  if (socket_.empty() || socket_.size() >= sizeof(address.sun_path)) {
    return;
  }
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  if (socket_.front() == '@') {
    address.sun_path[0] = '\0';  // unix(7): an abstract name
  }
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return;
  }
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  const ssize_t sent = sendto(fd, state.data(), state.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                              reinterpret_cast<const sockaddr*>(&address), length);
  static_cast<void>(sent);
  close(fd);
}

}  // namespace ringpost::daemon
