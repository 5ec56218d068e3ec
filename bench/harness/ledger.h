// What really happened, a line each, for whoever judges afterwards: the source notes what was
// acknowledged, the sink what arrived. Whole lines reach the file, in order.
#pragma once

#include <string>

#include "ringpost/base/result.h"

namespace ringpost::bench {

class Ledger {
 public:
  enum class Mode { buffered, sync };

  // One that writes nowhere.
  Ledger() = default;
  // `sync` hands each batch of lines to the kernel as soon as flush_if_sync() is called, so that
  // they outlive this process.
  static Result<Ledger> open(const std::string& path, Mode mode);
  Ledger(Ledger&& other) noexcept;
  Ledger& operator=(Ledger&&) = delete;
  ~Ledger();

  [[nodiscard]] bool enabled() const { return fd_ >= 0; }
  // To be followed by line_done().
  [[nodiscard]] std::string& buffer() { return buffer_; }
  void line_done();
  void flush_if_sync() {
    if (mode_ == Mode::sync) {
      flush();
    }
  }
  void flush();

 private:
  int fd_ = -1;
  Mode mode_ = Mode::buffered;
  std::string buffer_;
};

}  // namespace ringpost::bench
