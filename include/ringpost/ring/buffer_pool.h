// The receive buffers of a shard: a ring of equal pieces from which the kernel takes one when data
// has arrived, so that an idle connection pins none. Sized for the data of one loop turn, not for
// connections. When it runs dry, receives wait (the reactor parks them) and go on as soon as a
// buffer comes back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

struct io_uring_buf_ring;

namespace ringpost::ring {

class Kernel;

class BufferPool {
 public:
  static constexpr unsigned group = 0;

  // `count` must be a power of two up to 32,768.
  BufferPool(unsigned count, std::size_t buffer_size);

  // Hands all buffers to the kernel; negative errno if it refuses.
  int enroll(Kernel& kernel);

  [[nodiscard]] std::string_view view(std::uint16_t id, std::size_t length) const {
    return {memory_.get() + id * buffer_size_, length};
  }
  void give_back(std::uint16_t id);
  [[nodiscard]] unsigned outstanding() const { return outstanding_; }
  [[nodiscard]] bool exhausted() const { return outstanding_ == count_; }
  // A completion carried buffer `id`.
  void taken() { ++outstanding_; }
  [[nodiscard]] std::size_t buffer_size() const { return buffer_size_; }

 private:
  void add(std::uint16_t id);

  unsigned count_;
  std::size_t buffer_size_;
  unsigned outstanding_ = 0;
  std::unique_ptr<char[]> memory_;
  io_uring_buf_ring* ring_ = nullptr;
};

}  // namespace ringpost::ring
