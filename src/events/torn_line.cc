#include "ringpost/events/torn_line.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ringpost/base/log.h"

namespace ringpost::events {

void end_torn_line(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0) {
    return;
  }
  const int fd = ::open(path.c_str(), O_RDWR | O_APPEND | O_CLOEXEC);
  if (fd < 0) {
    return;
  }
  char last = '\n';
  if (::pread(fd, &last, 1, status.st_size - 1) == 1 && last != '\n') {
    const bool ended = ::write(fd, "\n", 1) == 1;
    log::warning("the last line of the event log {} is torn{}", path,
                 ended ? "" : ", and the next one will stand behind it");
  }
  ::close(fd);
}

}  // namespace ringpost::events
