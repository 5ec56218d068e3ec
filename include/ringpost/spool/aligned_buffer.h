// Memory that O_DIRECT accepts: aligned to a block, a multiple of a block long, growing by copying.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>

#include "ringpost/spool/batch.h"

namespace ringpost::spool {

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t capacity) { reserve(capacity); }
  explicit AlignedBuffer(std::string_view bytes) : AlignedBuffer(bytes.size()) { append(bytes); }

  [[nodiscard]] char* data() { return memory_.get(); }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  [[nodiscard]] std::string_view view() const { return {memory_.get(), size_}; }

  void clear() { size_ = 0; }
  void reserve(std::size_t capacity) {
    if (capacity <= capacity_) {
      return;
    }
    capacity = round_up_to_block(std::max(capacity, 2 * capacity_));
    Memory larger(static_cast<char*>(::operator new(capacity, alignment)));
    if (size_ != 0) {
      std::memcpy(larger.get(), memory_.get(), size_);
    }
    memory_ = std::move(larger);
    capacity_ = capacity;
  }
  void append(std::string_view bytes) {
    reserve(size_ + bytes.size());
    if (!bytes.empty()) {
      std::memcpy(memory_.get() + size_, bytes.data(), bytes.size());
    }
    size_ += bytes.size();
  }
  void append_zeros(std::size_t count) {
    reserve(size_ + count);
    if (count != 0) {
      std::memset(memory_.get() + size_, 0, count);
    }
    size_ += count;
  }
  void pad_to_block() { append_zeros(round_up_to_block(size_) - size_); }
  // Takes `size` bytes that were read into data().
  void set_size(std::size_t size) { size_ = size; }

 private:
  static constexpr std::align_val_t alignment{block_size};
  struct Free {
    void operator()(char* memory) const { ::operator delete(memory, alignment); }
  };
  using Memory = std::unique_ptr<char, Free>;

  Memory memory_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace ringpost::spool
