// To which domain each recipient belongs: a long-tailed mix of made-up domains (the k-th gets a
// share proportional to 1/k), or those of a file. A pure function of seed and recipient, so that a
// message that is sent again has the same recipients.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/base/result.h"

namespace ringpost::bench {

class Domains {
 public:
  // d0.test, d1.test, … in falling order of share.
  static Domains long_tailed(std::size_t count, std::uint64_t seed);
  // A domain a line, behind it its weight (1 if missing); lines that begin with # are skipped.
  static Result<Domains> from_file(const std::string& path, std::uint64_t seed);

  [[nodiscard]] std::size_t size() const { return names_.size(); }
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  [[nodiscard]] std::string_view of_recipient(std::uint64_t serial) const;

 private:
  Domains(std::vector<std::string> names, const std::vector<double>& weights, std::uint64_t seed);

  std::vector<std::string> names_;
  std::vector<double> up_to_;  // cumulated shares, the last is 1
  std::uint64_t seed_;
};

}  // namespace ringpost::bench
