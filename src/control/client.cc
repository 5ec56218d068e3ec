#include "ringpost/control/client.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>
#include <utility>

#include "ringpost/control/http.h"

namespace ringpost::control {
namespace {

using Kind = AskError::Kind;

std::unexpected<AskError> error_of(Kind kind, Failure failure) {
  return std::unexpected(AskError{kind, std::move(failure.error())});
}

class Socket {
 public:
  Socket() : descriptor_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (descriptor_ >= 0) {
      close(descriptor_);
    }
  }
  [[nodiscard]] int descriptor() const { return descriptor_; }

  void limit_waits(Duration timeout) const {
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(timeout).count();
    timeval limit{};
    limit.tv_sec = us / 1'000'000;
    limit.tv_usec = us % 1'000'000;
    setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  }

 private:
  int descriptor_;
};

// Each returns 0 or an errno.
int connect_to(const Socket& socket, const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return ENAMETOOLONG;
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return connect(socket.descriptor(), reinterpret_cast<const sockaddr*>(&address),
                 sizeof(address)) == 0
             ? 0
             : errno;
}

int send_all(const Socket& socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket.descriptor(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EINTR) {
      return errno;
    }
    bytes.remove_prefix(sent < 0 ? 0 : static_cast<std::size_t>(sent));
  }
  return 0;
}

// 0 also when the daemon closed before its answer was complete; the reader's state tells.
int receive(const Socket& socket, ResponseReader& reader) {
  char block[16 * 1024];
  while (reader.state() == ReadState::need_more) {
    const ssize_t count = recv(socket.descriptor(), block, sizeof(block), 0);
    if (count == 0) {
      return 0;
    }
    if (count > 0) {
      reader.feed({block, static_cast<std::size_t>(count)});
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

std::unexpected<AskError> not_connected(int error, const std::string& path) {
  const std::string what = fmt::format("cannot reach the daemon at {}", path);
  switch (error) {
    case ENOENT:
    case ECONNREFUSED:
    case ENOTDIR:
      return error_of(Kind::no_daemon,
                      fail_errno(error, what, "start ringpostd, or name its socket with --socket"));
    case EACCES:
      return error_of(Kind::failed, fail_errno(error, what, "run this as the daemon's user"));
    default:
      return error_of(Kind::failed, fail_errno(error, what, "is this its control.socket?"));
  }
}

std::unexpected<AskError> no_answer(int error) {
  if (error == EAGAIN || error == EWOULDBLOCK) {
    return error_of(Kind::failed, fail("the daemon did not answer in time",
                                       "it may be overloaded; try again, then look at its log"));
  }
  return error_of(Kind::failed, fail_errno(error, "the daemon broke the connection"));
}

}  // namespace

std::expected<Reply, AskError> ask(const std::string& socket_path, const Command& command,
                                   Duration timeout) {
  const Socket socket;
  if (socket.descriptor() < 0) {
    return error_of(Kind::failed, fail_errno(errno, "cannot open a socket"));
  }
  socket.limit_waits(timeout);
  if (const int error = connect_to(socket, socket_path); error != 0) {
    return not_connected(error, socket_path);
  }
  // A daemon that refuses may answer and close before it read everything: then the answer counts.
  const int send_error = send_all(socket, format_request(method_of(command), target_of(command)));
  ResponseReader reader;
  const int error = receive(socket, reader);
  if (reader.state() == ReadState::done) {
    return Reply{reader.status(), reader.body()};
  }
  if (reader.state() == ReadState::malformed) {
    return error_of(Kind::failed, fail(fmt::format("not understood: {}", reader.fault()),
                                       "is this ringpostd's control.socket?"));
  }
  if (error != 0 || send_error != 0) {
    return no_answer(error != 0 ? error : send_error);
  }
  return error_of(Kind::failed, fail("the daemon closed the connection without a whole answer"));
}

}  // namespace ringpost::control
