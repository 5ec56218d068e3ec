// The name server of a simulated world: answers MX and address questions over datagrams from a
// table, and fails where it is told to.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sim/sim_world.h"

namespace ringpost::sim {

class NameService {
 public:
  NameService(SimWorld& world, const Endpoint& at);

  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
  void add_mx(const std::string& domain, unsigned preference, const std::string& host) {
    mx_[domain].emplace_back(preference, host);
  }
  void add_address(const std::string& host, const IpAddress& address) {
    addresses_[host].push_back(address);
  }
  // The only one from now on.
  void change_mx(const std::string& domain, const std::string& host) {
    mx_[domain].assign(1, {10, host});
  }
  void clear_addresses(const std::string& host) { addresses_.erase(host); }

  std::set<std::string> failing;  // names that get SERVFAIL
  std::set<std::string> silent;   // names that get no answer
  // Every other question for such a domain's MX gets this host.
  std::map<std::string, std::string> undecided;
  std::uint32_t time_to_live = 300;  // of MX records, in seconds
  double lying = 0;  // chance of an answer to another question, sent before the true one
  [[nodiscard]] std::uint64_t questions() const { return questions_; }

 private:
  void answer(const Endpoint& from, const std::string& query);

  SimWorld& world_;
  Endpoint endpoint_;
  std::map<std::string, std::vector<std::pair<unsigned, std::string>>> mx_;
  std::map<std::string, std::vector<IpAddress>> addresses_;
  std::uint64_t questions_ = 0;
  bool other_answer_ = false;
};

}  // namespace ringpost::sim
