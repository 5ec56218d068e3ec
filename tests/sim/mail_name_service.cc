#include "sim/mail_name_service.h"

#include "dns/packet.h"
#include "ringpost/base/text.h"

namespace ringpost::sim {
namespace {

constexpr unsigned server_failure = 2;
constexpr unsigned no_such_name = 3;
constexpr std::size_t header_size = 12;

unsigned number_at(const std::string& bytes, std::size_t at) {
  return static_cast<unsigned>(static_cast<unsigned char>(bytes[at])) << 8 |
         static_cast<unsigned char>(bytes[at + 1]);
}

// The question of a query that our own resolver made: well-formed, without compression.
dns::Question question_of(const std::string& query) {
  dns::Question question;
  std::size_t at = header_size;
  while (query[at] != 0) {
    const auto length = static_cast<std::size_t>(query[at]);
    question.name += (question.name.empty() ? "" : ".") + query.substr(at + 1, length);
    at += length + 1;
  }
  question.name = to_lower(question.name);
  question.type = static_cast<decltype(question.type)>(number_at(query, at + 1));
  return question;
}

}  // namespace

NameService::NameService(SimWorld& world, const Endpoint& at) : world_(world), endpoint_(at) {
  world.network().serve_datagrams(
      at, [this](const Endpoint& from, const std::string& query) { answer(from, query); });
}

void NameService::answer(const Endpoint& from, const std::string& query) {
  ++questions_;
  dns::testing::Message message;
  message.id = static_cast<std::uint16_t>(number_at(query, 0));
  message.question = question_of(query);
  const std::string& name = message.question.name;
  if (silent.contains(name)) {
    return;
  }
  const auto hosts = mx_.find(name);
  const auto addresses = addresses_.find(name);
  if (failing.contains(name)) {
    message.rcode = server_failure;
  } else if (hosts == mx_.end() && addresses == addresses_.end()) {
    message.rcode = no_such_name;
    message.authorities.push_back(dns::testing::soa("example", 60, 60));
  } else if (message.question.type == dns::RecordType::mx && hosts != mx_.end()) {
    const auto other = undecided.find(name);
    other_answer_ = other != undecided.end() && !other_answer_;
    for (const auto& [preference, host] : hosts->second) {
      message.answers.push_back(
          dns::testing::mx(name, preference, other_answer_ ? other->second : host, time_to_live));
    }
  } else if (addresses != addresses_.end()) {
    for (const IpAddress& address : addresses->second) {
      const bool asked =
          message.question.type == (address.is_v4() ? dns::RecordType::a : dns::RecordType::aaaa);
      if (asked) {
        message.answers.push_back(dns::testing::address(name, address.to_string()));
      }
    }
  }
  if (chance(world_.random(), lying)) {
    dns::testing::Message lie = message;
    lie.id = static_cast<std::uint16_t>(lie.id + 1);
    lie.answers.clear();
    world_.network().send_datagram(endpoint_, from, lie.wire());
  }
  world_.network().send_datagram(endpoint_, from, message.wire());
}

}  // namespace ringpost::sim
