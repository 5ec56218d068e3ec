#include "ringpost/ring/buffer_pool.h"

#include <liburing.h>

#include "ringpost/base/check.h"
#include "ringpost/ring/kernel.h"

namespace ringpost::ring {

BufferPool::BufferPool(unsigned count, std::size_t buffer_size)
    : count_(count),
      buffer_size_(buffer_size),
      memory_(std::make_unique_for_overwrite<char[]>(count * buffer_size)) {
  check(count != 0 && (count & (count - 1)) == 0 && count <= 32'768,
        "a buffer pool holds a power of two of buffers");
}

int BufferPool::enroll(Kernel& kernel) {
  ring_ = kernel.register_buffer_ring(count_, group);
  if (ring_ == nullptr) {
    return -ENOMEM;
  }
  for (unsigned id = 0; id < count_; ++id) {
    add(static_cast<std::uint16_t>(id));
  }
  return 0;
}

void BufferPool::add(std::uint16_t id) {
  io_uring_buf_ring_add(ring_, memory_.get() + id * buffer_size_,
                        static_cast<unsigned>(buffer_size_), id, io_uring_buf_ring_mask(count_), 0);
  io_uring_buf_ring_advance(ring_, 1);
}

void BufferPool::give_back(std::uint16_t id) {
  check(outstanding_ > 0, "a buffer came back twice");
  --outstanding_;
  add(id);
}

}  // namespace ringpost::ring
