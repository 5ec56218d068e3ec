#include "ringpost/ring/linux_kernel.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "ringpost/base/check.h"

namespace ringpost::ring {
namespace {

int result_of(int returned) {
  return returned < 0 ? -errno : returned;
}

int create_ring(unsigned submissions, unsigned completions, io_uring& ring) {
  io_uring_params params{};
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED | IORING_SETUP_TASKRUN_FLAG;
  params.cq_entries = completions;
  return io_uring_queue_init_params(submissions, &ring, &params);
}

Failure explain_refusal(int error) {
  constexpr std::string_view what = "io_uring is not available";
  switch (-error) {
    case ENOSYS:
    case EPERM:
    case EACCES:
      return fail_errno(error, std::string(what),
                        "likely a container's seccomp profile or kernel.io_uring_disabled: allow "
                        "io_uring_setup, io_uring_enter and io_uring_register, or set "
                        "kernel.io_uring_disabled=0");
    case ENOMEM:
      return fail_errno(error, "too little lockable memory for an io_uring",
                        "raise RLIMIT_MEMLOCK: `ulimit -l unlimited`, or LimitMEMLOCK=infinity in "
                        "the systemd unit");
    case EMFILE:
    case ENFILE:
      return fail_errno(error, "too few file descriptors for an io_uring",
                        "raise RLIMIT_NOFILE: `ulimit -n 65536`, or LimitNOFILE=65536 in the "
                        "systemd unit");
    case EINVAL:
      return fail_errno(error, "this kernel's io_uring lacks a needed feature",
                        "Linux 6.1 or later is required");
    default:
      return fail_errno(error, std::string(what));
  }
}

}  // namespace

Result<std::unique_ptr<LinuxKernel>> LinuxKernel::create(const LinuxKernelSettings& settings) {
  std::unique_ptr<LinuxKernel> kernel(new LinuxKernel());
  unsigned submissions = settings.submission_entries;
  unsigned completions = settings.completion_entries;
  int error = create_ring(submissions, completions, kernel->queues_);
  while (error == -ENOMEM && submissions > 256) {
    submissions /= 2;
    completions /= 2;
    error = create_ring(submissions, completions, kernel->queues_);
  }
  if (error < 0) {
    return explain_refusal(error);
  }
  kernel->created_ = true;
  kernel->wake_fd_ = eventfd(0, EFD_CLOEXEC);
  if (kernel->wake_fd_ < 0) {
    return explain_refusal(-errno);
  }
  return kernel;
}

LinuxKernel::~LinuxKernel() {
  if (created_) {
    io_uring_queue_exit(&queues_);
  }
  for (const Mapping& mapping : mappings_) {
    munmap(mapping.address, mapping.length);
  }
  if (wake_fd_ >= 0) {
    ::close(wake_fd_);
  }
}

int LinuxKernel::enable() {
  // Slow file operations run on kernel threads; a shard needs few at a time.
  unsigned most_workers[2] = {4, 4};
  io_uring_register_iowq_max_workers(&queues_, most_workers);
  // liburing 2.3 declares io_uring_enable_rings() but does not export it.
  return result_of(static_cast<int>(
      syscall(SYS_io_uring_register, queues_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0)));
}

int LinuxKernel::enter(unsigned wait_for, Duration timeout) {
  if (wait_for == 0) {
    const bool anything = io_uring_sq_ready(&queues_) != 0 ||
                          (*queues_.sq.kflags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
    return anything ? io_uring_submit_and_get_events(&queues_) : 0;
  }
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout);
  __kernel_timespec limit{};
  limit.tv_sec = seconds.count();
  limit.tv_nsec = (timeout - seconds).count();
  io_uring_cqe* first = nullptr;
  const int error = io_uring_submit_and_wait_timeout(&queues_, &first, wait_for, &limit, nullptr);
  return error == -ETIME ? 0 : error;
}

void LinuxKernel::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_fd_, &one, sizeof(one));
}

