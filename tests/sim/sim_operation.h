// One submitted request, from its submission to its completion. The kernel that took it holds it;
// sockets queue it; scheduled events keep it alive and find it `done` when it ended before them.
#pragma once

#include <liburing.h>

#include <cstdint>
#include <memory>

namespace ringpost::sim {

class SimKernel;
class SimSocket;
class SimFile;

struct SimOperation {
  SimOperation(SimKernel& kernel, const io_uring_sqe& sqe) : kernel(kernel), sqe(sqe) {}

  SimKernel& kernel;  // must not be used once `done`
  const io_uring_sqe sqe;
  bool done = false;
  bool started = false;  // under way where a cancel no longer reaches it
  std::uint32_t progress = 0;
  std::shared_ptr<SimSocket> socket;  // while it waits there
  std::shared_ptr<SimFile> file;      // that a write is on its way to
  std::uint64_t offset = 0;           // where to
  bool append = false;                // to the end instead
};

using OperationPointer = std::shared_ptr<SimOperation>;

}  // namespace ringpost::sim
