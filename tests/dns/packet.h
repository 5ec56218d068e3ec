// DNS messages put together by hand, byte for byte, so that ldns is not tested against itself and
// broken ones can be made too. For tests and for the name servers that tests play.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/base/ip_address.h"
#include "ringpost/dns/message.h"

namespace ringpost::dns::testing {

inline constexpr std::uint16_t type_cname = 5;
inline constexpr std::uint16_t type_soa = 6;

inline std::string u16(unsigned value) {
  return {static_cast<char>(value >> 8 & 0xff), static_cast<char>(value & 0xff)};
}
inline std::string u32(std::uint32_t value) {
  return u16(value >> 16) + u16(value & 0xffff);
}

// "a.example" as labels; "" is the root. Takes any octet but the dot.
inline std::string wire_name(std::string_view name) {
  std::string wire;
  while (!name.empty()) {
    const std::size_t length = std::min(name.find('.'), name.size());
    wire += static_cast<char>(length);
    wire += name.substr(0, length);
    name.remove_prefix(std::min(length + 1, name.size()));
  }
  return wire + '\0';
}

inline std::string record(std::string_view owner, unsigned type, std::uint32_t time_to_live,
                          std::string_view data, unsigned record_class = 1) {
  return wire_name(owner) + u16(type) + u16(record_class) + u32(time_to_live) +
         u16(static_cast<unsigned>(data.size())) + std::string(data);
}
inline std::string mx(std::string_view owner, unsigned preference, std::string_view exchange,
                      std::uint32_t time_to_live = 300) {
  return record(owner, 15, time_to_live, u16(preference) + wire_name(exchange));
}
inline std::string cname(std::string_view owner, std::string_view target,
                         std::uint32_t time_to_live = 300) {
  return record(owner, type_cname, time_to_live, wire_name(target));
}
// A or AAAA, as the address has it.
inline std::string address(std::string_view owner, std::string_view text,
                           std::uint32_t time_to_live = 300) {
  const IpAddress value = IpAddress::parse(text).value();
  const auto bytes = value.bytes();
  return record(owner, value.is_v4() ? 1 : 28, time_to_live,
                {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}
inline std::string soa(std::string_view owner, std::uint32_t time_to_live, std::uint32_t minimum) {
  return record(owner, type_soa, time_to_live,
                wire_name("ns.example") + wire_name("hostmaster.example") + u32(1) + u32(2) +
                    u32(3) + u32(4) + u32(minimum));
}

struct Message {
  std::uint16_t id = 0;
  Question question;
  unsigned flags = 0x8180;  // answer, recursion desired and available
  unsigned rcode = 0;
  std::vector<std::string> answers;
  std::vector<std::string> authorities;
  std::vector<std::string> additionals;

  [[nodiscard]] std::string wire() const {
    std::string bytes = u16(id) + u16(flags | rcode) + u16(1) + count(answers) +
                        count(authorities) + count(additionals);
    bytes += wire_name(question.name) + u16(static_cast<unsigned>(question.type)) + u16(1);
    for (const auto* section : {&answers, &authorities, &additionals}) {
      for (const std::string& one : *section) {
        bytes += one;
      }
    }
    return bytes;
  }

 private:
  static std::string count(const std::vector<std::string>& section) {
    return u16(static_cast<unsigned>(section.size()));
  }
};

inline constexpr unsigned flag_truncated = 0x0200;

}  // namespace ringpost::dns::testing