Clocks LinuxKernel::clocks() {
  timespec monotonic{};
  timespec wall{};
  clock_gettime(CLOCK_MONOTONIC, &monotonic);
  clock_gettime(CLOCK_REALTIME, &wall);
  const Duration since_boot =
      std::chrono::seconds(monotonic.tv_sec) + std::chrono::nanoseconds(monotonic.tv_nsec);
  const Duration since_epoch =
      std::chrono::seconds(wall.tv_sec) + std::chrono::nanoseconds(wall.tv_nsec);
  return {Instant(since_boot),
          WallTime(std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch))};
}

Random::Seed LinuxKernel::random_seed() {
  Random::Seed seed{};
  const ssize_t got = getrandom(seed.data(), seed.size(), 0);
  check(got == static_cast<ssize_t>(seed.size()), "getrandom failed");
  return seed;
}

io_uring_buf_ring* LinuxKernel::register_buffer_ring(unsigned entries, unsigned group) {
  const std::size_t length = entries * sizeof(io_uring_buf);
  void* const memory =
      mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
  if (memory == MAP_FAILED) {
    return nullptr;
  }
  mappings_.push_back({memory, length});
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uint64_t>(memory);
  registration.ring_entries = entries;
  registration.bgid = static_cast<std::uint16_t>(group);
  if (io_uring_register_buf_ring(&queues_, &registration, 0) != 0) {
    return nullptr;
  }
  auto* const ring = static_cast<io_uring_buf_ring*>(memory);
  io_uring_buf_ring_init(ring);
  return ring;
}

int LinuxKernel::socket(int family, int type) {
  return result_of(::socket(family, type | SOCK_CLOEXEC, 0));
}

int LinuxKernel::bind(int fd, const sockaddr* address, socklen_t length) {
  return result_of(::bind(fd, address, length));
}

int LinuxKernel::listen(int fd, int backlog) {
  return result_of(::listen(fd, backlog));
}

int LinuxKernel::set_socket_option(int fd, int level, int name, int value) {
  return result_of(setsockopt(fd, level, name, &value, sizeof(value)));
}

int LinuxKernel::local_address(int fd, sockaddr_storage& address) {
  socklen_t length = sizeof(address);
  return result_of(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length));
}

int LinuxKernel::peer_address(int fd, sockaddr_storage& address) {
  socklen_t length = sizeof(address);
  return result_of(getpeername(fd, reinterpret_cast<sockaddr*>(&address), &length));
}

int LinuxKernel::change_mode(const std::string& path, mode_t mode) {
  return result_of(chmod(path.c_str(), mode));
}

int LinuxKernel::shutdown(int fd) {
  return result_of(::shutdown(fd, SHUT_RDWR));
}

int LinuxKernel::close(int fd) {
  return result_of(::close(fd));
}

int LinuxKernel::make_directory(const std::string& path) {
  for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
    if (mkdir(path.substr(0, at).c_str(), 0755) != 0 && errno != EEXIST) {
      return -errno;
    }
  }
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return -errno;
  }
  return 0;
}

int LinuxKernel::list_directory(const std::string& path, std::vector<std::string>& names) {
  DIR* const directory = opendir(path.c_str());
  if (directory == nullptr) {
    return -errno;
  }
  while (const dirent* const entry = readdir(directory)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") {
      names.push_back(name);
    }
  }
  closedir(directory);
  std::ranges::sort(names);
  return 0;
}

int LinuxKernel::lock_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return -errno;
  }
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    ::close(fd);
    return -error;
  }
  return fd;
}

std::int64_t LinuxKernel::file_size(int fd) {
  struct stat status{};
  return fstat(fd, &status) == 0 ? status.st_size : -errno;
}

std::int64_t LinuxKernel::free_space(const std::string& path) {
  struct statvfs status{};
  if (statvfs(path.c_str(), &status) != 0) {
    return -errno;
  }
  return static_cast<std::int64_t>(status.f_bavail * status.f_frsize);
}

}  // namespace ringpost::ring
