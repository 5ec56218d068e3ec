// The calls of the seam that do not pass through the ring.
#include <netinet/in.h>

#include <cerrno>
#include <cstring>

#include "sim/sim_kernel.h"
#include "sim/sim_world.h"

namespace ringpost::sim {
namespace {

std::optional<Endpoint> endpoint_of(const sockaddr* address, socklen_t length) {
  sockaddr_storage storage{};
  std::memcpy(&storage, address, std::min<std::size_t>(length, sizeof(storage)));
  return Endpoint::from_sockaddr(storage);
}

}  // namespace

SimSocket* SimKernel::socket_of(int fd) {
  SimHost::Descriptor* const found = host_.descriptor(fd);
  return found == nullptr ? nullptr : found->socket.get();
}

int SimKernel::socket(int family, int type) {
  if (family != AF_INET && family != AF_INET6) {
    return -EAFNOSUPPORT;
  }
  const bool datagram = (type & 0xf) == SOCK_DGRAM;
  return host_.add_descriptor(
      {.socket = std::make_shared<SimSocket>(world_.network(), host_, datagram)});
}

int SimKernel::bind(int fd, const sockaddr* address, socklen_t length) {
  SimSocket* const socket = socket_of(fd);
  const auto endpoint = endpoint_of(address, length);
  if (socket == nullptr || !endpoint) {
    return socket == nullptr ? -EBADF : -EAFNOSUPPORT;
  }
  return world_.network().bind(*socket, *endpoint);
}

int SimKernel::listen(int fd, int /*backlog*/) {
  SimSocket* const socket = socket_of(fd);
  return socket == nullptr ? -EBADF : world_.network().listen(*socket);
}

int SimKernel::set_socket_option(int fd, int level, int name, int value) {
  SimSocket* const socket = socket_of(fd);
  if (socket == nullptr) {
    return -EBADF;
  }
  if (level == SOL_SOCKET && name == SO_REUSEPORT) {
    socket->reuse_port = value != 0;
  }
  return 0;
}

int SimKernel::local_address(int fd, sockaddr_storage& address) {
  const SimSocket* const socket = socket_of(fd);
  if (socket == nullptr) {
    return -EBADF;
  }
  socket->local.to_sockaddr(address);
  return 0;
}

int SimKernel::peer_address(int fd, sockaddr_storage& address) {
  SimSocket* const socket = socket_of(fd);
  if (socket == nullptr) {
    return -EBADF;
  }
  if (!socket->has_peer()) {
    return -ENOTCONN;
  }
  socket->remote.to_sockaddr(address);
  return 0;
}

int SimKernel::shutdown(int fd) {
  SimSocket* const socket = socket_of(fd);
  return socket == nullptr ? -EBADF : socket->shut_down();
}

int SimKernel::close(int fd) {
  return host_.close_descriptor(fd);
}

int SimKernel::make_directory(const std::string& path) {
  return host_.disk().make_directory(path);
}

int SimKernel::list_directory(const std::string& path, std::vector<std::string>& names) {
  return host_.disk().list(path, names);
}

int SimKernel::lock_file(const std::string& path) {
  FilePointer file;
  if (const int error = host_.disk().open(path, O_RDWR | O_CREAT, file); error < 0) {
    return error;
  }
  if (file->locked) {
    return -EWOULDBLOCK;
  }
  file->locked = true;
  return host_.add_descriptor({.file = file, .flags = O_RDWR, .holds_lock = true});
}

std::int64_t SimKernel::file_size(int fd) {
  const SimHost::Descriptor* const found = host_.descriptor(fd);
  if (found == nullptr || found->file == nullptr) {
    return -EBADF;
  }
  return static_cast<std::int64_t>(found->file->bytes().size());
}

std::int64_t SimKernel::free_space(const std::string& path) {
  if (host_.disk().find(path) == nullptr) {
    return -ENOENT;
  }
  return static_cast<std::int64_t>(host_.disk().free_space());
}

}  // namespace ringpost::sim
